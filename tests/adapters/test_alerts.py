"""The outbox: what is put into it, who gets it, and what becomes of it. On SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from app.adapters.alert_records import DeliveryFilter, Parcel
from app.adapters.alert_tables import LEASE
from app.adapters.incident_records import Findings
from app.adapters.store import Store
from app.core.alerts import BURST, Channel, ChannelKind, DeliveryState
from app.core.errors import InvalidInput, NotFound
from app.core.incidents import Change, Severity, Update
from app.core.types import Event
from tests.adapters.builders import EVENT
from tests.fakes.alerts import change, channel, incident
from tests.fakes.clock import Clock


def tell(store: Store, *updates: Update, event_id: str = EVENT.id) -> None:
    """Store changes as the detector does."""
    stands = store.incidents.detector(event_id)
    findings = Findings(updates=updates)
    assert store.incidents.advance(event_id, stands.revision if stands else 0, {}, updates[-1].at, findings)


def told(parcels: Sequence[Parcel]) -> list[tuple[str, list[tuple[int, int]]]]:
    """By channel: the (number, revision) of each change."""
    return [
        (parcel.channel.id, [(stored.incident.number, stored.incident.revision) for _, stored in parcel.changes])
        for parcel in parcels
    ]


def states(store: Store) -> list[tuple[int, int, str, int, str]]:
    rows = store.alerts.deliveries(limit=500).items
    return [(row.number, row.revision, row.state.value, row.attempts, row.error) for row in reversed(rows)]


def test_a_change_goes_to_each_channel_that_it_concerns(store: Store) -> None:
    store.put_event(Event("other", "Other", "other"))
    store.alerts.put_channel(channel("all"))
    store.alerts.put_channel(channel("event", event_id=EVENT.id))
    store.alerts.put_channel(channel("elsewhere", event_id="other"))
    store.alerts.put_channel(channel("severe", least_severity=Severity.CRITICAL))
    store.alerts.put_channel(channel("off", enabled=False))
    tell(store, change(1, severity=Severity.HIGH))
    assert told(store.alerts.claim()) == [("all", [(1, 1)]), ("event", [(1, 1)])]
    tell(store, change(1, 2, Change.RAISED, severity=Severity.CRITICAL))
    assert told(store.alerts.claim(busy=["all", "event"])) == [("severe", [(1, 2)])]
    tell(store, change(1, severity=Severity.CRITICAL), event_id="other")
    assert {row.channel_id for row in store.alerts.deliveries(DeliveryFilter(event_id="other")).items} == {
        "all",
        "elsewhere",
        "severe",
    }


def test_what_was_found_in_history_is_told_to_nobody(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    assert store.incidents.advance(EVENT.id, 0, {}, change(1).at, Findings(past=(change(1),)))
    assert store.alerts.claim() == []


def test_nothing_is_in_the_outbox_of_a_change_that_was_not_stored(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    assert not store.incidents.advance(EVENT.id, 7, {}, change(1).at, Findings(updates=(change(1),)))
    assert states(store) == []


def test_a_claimed_message_is_claimed_once_until_its_sender_is_taken_to_be_dead(store: Store, clock: Clock) -> None:
    store.alerts.put_channel(channel("a"))
    tell(store, change(1))
    (first,) = store.alerts.claim()
    assert (first.attempt, first.until) == (1, clock() + LEASE)
    clock.advance(LEASE.total_seconds() - 1)
    assert store.alerts.claim() == []
    clock.advance(1)
    (second,) = store.alerts.claim()
    assert second == replace(first, attempt=2, until=clock() + LEASE)
    assert not store.alerts.mark_sent(first), "the sender that was too slow has no say any more"
    assert store.alerts.mark_sent(second)
    assert not store.alerts.mark_sent(second)
    assert states(store) == [(1, 1, "sent", 2, "")]
    clock.advance(10 * LEASE.total_seconds())
    assert store.alerts.claim() == []


def test_a_message_that_failed_is_sent_again_with_the_same_changes_under_the_same_id(
    store: Store, clock: Clock
) -> None:
    store.alerts.put_channel(channel("a", digest_minutes=60))
    tell(store, change(1), change(2))
    clock.advance(3600)
    (first,) = store.alerts.claim()
    assert told([first]) == [("a", [(1, 1), (2, 1)])]
    assert store.alerts.mark_failed(first, "HTTP 503", clock() + timedelta(seconds=90))
    tell(store, change(3))
    clock.advance(89)
    assert store.alerts.claim() == []
    clock.advance(1)
    (again,) = store.alerts.claim()
    assert (again.id, told([again]), again.attempt) == (first.id, told([first]), 2)
    assert store.alerts.mark_failed(again, "HTTP 410", None)
    assert [row[2:] for row in states(store)][:2] == [("failed", 2, "HTTP 410")] * 2
    clock.advance(3600)
    assert told(store.alerts.claim()) == [("a", [(3, 1)])]


def test_a_digest_gathers_until_the_end_of_its_period_and_holds_back_nothing_severe(store: Store, clock: Clock) -> None:
    clock.advance(20 * 60)
    store.alerts.put_channel(channel("a", digest_minutes=60))
    tell(store, change(1), change(2))
    assert store.alerts.claim() == []
    tell(store, change(3, severity=Severity.HIGH))
    (urgent,) = store.alerts.claim()
    assert told([urgent]) == [("a", [(3, 1)])]
    store.alerts.mark_sent(urgent)
    tell(store, change(2, 2, Change.RAISED, severity=Severity.HIGH))
    (raised,) = store.alerts.claim()
    assert told([raised]) == [("a", [(2, 2)])]
    store.alerts.mark_sent(raised)
    tell(store, change(3, 2, Change.CLOSED, severity=Severity.HIGH))
    clock.advance(40 * 60 - 1)
    assert store.alerts.claim() == []
    clock.advance(1)
    assert told(store.alerts.claim()) == [("a", [(1, 1), (2, 1), (3, 2)])]


def test_a_flooded_channel_gets_the_rest_together_and_nothing_is_lost(store: Store, clock: Clock) -> None:
    store.alerts.put_channel(channel("a"))
    tell(store, *(change(number) for number in range(1, BURST + 14)))
    for number in range(1, BURST + 1):
        (parcel,) = store.alerts.claim()
        assert told([parcel]) == [("a", [(number, 1)])]
        store.alerts.mark_sent(parcel)
    assert store.alerts.claim() == []
    tell(store, change(99, severity=Severity.CRITICAL))
    (severe,) = store.alerts.claim()
    assert told([severe]) == [("a", [(99, 1)])], "a flood of lesser ones does not hide it"
    store.alerts.mark_sent(severe)
    clock.advance(59)
    assert store.alerts.claim() == []
    clock.advance(1)
    (rest,) = store.alerts.claim()
    assert told([rest]) == [("a", [(number, 1) for number in range(BURST + 1, BURST + 14)])]
    store.alerts.mark_sent(rest)
    assert {row[2] for row in states(store)} == {"sent"}


def test_the_most_severe_goes_first(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    tell(store, change(1), change(2, severity=Severity.CRITICAL), change(3, severity=Severity.HIGH))
    order = []
    while parcels := store.alerts.claim():
        order += told(parcels)
        store.alerts.mark_sent(parcels[0])
    assert order == [("a", [(2, 1)]), ("a", [(3, 1)]), ("a", [(1, 1)])]


def test_many_senders_at_once_get_each_change_once(url: str, store: Store, clock: Clock) -> None:
    for name in "abcd":
        store.alerts.put_channel(channel(name))
    tell(store, *(change(number) for number in range(1, 6)))

    def send(_: int) -> list[str]:
        sent = []
        with Store(url, now=clock) as own:
            for _attempt in range(20):
                for parcel in own.alerts.claim():
                    sent += [f"{parcel.channel.id}{stored.incident.number}" for _, stored in parcel.changes]
                    assert own.alerts.mark_sent(parcel)
        return sent

    with ThreadPoolExecutor(4) as threads:
        sent = [change for found in threads.map(send, range(4)) for change in found]
    assert sorted(sent) == [f"{name}{number}" for name in "abcd" for number in range(1, 6)]


def test_a_channel_that_is_switched_off_gives_up_what_waits_and_says_so(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    tell(store, change(1))
    store.alerts.put_channel(channel("a", enabled=False))
    assert states(store) == [(1, 1, "failed", 0, "the channel was switched off")]
    store.alerts.put_channel(channel("a"))
    assert store.alerts.claim() == []


def test_a_channel_goes_with_its_deliveries_and_with_its_event(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    store.alerts.put_channel(channel("b", event_id=EVENT.id))
    tell(store, change(1))
    store.alerts.delete_channel("a")
    assert {row.channel_id for row in store.alerts.deliveries().items} == {"b"}
    with pytest.raises(NotFound, match="no channel 'a'"):
        store.alerts.delete_channel("a")
    with pytest.raises(NotFound):
        store.alerts.channel("a")
    store.delete_event(EVENT.id)
    assert store.alerts.channels() == []
    assert states(store) == []


def test_a_channel_is_replaced_and_keeps_its_age(store: Store, clock: Clock) -> None:
    first = channel("a", secret="x" * 16, digest_minutes=5)
    store.alerts.put_channel(first)
    changed = channel("a", name="New", kind=ChannelKind.SLACK, created_at=clock() + timedelta(days=1))
    store.alerts.put_channel(changed)
    assert store.alerts.channels() == [replace(changed, created_at=first.created_at)]
    with pytest.raises(InvalidInput, match="name"):
        store.alerts.put_channel(channel("b", name="a\0b"))


def test_the_tally_of_a_channel(store: Store, clock: Clock) -> None:
    store.alerts.put_channel(channel("a"))
    assert store.alerts.tallies() == {}
    tell(store, change(1), change(2), change(3))
    (parcel,) = store.alerts.claim()
    store.alerts.mark_failed(parcel, "HTTP 404", None)
    (parcel,) = store.alerts.claim()
    store.alerts.mark_sent(parcel)
    tally = store.alerts.tallies()["a"]
    assert (tally.waiting, tally.sent, tally.failed, tally.last_sent_at, tally.error) == (1, 1, 1, clock(), "")
    (parcel,) = store.alerts.claim()
    store.alerts.mark_failed(parcel, "no answer", clock() + timedelta(seconds=5))
    assert store.alerts.tallies()["a"].error == "no answer"


def test_deliveries_are_paged_and_filtered(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    store.alerts.put_channel(channel("b"))
    tell(store, *(change(number) for number in range(1, 4)))
    seen, after = [], None
    while True:
        page = store.alerts.deliveries(DeliveryFilter(channel_id="a"), limit=2, after=after)
        seen += [row.number for row in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [3, 2, 1]
    assert store.alerts.deliveries(DeliveryFilter(state=DeliveryState.SENT)).items == ()
    for wrong in ("x", "-1", "9" * 30, "١"):
        with pytest.raises(InvalidInput):
            store.alerts.deliveries(after=wrong)
    with pytest.raises(InvalidInput):
        store.alerts.deliveries(limit=0)


def test_the_incident_in_a_message_is_as_it_was_after_the_change(store: Store) -> None:
    store.alerts.put_channel(channel("a"))
    tell(store, change(1), change(1, 2, Change.RAISED, severity=Severity.HIGH))
    parcels: list[Parcel] = []
    while claimed := store.alerts.claim():
        parcels += claimed
        store.alerts.mark_sent(claimed[0])
    found = [stored for parcel in parcels for _, stored in parcel.changes]
    assert {stored.incident for stored in found} == {
        incident(1),
        incident(1, 2, severity=Severity.HIGH),
    }


def test_channels_are_told_by_their_age(store: Store, clock: Clock) -> None:
    for day, name in enumerate("ba"):
        store.alerts.put_channel(channel(name, created_at=clock() + timedelta(days=day)))
    found: list[Channel] = store.alerts.channels()
    assert [made.id for made in found] == ["b", "a"]
