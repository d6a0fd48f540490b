"""The alerter: what it sends, when, and what becomes of it when something fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.adapters.alert_tables import LEASE
from app.adapters.alerts import AlertStore
from app.adapters.store import Store
from app.core.alert_content import Alert
from app.core.alerts import Channel
from app.core.errors import DeliveryError, StoreError
from app.core.incidents import Severity
from app.services.alert_contents import AlertContents
from pipelines.alert import GIVE_UP_AFTER, Alerter, alerter, main
from tests.fakes.alerting import EVENT, once, opened_up, states, tell, watched_store
from tests.fakes.alerts import change, channel
from tests.fakes.clock import Clock
from tests.fakes.receivers import http_receiver


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


class Scripted:
    """Takes alerts; raises what its script says of each attempt, None is success."""

    def __init__(self, *script: DeliveryError | None) -> None:
        self.script = list(script)
        self.taken: list[tuple[str, str]] = []
        self.attempts: list[str] = []

    async def send(self, channel: Channel, alert: Alert) -> None:
        self.attempts.append(alert.id)
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        self.taken.append((channel.id, alert.subject))


class Counting:
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: list[bool] = []
        self.heard = asyncio.Event()

    def delivered(self, channel: Channel, seconds: Sequence[float]) -> None:
        self.seconds += seconds
        self.heard.set()

    def failed(self, channel: Channel, *, final: bool) -> None:
        self.failures.append(final)


def test_what_is_due_is_sent_and_counted(store: Store, clock: Clock) -> None:
    tell(store, change(1), change(2, severity=Severity.CRITICAL))
    clock.advance(2)
    senders, watcher = Scripted(), Counting()
    assert once(store, clock, senders, watcher=watcher) == {"sent": 2, "again": 0, "failed": 0}
    assert senders.taken == [
        ("a", "CRITICAL: Launch: incident 2 opened as critical: negative share"),
        ("a", "WATCH: Launch: incident 1 opened as watch: negative share"),
    ]
    assert watcher.seconds == [2.0, 2.0]
    assert once(store, clock, senders) == {"sent": 0, "again": 0, "failed": 0}


def test_trouble_is_tried_again_later_and_later_under_the_same_id(store: Store, clock: Clock) -> None:
    tell(store, change(1))
    senders, watcher = Scripted(*(DeliveryError("HTTP 503") for _ in range(12))), Counting()
    waits = []
    for attempt in range(12):
        assert once(store, clock, senders, watcher=watcher) == {"sent": 0, "again": 1, "failed": 0}
        (row,) = store.alerts.deliveries().items
        assert (row.state.value, row.attempts, row.error) == ("waiting", attempt + 1, "HTTP 503")
        waits.append((row.due_at - clock()).total_seconds())
        assert once(store, clock, senders) == {"sent": 0, "again": 0, "failed": 0}
        clock.advance(waits[-1])
    for attempt, wait in enumerate(waits):
        longest = min(900.0, 2.0 * 2**attempt)
        assert longest / 2 <= wait <= longest
    assert once(store, clock, senders)["sent"] == 1
    assert len(set(senders.attempts)) == 1
    assert watcher.failures == [False] * 12


def test_a_receiver_is_left_alone_as_long_as_it_asks_within_reason(store: Store, clock: Clock) -> None:
    tell(store, change(1))
    once(store, clock, Scripted(DeliveryError("HTTP 429", retry_after=120)))
    assert store.alerts.deliveries().items[0].due_at == clock() + timedelta(seconds=120)
    clock.advance(120)
    once(store, clock, Scripted(DeliveryError("HTTP 429", retry_after=10**9)))
    assert store.alerts.deliveries().items[0].due_at == clock() + timedelta(hours=1)


def test_a_refusal_is_the_end_of_it(store: Store, clock: Clock) -> None:
    tell(store, change(1))
    watcher = Counting()
    assert once(store, clock, Scripted(DeliveryError("HTTP 410", final=True)), watcher=watcher)["failed"] == 1
    assert states(store) == [(1, "failed", 1, "HTTP 410")]
    assert watcher.failures == [True]


def test_it_gives_up_after_a_day_and_says_so(store: Store, clock: Clock) -> None:
    tell(store, change(1))
    once(store, clock, Scripted(DeliveryError("HTTP 503")))
    clock.advance(GIVE_UP_AFTER.total_seconds())
    once(store, clock, Scripted(DeliveryError("HTTP 503")))
    assert states(store) == [(1, "failed", 2, "gave up after 24 hours: HTTP 503")]


def test_one_channel_that_fails_holds_up_no_other(store: Store, clock: Clock) -> None:
    store.alerts.put_channel(channel("b"))
    tell(store, change(1))
    senders = Scripted(DeliveryError("HTTP 500"))
    assert once(store, clock, senders) == {"sent": 1, "again": 1, "failed": 0}


def test_what_was_under_way_when_its_channel_was_switched_off_is_given_up(store: Store, clock: Clock) -> None:
    tell(store, change(1))
    store.alerts.claim()
    store.alerts.put_channel(channel("a", enabled=False))
    clock.advance(LEASE.total_seconds())
    senders = Scripted()
    assert once(store, clock, senders)["failed"] == 1
    assert senders.attempts == []
    assert states(store) == [(1, "failed", 2, "the channel was switched off")]


def test_evidence_that_takes_long_is_not_waited_for(store: Store, clock: Clock) -> None:
    sent = Event()

    class Slow(AlertContents):
        def explained(self, alert: Alert) -> Alert:
            assert sent.wait(20)
            return alert

    class Notes(Scripted):
        notes: list[str]

        async def send(self, channel: Channel, alert: Alert) -> None:
            self.notes = [entry.evidence.note for entry in alert.entries if entry.evidence]
            sent.set()

    tell(store, change(1))
    senders = Notes()
    worker = Alerter(store, Slow(store, "http://x", clock), senders, now=clock, evidence_s=0.01)
    assert asyncio.run(worker.once())["sent"] == 1
    worker.close()
    assert senders.notes == ["The evidence was not ready in time: open the incident to see it."]


def test_an_alert_that_took_too_long_to_write_is_not_sent_after_its_lease(store: Store, clock: Clock) -> None:
    class Slow(AlertContents):
        def explained(self, alert: Alert) -> Alert:
            clock.advance(LEASE.total_seconds())
            return super().explained(alert)

    tell(store, change(1))
    senders = Scripted()
    worker = Alerter(store, Slow(store, "http://x", clock), senders, now=clock)
    assert asyncio.run(worker.once())["again"] == 1
    worker.close()
    assert senders.attempts == []


def test_a_store_that_refuses_to_note_a_delivery_is_asked_again(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [StoreError("the disk is full")] * 2
    mark = AlertStore.mark_sent

    def refusing(self: AlertStore, parcel: Any) -> bool:
        if refusals:
            raise refusals.pop()
        return mark(self, parcel)

    async def no_sleep(seconds: float) -> None:
        clock.advance(seconds)

    monkeypatch.setattr(AlertStore, "mark_sent", refusing)
    tell(store, change(1))
    assert once(store, clock, Scripted(), sleep=no_sleep)["sent"] == 1
    assert states(store) == [(1, "sent", 1, "")]


def test_an_event_that_goes_takes_its_alerts_with_it(store: Store, clock: Clock) -> None:
    class Going(AlertContents):
        def of(self, parcel: Any) -> Alert:
            store.delete_event(EVENT)
            return super().of(parcel)

    tell(store, change(1))
    senders = Scripted()
    worker = Alerter(store, Going(store, "http://x", clock), senders, now=clock)
    assert asyncio.run(worker.once()) == {"sent": 0, "again": 0, "failed": 1}
    worker.close()
    assert senders.attempts == []


# As it runs


class Enough(Exception):
    """Ends the alerter from one of its pauses."""


def run_until(
    store: Store, clock: Clock, senders: Scripted, condition: Callable[[], bool], then: Callable[[], None] | None = None
) -> None:
    """Run the alerter until a condition holds; `then` happens in its first pause, when it has looked once."""
    to_do = [then] if then else []

    async def pause(seconds: float) -> None:
        if to_do:
            await asyncio.to_thread(to_do.pop())
        elif await asyncio.to_thread(condition):
            raise Enough

    async def run() -> None:
        async with asyncio.timeout(20):
            await Alerter(store, AlertContents(store, "http://x", clock), senders, now=clock, sleep=pause).run()

    with pytest.raises(Enough):
        asyncio.run(run())


def test_it_sees_what_comes_while_it_runs(store: Store, clock: Clock) -> None:
    senders = Scripted()
    run_until(store, clock, senders, lambda: len(senders.taken) == 2, lambda: tell(store, change(1), change(2)))
    assert {state for _, state, _, _ in states(store)} <= {"sent", "sending"}


def test_a_channel_that_hangs_holds_up_no_other_and_loses_nothing(store: Store, clock: Clock) -> None:
    class Hanging(Scripted):
        async def send(self, channel: Channel, alert: Alert) -> None:
            if channel.id == "a":
                await asyncio.Event().wait()
            await super().send(channel, alert)

    store.alerts.put_channel(channel("b"))
    tell(store, change(1), change(2), change(3))
    senders = Hanging()
    run_until(store, clock, senders, lambda: len(senders.taken) == 3)
    assert {name for name, _ in senders.taken} == {"b"}
    clock.advance(LEASE.total_seconds())
    after = Scripted()
    once(store, clock, after)
    assert len([name for name, _ in after.taken if name == "a"]) == 3


def test_a_store_that_refuses_for_a_while_stops_nothing(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [StoreError("locked")] * 3
    claim = AlertStore.claim

    def refusing(self: AlertStore, busy: Any = ()) -> Any:
        if refusals:
            raise refusals.pop()
        return claim(self, busy)

    monkeypatch.setattr(AlertStore, "claim", refusing)
    tell(store, change(1))
    senders = Scripted()
    run_until(store, clock, senders, lambda: len(senders.taken) == 1)
    assert refusals == []


# By hand


def test_the_command_sends_what_is_due(
    url: str, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with http_receiver() as receiver:
        store.alerts.put_channel(channel("a", target=receiver.url))
        tell(store, change(1))
        monkeypatch.setenv("EVENTPULSE_DATABASE_URL", url)
        monkeypatch.setenv("EVENTPULSE_ALERT_PRIVATE_NETWORKS", "true")
        assert main(["--once"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sent": 1, "again": 0, "failed": 0}
    assert len(receiver.requests) == 1


def test_the_command_says_what_is_wrong_with_a_setting(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVENTPULSE_DATABASE_URL", url)
    monkeypatch.setenv("EVENTPULSE_ALERT_PORTS", "http")
    assert main(["--once"]) == 1
    assert "no list of ports" in capsys.readouterr().err


def test_the_alerter_of_the_settings_sends_in_real_time(url: str, store: Store) -> None:
    watcher = Counting()

    async def run(own: Store) -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(alerter(own, opened_up(), watcher).run())
            await watcher.heard.wait()
            running.cancel()

    with http_receiver() as receiver:
        store.alerts.put_channel(channel("a", target=receiver.url))
        tell(store, change(1))
        with Store(url) as own:
            asyncio.run(run(own))
        assert len(receiver.requests) == 1
    assert [state for _, state, _, _ in states(store)] == ["sent"]
