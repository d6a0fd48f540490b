"""How long it takes from the first message of a spike in the store to the incident in the store.

    python -m benchmarks.notice [--spikes 20] [--speed 1200]      # prints one JSON line; about 6 minutes

A recording of steady chatter with a spike of negative messages every six hours is played `speed` times as fast as life
through the live pipeline of this process (follow, store, detect; no Ray, and labels that the texts name). What is
measured is what the product adds: the debounce, the reading of the roll-ups, the tests, the transactions. What a person
waits for besides is the step of five minutes, which at this speed lasts 300/speed seconds, and the source's own delay.
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

from app.adapters.store import Store
from app.core.types import CLASSES, Label, Prediction, SourceState
from app.core.watch import Rule
from app.settings import Settings
from pipelines.supervise import Supervisor, ensure_replay_event

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_QUIET = timedelta(days=2)
_EVERY = timedelta(hours=6)
_EVENT = "Notice"


class _AsNamed:
    """Says what the first word of a text names."""

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        return [self._said(Label(text.split()[0])) for text in texts]

    def _said(self, label: Label) -> Prediction:
        negative, neutral, positive = (0.8 if each is label else 0.1 for each in CLASSES)
        return Prediction(label, (negative, neutral, positive), "named", "none")


def write(path: Path, spikes: int, seed: int) -> None:
    """Six messages in five minutes, a fifth negative; and spikes of 100 negative ones in a quarter of an hour."""
    rng = random.Random(seed)
    times: list[tuple[datetime, str]] = []
    end = _QUIET + spikes * _EVERY
    at = timedelta()
    while at < end:
        at += timedelta(seconds=rng.expovariate(6 / 300))
        times.append((_BEGIN + at, "negative" if rng.random() < 0.2 else "positive"))
    for spike in range(spikes):
        start = _BEGIN + _QUIET + spike * _EVERY + timedelta(minutes=rng.uniform(0, 60))
        times += [(start + timedelta(seconds=rng.uniform(0, 900)), "negative") for _ in range(100)]
    with path.open("w") as out:
        for number, (when, label) in enumerate(sorted(times)):
            words = " ".join(f"w{rng.randrange(10**6)}" for _ in range(8))
            row = {"id": f"m{number}", "text": f"{label} {words}", "created_at": when.isoformat(), "source": "x"}
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


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notice", description=__doc__)
    parser.add_argument("--spikes", type=int, default=20)
    parser.add_argument("--speed", type=float, default=1200.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "spikes.jsonl"
        write(recording, options.spikes, options.seed)
        settings = Settings(
            _env_file=None,
            database_url=f"sqlite:///{folder}/store.db",
            replay_path=recording,
            replay_event=_EVENT,
            replay_speed=options.speed,
        )
        with Store(settings.database) as store:
            store.migrate()
            ensure_replay_event(store, settings)
            (event,) = store.events()
            store.incidents.put_rule(event.id, Rule(cooldown_hours=0.0))
            asyncio.run(play(store, settings))
            steps = store.incidents.steps(event.id).values()
            waits = sorted((each["noticed"] - each["began"]).total_seconds() for each in steps)
    step_s = 300 / options.speed
    print(
        json.dumps(
            {
                "spikes": options.spikes,
                "told": len(waits),
                "speed": options.speed,
                "step_s": step_s,
                "median_s": round(statistics.median(waits), 3) if waits else None,
                "p95_s": round(waits[-(-95 * len(waits) // 100) - 1], 3) if waits else None,
                "most_s": round(waits[-1], 3) if waits else None,
                "load_average": [round(load, 1) for load in os.getloadavg()],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
