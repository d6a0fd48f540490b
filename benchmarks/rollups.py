"""Does a dashboard answer get slower with the number of messages? It must not: it is made of roll-ups.

    python -m benchmarks.rollups [--database postgresql://user@host/name]

Fills two stores with 10,000 and 1,000,000 messages (with predictions, a fifth of them copies) in the same 24 hours,
then asks both in turn for the timeline by the minute and the totals of those hours. Prints one line of JSON; exits
with 1 when the large store takes more than 1.5 times as long as the small one. Takes one to three minutes and 1 GB of
disk. On PostgreSQL it makes two databases of its own beside the given one and drops them at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import create_engine, make_url, text

from app.adapters.store import Progress, Record, Store
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Message, Prediction

MOST_RATIO: Final = 1.5
START: Final = datetime(2026, 6, 11, tzinfo=UTC)
WINDOW: Final = timedelta(hours=24)
EVENT: Final = Event("cup", "World Cup", "#worldcup")
PAGE: Final = 2_000
WORDS: Final = "what a goal by the team tonight in the stadium nobody can believe this referee again and again".split()


def say(words: str) -> None:
    """Progress, for people."""
    print(words, file=sys.stderr, flush=True)


def pages(total: int, seed: int, model: str) -> Iterator[list[Record]]:
    """Messages in the order of their times, spread evenly over the window."""
    rng = random.Random(seed)
    step = WINDOW / total
    for first in range(0, total, PAGE):
        page = []
        for number in range(first, min(first + PAGE, total)):
            page.append(_record(rng, number, START + step * number, model))
        yield page


def _record(rng: random.Random, number: int, at: datetime, model: str) -> Record:
    id_ = f"x:{1_900_000_000_000_000_000 + number * 4_194_304 + rng.randrange(4_194_304)}"
    words = " ".join(rng.choices(WORDS, k=20))
    message = Message(
        id=id_,
        text=words,
        created_at=at,
        source=rng.choices(("x", "newsapi"), (9, 1))[0],
        author="someone",
        lang="en",
        location="Berlin",
        country=rng.choice(("DE", "US", "GB", "FR", "BR", "AR", None)),
        url=f"https://x.com/i/{id_}",
        duplicate_of="x:original" if rng.random() < 0.2 else None,
    )
    prediction = Prediction(rng.choices(CLASSES, (3, 4, 3))[0], (0.2, 0.3, 0.5), model, "none")
    return Record(message, prediction, content_hash(words), at)


def fill(store: Store, total: int, seed: int, model: str = "bench@1") -> float:
    """Store the messages, scored by that model; returns messages a second, writing alone."""
    store.migrate()
    store.put_event(EVENT)
    spent, done, told = 0.0, 0, time.monotonic()
    for page in pages(total, seed, model):
        begin = time.perf_counter()
        store.put_page(EVENT.id, "bench", page, Progress(reads=len(page)))
        spent += time.perf_counter() - begin
        done += len(page)
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"{done:,} of {total:,} messages stored")
    return total / spent


def answer_ms(store: Store) -> float:
    """Milliseconds for what the dashboard asks: the timeline by the minute and the totals of the window."""
    begin = time.perf_counter()
    buckets = store.timeline(EVENT.id, "minute", START, START + WINDOW)
    totals = store.totals(EVENT.id, START, START + WINDOW)
    spent = time.perf_counter() - begin
    if sum(bucket.total.raw for bucket in buckets) != sum(count.raw for count in totals.values()):
        raise SystemExit("timeline and totals do not agree")
    return spent * 1_000


@contextmanager
def databases(url: str | None) -> Iterator[tuple[str, str]]:
    """The URLs of two empty databases, gone afterwards."""
    if url is None:
        with tempfile.TemporaryDirectory(prefix="eventpulse-bench-") as folder:
            yield f"sqlite:///{folder}/small.db", f"sqlite:///{folder}/large.db"
        return
    given = make_url(url).set(drivername="postgresql+psycopg")
    names = [f"eventpulse_bench_{size}_{uuid.uuid4().hex[:8]}" for size in ("small", "large")]
    server = create_engine(given, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for name in names:
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            small, large = (given.set(database=name).render_as_string(hide_password=False) for name in names)
            yield small, large
        finally:
            for name in names:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a PostgreSQL URL; default: two SQLite files in a temporary folder")
    parser.add_argument("--small", type=int, default=10_000, help="messages in the small store")
    parser.add_argument("--large", type=int, default=1_000_000, help="messages in the large store")
    parser.add_argument("--rounds", type=int, default=60, help="answers timed on each store")
    options = parser.parse_args()
    with databases(options.database) as (small_url, large_url), Store(small_url) as small, Store(large_url) as large:
        fill(small, options.small, seed=1)
        rate = fill(large, options.large, seed=2)
        say("asking both stores in turn")
        for store in (small, large):
            answer_ms(store)  # connections and caches, as in a dashboard that is open
        times = [(answer_ms(small), answer_ms(large)) for _ in range(options.rounds)]
        dialect = small.engine.dialect.name
    ms_small, ms_large = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = ms_large / ms_small
    result = {
        "ratio": round(ratio, 3),
        "ms_10k": round(ms_small, 2),
        "ms_1m": round(ms_large, 2),
        "small": options.small,
        "large": options.large,
        "rounds": options.rounds,
        "asked": "timeline by the minute and totals of the same 24 hours, medians, both stores in turn",
        "write_rows_per_s": round(rate),
        "page": PAGE,
        "database": dialect,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "most_ratio": MOST_RATIO,
    }
    print(json.dumps(result))
    return int(ratio > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
