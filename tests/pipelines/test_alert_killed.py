"""An alerter that is killed: each change of an incident is delivered once, by its id."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from app.adapters.alert_senders import Senders
from app.adapters.alert_tables import LEASE
from app.adapters.store import Store
from app.core.alert_content import Alert
from app.core.alerts import Channel
from app.core.incidents import Change, Severity
from app.services.alert_contents import AlertContents
from pipelines.alert import Alerter
from tests.fakes.alerting import once, opened_up, states, tell, watched_store
from tests.fakes.alerts import change, channel
from tests.fakes.clock import Clock
from tests.fakes.receivers import Receiver, Request, http_receiver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/eventpulse.db"


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with watched_store(url, clock) as made:
        yield made


def send_once(url: str, at: datetime, die: bool) -> None:
    """What the process does that is killed. With `die` it ends itself when it would send."""

    class Dying(Senders):
        async def send(self, channel: Channel, alert: Alert) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    clock = Clock(at)
    with Store(url, now=clock) as store:
        senders = (Dying if die else Senders)(opened_up(), now=clock)
        contents = AlertContents(store, "http://x", clock)
        asyncio.run(Alerter(store, contents, senders, now=clock).once())


def killed(url: str, clock: Clock, receiver: Receiver, *, before_sending: bool) -> None:
    """Let a process send what is due, and kill it with SIGKILL before it has noted that it did."""
    process: BaseProcess = multiprocessing.get_context("spawn").Process(
        target=send_once, args=(url, clock(), before_sending)
    )

    def kill(request: Request) -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()

    receiver.on_request = kill
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    receiver.on_request = lambda request: None


def finish(store: Store, clock: Clock) -> dict[str, int]:
    """What the sender does that comes after it."""
    senders = Senders(opened_up(), now=clock)
    try:
        return once(store, clock, senders)
    finally:
        senders.close()


@pytest.mark.parametrize("before_sending", [True, False], ids=["before it is sent", "after it is sent"])
def test_killed_between_claim_and_mark_each_change_is_delivered_once_by_its_id(
    url: str, store: Store, clock: Clock, before_sending: bool
) -> None:
    with http_receiver() as receiver:
        store.alerts.put_channel(channel("a", target=receiver.url))
        tell(store, change(1), change(2), change(1, 2, Change.RAISED, severity=Severity.HIGH))
        killed(url, clock, receiver, before_sending=before_sending)
        assert len(receiver.requests) == (0 if before_sending else 1)
        finish(store, clock)
        assert any(state == "sending" for _, state, _, _ in states(store)), "its lease still runs"
        clock.advance(LEASE.total_seconds())
        finish(store, clock)
        clock.advance(LEASE.total_seconds())
        assert finish(store, clock) == {"sent": 0, "again": 0, "failed": 0}
    taken: dict[str, list[tuple[int, int]]] = {}
    for request in receiver.requests:
        body = json.loads(request.body)
        changes = [(each["number"], step["revision"]) for each in body["incidents"] for step in each["changes"]]
        assert taken.setdefault(request.headers["webhook-id"], changes) == changes, "the same id, the same changes"
    told = [change for changes in taken.values() for change in changes]
    assert sorted(told) == [(1, 1), (1, 2), (2, 1)]
    assert len(receiver.requests) == (3 if before_sending else 4)
    assert [state for _, state, _, _ in states(store)] == ["sent"] * 3
