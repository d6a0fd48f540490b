"""A store with a channel and what happens to its event, an alerter that works off its outbox, and what became of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.adapters.incident_records import Findings
from app.adapters.records import Progress
from app.adapters.store import Store
from app.core.incidents import Update
from app.core.types import Event
from app.services.alert_contents import AlertContents
from app.settings import Settings
from pipelines.alert import Alerter
from tests.fakes.alerts import channel
from tests.fakes.clock import START, Clock
from tests.serving.support import record

EVENT = "launch"


@contextmanager
def watched_store(url: str, clock: Clock) -> Iterator[Store]:
    """A store with an event that has messages, and one channel."""
    with Store(url, now=clock) as made:
        made.migrate()
        made.put_event(Event(EVENT, "Launch", "launch"))
        records = [record(f"m{n}", f"what number {n} says", minutes=n) for n in range(30)]
        made.put_page(EVENT, "x", records, Progress(live_to=START))
        made.alerts.put_channel(channel("a"))
        yield made


def tell(store: Store, *updates: Update) -> None:
    stands = store.incidents.detector(EVENT)
    revision = stands.revision if stands else 0
    assert store.incidents.advance(EVENT, revision, {}, START, Findings(updates=updates))


def opened_up() -> Settings:
    """Settings that allow receivers on this machine."""
    return Settings(alert_private_networks=True, _env_file=None)


def once(store: Store, clock: Clock, senders: Any, **more: Any) -> dict[str, int]:
    worker = Alerter(
        store, AlertContents(store, "http://127.0.0.1:8000", clock), senders, now=clock, rng=random.Random(1), **more
    )
    try:
        return asyncio.run(worker.once())
    finally:
        worker.close()


def states(store: Store) -> list[tuple[int, str, int, str]]:
    rows = store.alerts.deliveries(limit=100).items
    return [(row.number, row.state.value, row.attempts, row.error) for row in reversed(rows)]
