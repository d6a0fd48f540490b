"""Does the feedback queue get slower with the number of messages, or with the number of verdicts?

    python -m benchmarks.feedback [--database postgresql://user@host/name]

Fills two stores with 10,000 and 1,000,000 messages as `benchmarks.rollups` does, judges 2,000 messages of each, then
asks both in turn for the next 20 messages, gives a verdict, takes it back, and asks for the summary. Prints one line of
JSON, in milliseconds; exits with 1 when the queue of the large store takes more than 1.5 times as long. Two to five
minutes, 1 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.adapters.store import Store
from app.core.feedback import MessageVerdict
from app.services.feedback import MOST, Feedback, UndoDraft, VerdictDraft
from app.settings import Settings
from benchmarks.rollups import EVENT, databases, fill, say

MOST_RATIO: Final = 1.5
AT_ONCE: Final = 20
GIVEN: Final = (MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL, MessageVerdict.POSITIVE, MessageVerdict.OFF_TOPIC)


def label(feedback: Feedback, verdicts: int, seed: int) -> None:
    """Judge so many messages from the queue."""
    rng = random.Random(seed)
    done = 0
    while done < verdicts:
        for item in feedback.queue(EVENT.id, "ann", limit=min(MOST, verdicts - done)).items:
            verdict = rng.choice(GIVEN)
            given = {"message_id": item.message.message.id, "verdict": verdict, "stratum": item.stratum, "who": "ann"}
            feedback.judge(EVENT.id, VerdictDraft.model_validate(given))
            done += 1


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1_000


def round_of(feedback: Feedback) -> dict[str, float]:
    """One turn of an analyst, in milliseconds by step."""
    queue = feedback.queue(EVENT.id, "bob", limit=AT_ONCE)
    draft = VerdictDraft(message_id=queue.items[0].message.message.id, verdict=MessageVerdict.NEGATIVE, who="bob")
    return {
        "queue": timed(lambda: feedback.queue(EVENT.id, "bob", limit=AT_ONCE)),
        "verdict": timed(lambda: feedback.judge(EVENT.id, draft)),
        "undo": timed(lambda: feedback.undo(EVENT.id, UndoDraft(who="bob"))),
        "summary": timed(lambda: feedback.summary(EVENT.id)),
    }


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a PostgreSQL URL; default: two SQLite files in a temporary folder")
    parser.add_argument("--small", type=int, default=10_000, help="messages in the small store")
    parser.add_argument("--large", type=int, default=1_000_000, help="messages in the large store")
    parser.add_argument("--verdicts", type=int, default=2_000, help="verdicts in each store")
    parser.add_argument("--rounds", type=int, default=20, help="turns timed on each store")
    options = parser.parse_args()
    with databases(options.database) as (small_url, large_url), Store(small_url) as small, Store(large_url) as large:
        settings = Settings(_env_file=None, state_dir=Path("no-shadow-log-here"))
        sides = {"small": Feedback(small, settings), "large": Feedback(large, settings)}
        for seed, (name, store) in enumerate({"small": small, "large": large}.items()):
            fill(store, getattr(options, name), seed)
            say(f"{options.verdicts:,} verdicts in the {name} store")
            label(sides[name], options.verdicts, seed)
            round_of(sides[name])  # connections and caches, as in a dashboard that is open
        times = {name: {step: list[float]() for step in ("queue", "verdict", "undo", "summary")} for name in sides}
        for _ in range(options.rounds):
            for name, feedback in sides.items():
                for step, spent in round_of(feedback).items():
                    times[name][step].append(spent)
    medians = {
        name: {step: round(statistics.median(spent), 1) for step, spent in steps.items()}
        for name, steps in times.items()
    }
    ratio = medians["large"]["queue"] / medians["small"]["queue"]
    result = {
        "messages": {"small": options.small, "large": options.large},
        "verdicts": options.verdicts,
        "median_ms": medians,
        "queue_ratio": round(ratio, 2),
        "holds": ratio <= MOST_RATIO,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
