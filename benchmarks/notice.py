"""How long it takes from the first message of a spike in the store to the incident in the store.

    python -m benchmarks.notice [--rounds 3] [--spikes 6] [--speed 600]      # prints one JSON line; about 11 minutes

A store that holds two days of steady chatter is given a recording that goes on with it, with a spike of negative
messages every six hours, played `speed` times as fast as life through the live pipeline of this process (follow, store,
detect; no Ray, and labels that the texts name). What is measured is what the product adds: the debounce, the reading of
the roll-ups, the tests, the transactions. What a person waits for besides is the step of five minutes, which at this
speed lasts 300/speed seconds, and the source's own delay. A rhythm of spikes becomes what is usual: each round has few
of them and a store of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.adapters.incident_records import IncidentFilter
from app.adapters.incident_tables import BEGAN, NOTICED
from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.text import content_hash
from app.core.types import CLASSES, Label, Message, Prediction, SourceState
from app.core.watch import Rule
from app.settings import Settings
from pipelines.detect import Detector
from pipelines.supervise import Supervisor, ensure_replay_event

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_QUIET = timedelta(days=2)
_EVERY = timedelta(hours=6)
_EVENT = "Notice"


def said(label: Label) -> Prediction:
    """A prediction of that label."""
    negative, neutral, positive = (0.8 if each is label else 0.1 for each in CLASSES)
    return Prediction(label, (negative, neutral, positive), "named", "none")


class _AsNamed:
    """Says what the first word of a text names."""

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        return [said(Label(each.split()[0])) for each in texts]


def chatter(rng: random.Random, start: datetime, end: datetime) -> list[tuple[datetime, Label]]:
    """Six messages in five minutes, a fifth of them negative."""
    times: list[tuple[datetime, Label]] = []
    at = start
    while (at := at + timedelta(seconds=rng.expovariate(6 / 300))) < end:
        times.append((at, Label.NEGATIVE if rng.random() < 0.2 else Label.POSITIVE))
    return times


def text(rng: random.Random, label: Label) -> str:
    """Words that no other text has, the label first."""
    return " ".join([label.value, *(f"w{rng.randrange(10**6)}" for _ in range(8))])


def fill(store: Store, event_id: str, rng: random.Random) -> None:
    """Two days of chatter, as if they had been followed."""
    records = []
    for number, (at, label) in enumerate(chatter(rng, _BEGIN - _QUIET, _BEGIN)):
        message = Message(f"old{number}", text(rng, label), at, "x", lang="en")
        records.append(Record(message, said(label), content_hash(message.text), at))
    store.put_page(event_id, "replay", records, Progress(live_to=_BEGIN))


def write(path: Path, spikes: int, rng: random.Random) -> None:
    """A recording of chatter with spikes of 100 negative messages in a quarter of an hour, six hours apart."""
    times = chatter(rng, _BEGIN, _BEGIN + spikes * _EVERY)
    for spike in range(spikes):
        start = _BEGIN + spike * _EVERY + timedelta(minutes=rng.uniform(30, 90))
        times += [(start + timedelta(seconds=rng.uniform(0, 900)), Label.NEGATIVE) for _ in range(100)]
    with path.open("w") as out:
        for number, (at, label) in enumerate(sorted(times)):
            row = {"id": f"m{number}", "text": text(rng, label), "created_at": at.isoformat(), "source": "x"}
            out.write(json.dumps(row | {"lang": "en"}) + "\n")


async def play(store: Store, settings: Settings) -> None:
    """The live pipeline until the recording has ended and its last spike has been tested."""
    supervisor = asyncio.create_task(Supervisor(store, _AsNamed(), settings, frozenset({"en"})).run())
    while not any(status.state is SourceState.FINISHED for status in await asyncio.to_thread(store.statuses)):
        if supervisor.done():
            supervisor.result()
        await asyncio.sleep(1)
    await asyncio.sleep(5)
    supervisor.cancel()
    await asyncio.gather(supervisor, return_exceptions=True)


def play_round(spikes: int, speed: float, seed: int) -> tuple[int, list[float]]:
    """How many incidents there were, and the seconds to notice each of those that were told."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "spikes.jsonl"
        write(recording, spikes, rng)
        settings = Settings(
            _env_file=None,
            database_url=f"sqlite:///{folder}/store.db",
            replay_path=recording,
            replay_event=_EVENT,
            replay_speed=speed,
        )
        with Store(settings.database) as store:
            store.migrate()
            ensure_replay_event(store, settings)
            (event,) = store.events()
            store.incidents.put_rule(event.id, Rule(cooldown_hours=0.0))
            fill(store, event.id, rng)
            Detector(store).test(event.id)
            asyncio.run(play(store, settings))
            steps = store.incidents.steps(event.id).values()
            waits = [(each[NOTICED] - each[BEGAN]).total_seconds() for each in steps]
            return len(store.incidents.find(IncidentFilter(), limit=1_000).items), waits


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notice", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spikes", type=int, default=6)
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    found, waits = 0, list[float]()
    for number in range(options.rounds):
        incidents, waited = play_round(options.spikes, options.speed, options.seed + number)
        found, waits = found + incidents, sorted([*waits, *waited])
    result = {
        "spikes": options.rounds * options.spikes,
        "incidents": found,
        "told": len(waits),
        "speed": options.speed,
        "step_s": 300 / options.speed,
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    if waits:
        result["median_s"] = round(statistics.median(waits), 3)
        result["p95_s"] = round(waits[-(-95 * len(waits) // 100) - 1], 3)
        result["most_s"] = round(waits[-1], 3)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
