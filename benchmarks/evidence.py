"""How long does the evidence card of a large window take?

    python -m benchmarks.evidence [--data FILE ...] [--window 100000] [--before 200000] [--distinct 0.6]

Fills an SQLite store with messages of an hour and of the seven days before it, then asks seven times for the card of
that hour, from the database to the finished card, each time with nothing kept from before. Texts are those of the
recordings (the sample without --data), cycled; in each a fifth of the words is exchanged for words of other texts, so
that hardly any two are the same, and the share that is not --distinct is copies. A twentieth of the texts of the hour
says "recall notice": the card has to name it. Prints one line of JSON; exits with 1 when the card takes more than two
seconds (95th percentile) or does not name the cause.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from app.adapters.records import MessageFilter, Progress, Record
from app.adapters.store import Store
from app.core.drivers import explain
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Message, Prediction
from app.services.evidence import MOST_BEFORE, MOST_MESSAGES, Evidence, EvidenceCard
from app.views import Selection
from pipelines.sources.recordings import open_recording

MOST_SECONDS: Final = 2.0
ROUNDS: Final = 7
CAUSE: Final = "recall notice"
START: Final = datetime(2026, 6, 11, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
WEEK: Final = timedelta(days=7)
EVENT: Final = Event("cup", "World Cup", "#worldcup")
PAGE: Final = 2_000
SAMPLE: Final = Path(__file__).parent.parent / "samples" / "lumen-watch-launch.jsonl"


def say(words: str) -> None:
    """Progress, for people."""
    print(words, file=sys.stderr, flush=True)


def texts_of(recordings: Sequence[Path]) -> list[str]:
    """The texts of the recordings."""
    rows = (row for path in recordings for row in open_recording(path).rows(0))
    return [row.message.text for row in rows if row.message is not None]


class Writer:
    """Writes messages between two times, copies among them."""

    def __init__(self, texts: Sequence[str], distinct: float, seed: int) -> None:
        self._texts = texts
        self._distinct = distinct
        self._rng = random.Random(seed)
        self._words = [word for text in texts for word in text.split()]

    def pages(self, start: datetime, length: timedelta, total: int, cause: float = 0.0) -> Iterator[list[Record]]:
        """Messages in the order of their times, spread evenly; the share `cause` of the texts names the cause."""
        written: list[tuple[str, str]] = []
        for first in range(0, total, PAGE):
            page = []
            for number in range(first, min(first + PAGE, total)):
                at = start + length * number / total
                id_ = f"x:{int(at.timestamp() * 1_000)}{number:07}"
                if written and self._rng.random() >= self._distinct:
                    original, text = self._rng.choice(written[-5_000:])
                    page.append(self._record(id_, text, at, original))
                else:
                    text = self._text(cause)
                    written.append((id_, text))
                    page.append(self._record(id_, text, at, None))
            yield page

    def _text(self, cause: float) -> str:
        words = self._rng.choice(self._texts).split()
        changed = [self._rng.choice(self._words) if self._rng.random() < 0.2 else word for word in words]
        if self._rng.random() < cause:
            changed.insert(len(changed) // 2, CAUSE)
        return " ".join(changed)

    def _record(self, id_: str, text: str, at: datetime, original: str | None) -> Record:
        message = Message(
            id=id_,
            text=text,
            created_at=at,
            source=self._rng.choices(("x", "newsapi"), (9, 1))[0],
            author=f"account{int(self._rng.paretovariate(0.5)) % 60_000}",
            lang="en",
            country=self._rng.choice(("DE", "US", "GB", "FR", "BR", "AR", None)),
            url=f"https://x.com/i/{id_}",
            duplicate_of=original,
        )
        prediction = Prediction(self._rng.choices(CLASSES, (3, 4, 3))[0], (0.2, 0.3, 0.5), "bench@1", "none")
        return Record(message, prediction, content_hash(text), at)


def fill(store: Store, writer: Writer, window: int, before: int) -> None:
    """Store the messages of the week before and of the hour."""
    store.migrate()
    store.put_event(EVENT)
    for pages in (writer.pages(START - WEEK, WEEK, before), writer.pages(START, HOUR, window, cause=0.05)):
        for page in pages:
            store.put_page(EVENT.id, "bench", page, Progress(reads=len(page)))


def timed_card(store: Store) -> tuple[EvidenceCard, Evidence, float, float]:
    """A card made anew, its seconds by the clock, and those of this process's CPU time."""
    evidence = Evidence(store)
    began, used = time.perf_counter(), time.process_time()
    card = evidence.card(EVENT.id, Selection(start=START, end=START + HOUR))
    return card, evidence, time.perf_counter() - began, time.process_time() - used


def parts(store: Store) -> dict[str, float]:
    """The seconds of reading both sides, and of explaining."""
    began = time.perf_counter()
    window = store.windows.read(EVENT.id, MessageFilter(START, START + HOUR), MOST_MESSAGES)
    before = store.windows.read(EVENT.id, MessageFilter(START - WEEK, START), MOST_BEFORE)
    read = time.perf_counter()
    explain(window, before)
    return {"read_s": round(read - began, 3), "explain_s": round(time.perf_counter() - read, 3)}


def opened_ms(evidence: Evidence, card: EvidenceCard) -> float:
    """Milliseconds to open the messages of the first phrase, with the card at hand."""
    began = time.perf_counter()
    evidence.messages(card, f"phrase:{card.drivers.phrases[0].text}")
    return round((time.perf_counter() - began) * 1_000, 1)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", help="a recording; may be given several times")
    parser.add_argument("--window", type=int, default=100_000, help="messages in the hour")
    parser.add_argument("--before", type=int, default=200_000, help="messages in the seven days before")
    parser.add_argument("--distinct", type=float, default=0.6, help="share of messages that are no copies")
    options = parser.parse_args()
    writer = Writer(texts_of(options.data or [SAMPLE]), options.distinct, seed=1)
    with tempfile.TemporaryDirectory(prefix="eventpulse-bench-") as folder, Store(f"sqlite:///{folder}/s.db") as store:
        say(f"storing {options.window + options.before:,} messages")
        fill(store, writer, options.window, options.before)
        say("making cards")
        made = [timed_card(store) for _ in range(ROUNDS)]
        card, evidence = made[-1][:2]
        seconds = [took for _, _, took, _ in made]
        p95 = float(np.percentile(seconds, 95))
        named = any(CAUSE in (phrase.text, *phrase.wordings) for phrase in card.drivers.phrases)
        result = {
            "p50_s": round(float(np.median(seconds)), 3),
            "p95_s": round(p95, 3),
            "cpu_p50_s": round(float(np.median([used for *_, used in made])), 3),
            **parts(store),
            "open_ms": opened_ms(evidence, card),
            "rounds": ROUNDS,
            "cause_named": named,
            "phrases": [phrase.text for phrase in card.drivers.phrases],
            "window": {"messages": card.window.messages, "read": card.window.read},
            "before": {"messages": card.before.messages, "read": card.before.read} if card.before else None,
            "distinct": options.distinct,
            "data": [path.name for path in options.data or [SAMPLE]],
            "database": "sqlite",
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load_1m": round(os.getloadavg()[0], 1),
            "most_s": MOST_SECONDS,
        }
    print(json.dumps(result))
    return int(p95 > MOST_SECONDS or not named)


if __name__ == "__main__":
    sys.exit(main())
