"""How often does an evidence card name a phrase where there is nothing to name?

    python -m benchmarks.evidence_chance --data FILE [--data FILE ...] [--windows 60] [--share 0.2]

Parts the authors of a recording at random into a window and a side before, so that any difference is chance, and counts
the windows in which a phrase is named all the same. Prints one line of JSON a recording. The share of such windows
should not exceed the false discovery rate; exits with 1 where it is more than one and a half times as high.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.core.dedup import DuplicateIndex
from app.core.drivers import explain
from app.core.phrases import FALSE_DISCOVERY_RATE
from app.core.posts import Posts
from app.core.types import Label, Message
from pipelines.sources.recordings import open_recording

SEED = 1


def firsts(recording: Path) -> list[Message]:
    """The messages of a recording that are no copies."""
    index = DuplicateIndex()
    found = [row.message for row in open_recording(recording).rows(0) if row.message is not None]
    return [message for message in found if index.first_of(message.id, message.text) is None]


def columns(messages: Sequence[Message], hours: float) -> Posts:
    """The messages as columns, in the order of their times."""
    ordered = sorted(messages, key=lambda message: (message.created_at, message.id))
    blank = [""] * len(ordered)
    return Posts(
        ids=[message.id for message in ordered],
        texts=[message.text for message in ordered],
        created_at=np.array([int(message.created_at.timestamp() * 1e6) for message in ordered], dtype=np.int64),
        families=[message.id for message in ordered],
        authors=[message.author or "" for message in ordered],
        domains=blank,
        sources=[message.source for message in ordered],
        countries=blank,
        labels=[Label.UNSCORED] * len(ordered),
        hours=hours,
    )


def named(messages: Sequence[Message], share: float, rng: random.Random) -> int:
    """How many phrases are named where the authors of the window are drawn at random."""
    by_author: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_author[message.author or f"unknown {message.id}"].append(message)
    sides: tuple[list[Message], list[Message]] = ([], [])
    for author in sorted(by_author):
        sides[rng.random() >= share].extend(by_author[author])
    span = max(message.created_at for message in messages) - min(message.created_at for message in messages)
    hours = span.total_seconds() / 3600
    return len(explain(columns(sides[0], hours), columns(sides[1], hours)).phrases)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="a recording")
    parser.add_argument("--windows", type=int, default=60, help="random windows a recording")
    parser.add_argument("--share", type=float, default=0.2, help="share of the authors in the window")
    options = parser.parse_args()
    worst = 0.0
    for path in options.data:
        messages = firsts(path)
        rng = random.Random(SEED)
        counts = [named(messages, options.share, rng) for _ in range(options.windows)]
        share = sum(map(bool, counts)) / options.windows
        worst = max(worst, share)
        result = {
            "data": path.name,
            "texts": len(messages),
            "windows": options.windows,
            "with_a_phrase": sum(map(bool, counts)),
            "phrases": sum(counts),
            "false_discovery_rate": FALSE_DISCOVERY_RATE,
        }
        print(json.dumps(result), flush=True)
    return int(worst > 1.5 * FALSE_DISCOVERY_RATE)


if __name__ == "__main__":
    sys.exit(main())
