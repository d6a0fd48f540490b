from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.annotations import Annotation, AnnotationKind
from app.core.history import FOLLOWED, STEP, Foreseen, StepCount, start_of, step_of, ticks
from app.core.types import Event

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = step_of(NOON)
EVENT = Event("launch", "Launch", "*")
NOTHING_FORESEEN = Foreseen()
DAY = 288


def known(counts: Mapping[int, StepCount], first: int, last: int) -> list[int]:
    """The known steps of a source that was read from `first` up to `last`, counted from the first one."""
    given_steps = ticks({"x": counts}, {"x": (first, last)}, NOTHING_FORESEEN)
    return [step_of(each["x"].start) - first for each in given_steps]


def busy(*steps: int, messages: int = 10) -> dict[int, StepCount]:
    return {FIRST + step: StepCount(messages, messages, 1) for step in steps}


def test_a_step_is_where_it_begins() -> None:
    assert start_of(FIRST) == NOON
    assert step_of(NOON + STEP - timedelta(microseconds=1)) == FIRST
    assert step_of(NOON + STEP) == FIRST + 1
    assert step_of(datetime(1969, 12, 31, 23, 59, tzinfo=UTC)) == -1


def test_a_silent_step_of_a_source_that_is_followed_is_a_zero() -> None:
    (tick,) = ticks({}, {"x": (FIRST, FIRST + 1)}, NOTHING_FORESEEN)
    assert (tick["x"].start, tick["x"].total, tick["x"].known) == (NOON, 0, True)
    long_ago = busy(-DAY)
    assert known(long_ago, FIRST, FIRST + FOLLOWED) == list(range(FOLLOWED))


def test_a_short_silence_in_a_history_is_zeros_and_a_long_one_is_a_gap() -> None:
    assert known(busy(0, 20, 23), FIRST, FIRST + 24) == list(range(24))
    assert known(busy(0, 25, 26, messages=100), FIRST, FIRST + 27) == [0, 25, 26]


def test_what_a_long_silence_is_depends_on_how_often_a_source_speaks() -> None:
    sparse = {FIRST + step: StepCount(1) for step in range(0, 20 * DAY, 12)}  # every hour
    assert len(known(sparse, FIRST, FIRST + 20 * DAY)) == 20 * DAY
    gone = {step: count for step, count in sparse.items() if not 0 <= step - FIRST - 5 * DAY < 7 * DAY}
    assert len(known(gone, FIRST, FIRST + 20 * DAY)) == 13 * DAY - 11


def test_a_silence_that_began_before_the_range_counts_from_its_beginning() -> None:
    counts = busy(*range(-DAY, -20), 10)
    assert known(counts, FIRST, FIRST + 12) == [10, 11]


def test_the_silence_at_the_end_may_be_a_gap_too() -> None:
    assert known(busy(*range(30)), FIRST, FIRST + 100) == list(range(30))
    assert known(busy(*range(30)), FIRST, FIRST + 40) == list(range(40))


def test_silent_steps_of_an_outage_are_unknown_and_others_are_not() -> None:
    out = {"x": [(NOON + 2 * STEP, NOON + 5 * STEP - timedelta(seconds=1))]}
    read = ticks({"x": busy(0, 3, 6)}, {"x": (FIRST, FIRST + 7)}, NOTHING_FORESEEN, out)
    assert [step_of(each["x"].start) - FIRST for each in read] == [0, 1, 3, 5, 6]


def test_sources_have_their_own_ranges_and_come_together_by_step() -> None:
    counts = {"x": busy(*range(10)), "news": busy(5)}
    given_steps = list(ticks(counts, {"x": (FIRST + 4, FIRST + 7), "news": (FIRST + 5, FIRST + 6)}, NOTHING_FORESEEN))
    assert [sorted(each) for each in given_steps] == [["x"], ["news", "x"], ["x"]]
    assert all(len({tick.start for tick in each.values()}) == 1 for each in given_steps)


@given(
    st.dictionaries(st.integers(-50, 120), st.integers(1, 500), max_size=60),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_every_message_in_the_range_is_in_exactly_one_tick(totals: dict[int, int], first: int, length: int) -> None:
    counts = {FIRST + step: StepCount(total) for step, total in totals.items()}
    low, high = FIRST + first, FIRST + first + length
    given_ticks = [each["x"] for each in ticks({"x": counts}, {"x": (low, high)}, NOTHING_FORESEEN)]
    starts = [tick.start for tick in given_ticks]
    assert starts == sorted(set(starts))
    assert all(low <= step_of(start) < high for start in starts)
    assert sum(tick.total for tick in given_ticks) == sum(
        total for step, total in totals.items() if first <= step < first + length
    )


def expected(at: datetime, until: datetime | None, times: float | None = 4.0) -> Annotation:
    return Annotation("launch", "a", at, until, AnnotationKind.EXPECTED, "launch", times)


@pytest.mark.parametrize(("minutes", "factor"), [(-6, 1.0), (-4, 4.0), (0, 4.0), (59, 4.0), (60, 1.0)])
def test_an_expected_moment_raises_what_is_foreseen_in_its_steps(minutes: int, factor: float) -> None:
    foreseen = Foreseen.of(EVENT, [expected(NOON, NOON + timedelta(hours=1))])
    assert foreseen.at(NOON + timedelta(minutes=minutes)) == factor


def test_the_most_that_is_foreseen_counts_and_other_annotations_do_not() -> None:
    note = Annotation("launch", "n", NOON, None, AnnotationKind.NOTE, "a note")
    foreseen = Foreseen.of(EVENT, [expected(NOON, None, 2.0), expected(NOON, NOON + STEP, 9.0), note])
    assert foreseen.at(NOON) == 9.0
    assert Foreseen.of(EVENT, [note]).at(NOON) == 1.0


def test_the_start_of_an_event_is_foreseen_without_a_note() -> None:
    foreseen = Foreseen.of(Event("launch", "Launch", "*", starts_at=NOON), [])
    assert foreseen.at(NOON) > 1
    assert foreseen.at(NOON + timedelta(hours=3)) == 1.0
