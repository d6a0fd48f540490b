from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.alerts import (
    BURST,
    BURST_WINDOW,
    FLOOD_PAUSE,
    MOST_TOGETHER,
    Told,
    Waiting,
    due_at,
    next_message,
    parcel_id,
)
from app.core.incidents import Change, Severity
from tests.fakes.alerts import channel

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
SEVERITIES = st.sampled_from(Severity)


def waiting(
    key: int,
    severity: Severity = Severity.WATCH,
    *,
    seconds: float = 0,
    gathered: bool = False,
    parcel: str | None = None,
) -> Waiting:
    return Waiting(key, severity, NOW - timedelta(seconds=seconds), gathered, parcel)


def keys(chosen: object) -> list[int]:
    assert isinstance(chosen, list), chosen
    return [change.key for change in chosen]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0, NOW),
        (5, datetime(2026, 11, 23, 12, 25, tzinfo=UTC)),
        (60, datetime(2026, 11, 23, 13, 0, tzinfo=UTC)),
        (1440, datetime(2026, 11, 24, tzinfo=UTC)),
    ],
)
def test_a_digest_is_sent_at_the_end_of_its_period(minutes: int, expected: datetime) -> None:
    assert due_at(Change.OPENED, Severity.WATCH, channel(digest_minutes=minutes), NOW) == expected


@given(st.sampled_from(Change), SEVERITIES, SEVERITIES)
def test_a_digest_never_delays_what_is_more_severe_than_what_it_gathers(
    change: Change, severity: Severity, least: Severity
) -> None:
    due = due_at(change, severity, channel(digest_minutes=60, least_severity=least), NOW)
    if change is Change.RAISED or (change is Change.OPENED and severity > min(least, Severity.HIGH)):
        assert due == NOW
    if change in (Change.UPDATED, Change.CLOSED):
        assert due > NOW


def test_the_most_severe_goes_first_and_then_the_oldest() -> None:
    changes = [waiting(1, seconds=9), waiting(2, Severity.HIGH), waiting(3, Severity.HIGH, seconds=5)]
    assert keys(next_message(changes, [], NOW)) == [3]


def test_what_failed_together_is_sent_again_together_and_does_not_hold_up_what_is_more_severe() -> None:
    failed = [waiting(1, parcel="p"), waiting(2, parcel="p"), waiting(3, parcel="q")]
    assert keys(next_message([*failed, waiting(4, Severity.HIGH)], [], NOW)) == [4]
    assert keys(next_message(failed, [], NOW)) == [1, 2]


def test_a_digest_is_one_message_and_takes_in_nothing_that_goes_alone() -> None:
    changes = [waiting(1, gathered=True, seconds=5), waiting(2, gathered=True), waiting(3)]
    assert keys(next_message(changes, [], NOW)) == [1, 2]


def test_what_is_too_much_for_one_message_goes_with_the_next() -> None:
    changes = [waiting(key, gathered=True, seconds=key) for key in range(MOST_TOGETHER + 5)]
    first = keys(next_message(changes, [], NOW))
    assert len(first) == MOST_TOGETHER
    rest = [change for change in changes if change.key not in first]
    assert sorted(first + keys(next_message(rest, [], NOW))) == list(range(MOST_TOGETHER + 5))


def flood(severity: Severity, last: timedelta = timedelta()) -> list[Told]:
    return [Told(NOW - last - timedelta(seconds=number), severity) for number in range(BURST)]


def test_a_flood_is_held_and_then_gathered() -> None:
    changes = [waiting(1), waiting(2), waiting(3, parcel="p")]
    told = flood(Severity.WATCH, timedelta(seconds=10))
    assert next_message(changes[:2], told, NOW) == NOW - timedelta(seconds=10) + FLOOD_PAUSE
    assert keys(next_message(changes[:2], flood(Severity.WATCH, FLOOD_PAUSE), NOW)) == [1, 2]
    assert keys(next_message(changes[:1], flood(Severity.WATCH, BURST_WINDOW), NOW)) == [1]


@given(SEVERITIES, st.lists(SEVERITIES, min_size=BURST, max_size=30))
def test_a_flood_of_lesser_changes_never_holds_a_more_severe_one(severity: Severity, before: list[Severity]) -> None:
    told = [Told(NOW, each) for each in before]
    chosen = next_message([waiting(1, severity), waiting(2)], told, NOW)
    if severity > max(before):
        assert keys(chosen) == [1]
    else:
        assert chosen == NOW + FLOOD_PAUSE


@given(
    st.lists(st.tuples(SEVERITIES, st.booleans(), st.sampled_from([None, "p", "q"])), min_size=1, max_size=40),
    st.lists(SEVERITIES, max_size=20),
)
def test_everything_goes_out_in_the_end_and_once(
    changes: list[tuple[Severity, bool, str | None]], before: list[Severity]
) -> None:
    left = [Waiting(key, severity, NOW, gathered, parcel) for key, (severity, gathered, parcel) in enumerate(changes)]
    told, now, sent = [Told(NOW, each) for each in before], NOW, []
    while left:
        chosen = next_message(left, told, now)
        if isinstance(chosen, datetime):
            assert chosen > now
            now = chosen
            continue
        assert chosen
        sent += [change.key for change in chosen]
        told.append(Told(now, max(change.severity for change in chosen)))
        left = [change for change in left if change not in chosen]
    assert sorted(sent) == list(range(len(changes)))


def test_the_same_changes_have_the_same_id_on_one_channel_only() -> None:
    assert parcel_id("a", [("e", 1, 2)]) == parcel_id("a", [("e", 1, 2)])
    ids = [
        parcel_id(*given)
        for given in (
            ("a", [("e", 1, 2)]),
            ("b", [("e", 1, 2)]),
            ("a", [("e", 12, 2)]),
            ("a", [("e", 1, 2), ("e", 2, 1)]),
        )
    ]
    assert len(set(ids)) == len(ids)
