from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.incidents import Change, Incident, IncidentBook, Kind, Severity, Signal, severity_of
from tests.adapters.incident_builders import signal
from tests.core.life import RULES, Life
from tests.core.ticks import HOUR, START, STEP, time_of

CALM = 12  # steps after which an incident closes
COOLDOWN = 72  # steps
SOON = timedelta()

ANGER = signal(Kind.NEGATIVE_SHARE, surprise=5.5, threshold=5.0)
VOLUME = signal(Kind.VOLUME, surprise=5.5, threshold=5.0)
ARRIVAL = signal(Kind.SWITCHED_ON, surprise=0.0, threshold=0.0)
SEVERE = replace(VOLUME, surprise=50.0, size=5_000.0)


def weak(strong: Signal) -> Signal:
    """The same, not beyond its threshold."""
    return replace(strong, surprise=strong.threshold - 1)


@pytest.fixture
def life() -> Life:
    return Life()


# Opening


def test_what_reaches_its_threshold_and_the_least_size_opens_an_incident(life: Life) -> None:
    assert life.step() == []
    assert life.step(ANGER) == [Change.OPENED]
    made = life.open
    assert (made.number, made.revision, made.reopened) == (1, 1, 0)
    assert made.is_open
    assert (made.kind, made.kinds) == (Kind.NEGATIVE_SHARE, (Kind.NEGATIVE_SHARE,))
    assert (made.started_at, made.opened_at) == (time_of(1), time_of(2))
    assert made.size == ANGER.size
    assert [each.surprise for each in made.evidence] == [ANGER.surprise]


@pytest.mark.parametrize(
    "too_little", [weak(ANGER), replace(ANGER, size=9.9), replace(weak(VOLUME), size=1e6)], ids=["weak", "small", "big"]
)
def test_what_does_not_reach_both_opens_nothing(life: Life, too_little: Signal) -> None:
    assert life.steps_of(50, too_little) == []


def test_what_just_reaches_both_opens(life: Life) -> None:
    assert life.step(replace(ANGER, surprise=ANGER.threshold, size=RULES.least_size)) == [Change.OPENED]


def test_an_incident_began_when_the_first_of_its_signals_did() -> None:
    book = IncidentBook(RULES)
    found = [replace(VOLUME, since=time_of(9)), replace(ANGER, since=time_of(3)), replace(weak(ANGER), since=START)]
    (update,) = book.step(time_of(10), STEP, found)
    assert (update.incident.started_at, update.incident.opened_at) == (time_of(3), time_of(10))


def test_numbers_go_on_from_where_they_are_told_to() -> None:
    book = IncidentBook(RULES, next_number=41)
    (update,) = book.step(time_of(1), STEP, [VOLUME])
    assert update.incident.number == 41


# Sources that are behind the others


@pytest.mark.parametrize("behind", [1, 6, 7, 200], ids=lambda steps: f"{steps} steps")
def test_what_a_source_that_is_behind_adds_does_not_turn_time_back(behind: int) -> None:
    book = IncidentBook(RULES)
    book.step(time_of(500), STEP, [replace(VOLUME, since=time_of(499))])
    slow = replace(SEVERE, source="news", since=time_of(499 - behind))
    (joined,) = book.step(time_of(500 - behind), STEP, [slow], complete=False)
    assert joined.change is Change.RAISED
    assert joined.incident.updated_at == time_of(500)
    for calm in range(1, CALM):
        assert book.step(time_of(500 + calm), STEP, []) == []
    (closed,) = book.step(time_of(500 + CALM), STEP, [])
    assert closed.change is Change.CLOSED
    assert (closed.incident.started_at, closed.incident.ended_at) == (time_of(499), time_of(500))


def test_what_a_source_that_is_behind_brings_back_does_not_turn_time_back(life: Life) -> None:
    life.steps_of(20, VOLUME)
    life.steps_of(CALM)
    again = life.book.step(time_of(5), STEP, [replace(VOLUME, source="news", since=time_of(4))], complete=False)
    assert [update.change for update in again] == [Change.UPDATED]
    assert life.open.updated_at == time_of(20 + CALM)
    life.steps_of(CALM)
    assert life.updates[-1].incident.ended_at == time_of(20)


def test_another_sort_of_incident_that_a_source_behind_opens_ends_in_its_own_time(life: Life) -> None:
    life.steps_of(20, VOLUME)
    life.steps_of(CALM)
    life.book.step(time_of(5), STEP, [replace(ANGER, source="news", since=time_of(4))], complete=False)
    life.steps_of(CALM)
    assert life.updates[-1].incident.ended_at == time_of(5)


def test_an_arrival_that_gives_way_to_a_reaction_before_it_was_not_closed_before_it_opened(life: Life) -> None:
    life.steps_of(9)
    life.step(ARRIVAL)
    closed, opened = life.book.step(time_of(5), STEP, [replace(VOLUME, source="news", since=time_of(4))])
    assert (closed.change, closed.incident.updated_at) == (Change.CLOSED, time_of(10))
    assert (opened.change, opened.incident.opened_at) == (Change.OPENED, time_of(5))


# One happening, one incident


def test_one_happening_is_one_incident_whatever_sees_it(life: Life) -> None:
    there = replace(VOLUME, source="news")
    life.steps_of(2, VOLUME)
    life.steps_of(3, VOLUME, ANGER)
    life.steps_of(3, ANGER, there)
    life.steps_of(CALM)
    assert life.numbers == [1]
    assert life.updates[-1].change is Change.CLOSED
    closed = life.updates[-1].incident
    assert closed.kinds == (Kind.NEGATIVE_SHARE, Kind.VOLUME)
    assert [(each.kind, each.source) for each in closed.evidence] == [
        (Kind.NEGATIVE_SHARE, "x"),
        (Kind.VOLUME, "news"),
        (Kind.VOLUME, "x"),
    ]


def test_the_evidence_is_the_strongest_of_each_kind_and_source(life: Life) -> None:
    for surprise in (6.0, 9.0, 7.0):
        life.step(replace(VOLUME, surprise=surprise, observed=surprise), weak(ANGER))
    assert [(each.kind, each.observed) for each in life.open.evidence] == [(Kind.VOLUME, 9.0)]


# Hysteresis and closing


def test_what_has_opened_goes_on_while_there_is_a_signal_of_its_kind(life: Life) -> None:
    life.step(VOLUME)
    assert Change.CLOSED not in life.steps_of(10 * CALM, replace(weak(VOLUME), size=1.0))
    assert life.book.open is not None


def test_weak_signals_of_another_kind_do_not_keep_it_open(life: Life) -> None:
    life.step(VOLUME)
    assert life.steps_of(CALM, weak(ANGER)) == [Change.CLOSED]


def test_it_closes_after_so_much_calm_and_ended_with_the_last_step_that_stood_out(life: Life) -> None:
    life.steps_of(4, VOLUME)
    assert life.steps_of(CALM - 1) == []
    assert life.step() == [Change.CLOSED]
    closed = life.updates[-1].incident
    assert closed.ended_at == time_of(4)
    assert life.updates[-1].at == closed.updated_at == time_of(4 + CALM)
    assert not closed.is_open
    assert life.book.open is None


def test_calm_counts_in_one_piece(life: Life) -> None:
    life.step(VOLUME)
    for _ in range(5):
        assert life.steps_of(CALM - 1) == []
        assert life.step(weak(VOLUME)) == []
    assert life.steps_of(CALM) == [Change.CLOSED]


def test_no_data_is_not_calm(life: Life) -> None:
    life.step(VOLUME)
    life.steps_of(CALM // 2)
    for _ in range(10 * CALM):
        assert life.step(known=False) == []
    assert life.steps_of(CALM - CALM // 2 - 1) == []
    assert life.step() == [Change.CLOSED]


def test_a_step_that_is_being_filled_opens_and_raises_and_does_not_close(life: Life) -> None:
    assert life.step(VOLUME, complete=False) == [Change.OPENED]
    assert life.step(SEVERE, complete=False) == [Change.RAISED]
    for _ in range(10 * CALM):
        assert life.step(complete=False) == []
    assert life.book.open is not None


# What is told while it goes on


def test_what_goes_on_as_before_is_told_once(life: Life) -> None:
    life.step(VOLUME)
    assert life.steps_of(3, VOLUME) == []
    assert life.open.updated_at == life.now
    assert life.open.revision == 1


def test_it_is_raised_when_it_gets_more_severe_and_never_lowered(life: Life) -> None:
    life.step(VOLUME)
    before = life.open.severity
    assert life.step(SEVERE) == [Change.RAISED]
    assert life.open.severity > before
    assert life.steps_of(3, VOLUME) == []
    assert life.open.severity > before


def test_it_is_raised_when_it_lasts(life: Life) -> None:
    strong = replace(VOLUME, surprise=VOLUME.threshold + 1)
    life.step(strong)
    assert life.open.severity is Severity.WATCH
    assert Change.RAISED in life.steps_of(6 * HOUR, strong)


def test_it_is_updated_when_its_size_has_doubled_since_it_was_told(life: Life) -> None:
    sizes = (5_000.0, 7_000.0, 9_900.0, 10_100.0, 15_000.0, 20_300.0, 30_000.0, 45_000.0)
    told_at = []
    for size in sizes:
        if life.step(replace(SEVERE, size=size)):
            told_at.append(size)
        assert life.open.size == size
    assert told_at == [5_000, 10_100, 20_300, 45_000]
    assert life.step(SEVERE) == []
    assert life.open.size == 45_000


def test_it_is_updated_when_a_kind_joins(life: Life) -> None:
    life.step(VOLUME)
    assert life.step(VOLUME, weak(ANGER)) == []
    assert life.step(VOLUME, ANGER) == [Change.UPDATED]
    assert life.open.kinds == (Kind.NEGATIVE_SHARE, Kind.VOLUME)
    assert life.step(VOLUME, ANGER) == []


def test_it_is_updated_when_a_source_joins(life: Life) -> None:
    there = replace(VOLUME, source="news")
    life.step(VOLUME)
    assert life.step(VOLUME, weak(there)) == []
    assert life.step(VOLUME, there) == [Change.UPDATED]
    assert life.step(VOLUME, there) == []


# Once more


def lived(life: Life, *signals: Signal) -> Incident:
    """Let an incident come and go."""
    life.steps_of(2, *signals)
    assert life.steps_of(CALM)[-1] is Change.CLOSED
    return life.updates[-1].incident


def test_the_same_again_within_the_cooldown_reopens_it(life: Life) -> None:
    closed = lived(life, VOLUME)
    life.steps_of(CALM)
    assert life.step(VOLUME) == [Change.UPDATED]
    again = life.open
    assert (again.number, again.reopened, again.revision) == (1, 1, closed.revision + 1)
    assert (again.started_at, again.opened_at, again.ended_at) == (closed.started_at, closed.opened_at, None)
    assert life.steps_of(CALM) == [Change.CLOSED]
    assert life.step(VOLUME) == [Change.UPDATED]
    assert life.open.reopened == 2


def test_the_same_again_after_the_cooldown_is_another_one(life: Life) -> None:
    lived(life, VOLUME)
    life.steps_of(COOLDOWN)
    assert life.step(VOLUME) == [Change.OPENED]
    assert (life.open.number, life.open.reopened, life.open.started_at) == (2, 0, time_of(life.steps - 1))


def test_without_a_cooldown_every_surge_is_another_one() -> None:
    life = Life(replace(RULES, cooldown_s=0.0))
    lived(life, VOLUME)
    lived(life, VOLUME)
    assert life.numbers == [1, 2]


def test_a_higher_severity_breaks_the_cooldown(life: Life) -> None:
    lived(life, VOLUME)
    assert life.step(SEVERE) == [Change.OPENED]
    assert life.open.number == 2


@pytest.mark.parametrize(
    ("first", "then", "same"), [(VOLUME, ANGER, False), (ANGER, VOLUME, True), (ANGER, ANGER, True)]
)
def test_anger_after_mere_volume_is_another_one_and_volume_after_anger_is_not(
    life: Life, first: Signal, then: Signal, same: bool
) -> None:
    lived(life, first)
    assert life.step(then) == [Change.UPDATED if same else Change.OPENED]


def test_the_calm_before_it_came_back_is_no_persistence(life: Life) -> None:
    strong = replace(VOLUME, surprise=VOLUME.threshold + 1)
    life.step(strong)
    life.steps_of(5 * HOUR)
    assert life.step(strong) == [Change.UPDATED]
    assert life.steps_of(2, strong) == []
    assert life.open.severity is Severity.WATCH


def test_a_weak_signal_reopens_nothing(life: Life) -> None:
    lived(life, VOLUME)
    assert life.steps_of(CALM, weak(VOLUME)) == []


def test_what_comes_again_larger_is_told_once(life: Life) -> None:
    lived(life, SEVERE)
    larger = replace(SEVERE, size=3 * SEVERE.size)
    assert life.step(larger) == [Change.UPDATED]
    assert life.steps_of(3, larger) == []


def test_what_comes_again_after_a_source_was_switched_on_is_told_once(life: Life) -> None:
    lived(life, SEVERE)
    lived(life, replace(ARRIVAL, size=20.0))
    assert life.step(SEVERE) == [Change.UPDATED]
    assert life.open.number == 1
    assert life.step(replace(SEVERE, size=100.0)) == []


# A source that is switched on


def test_a_source_that_is_switched_on_is_an_incident_of_its_own_and_never_severe(life: Life) -> None:
    assert life.step(replace(ARRIVAL, size=1e6)) == [Change.OPENED]
    assert (life.open.kind, life.open.severity) == (Kind.SWITCHED_ON, Severity.WATCH)
    assert life.steps_of(CALM) == [Change.CLOSED]


def test_it_gives_way_to_a_public_reaction(life: Life) -> None:
    life.step(ARRIVAL)
    assert life.step(weak(VOLUME)) == []
    assert life.step(VOLUME) == [Change.CLOSED, Change.OPENED]
    closed, made = (update.incident for update in life.updates[-2:])
    assert (closed.number, closed.kinds, closed.ended_at) == (1, (Kind.SWITCHED_ON,), time_of(1))
    assert (made.number, made.kinds) == (2, (Kind.VOLUME,))


def test_it_is_not_what_a_reaction_could_be_the_same_as(life: Life) -> None:
    lived(life, ARRIVAL)
    assert life.step(VOLUME) == [Change.OPENED]
    assert life.open.number == 2


def test_it_joins_a_reaction_that_is_there(life: Life) -> None:
    life.step(VOLUME)
    assert life.step(VOLUME, ARRIVAL) == [Change.UPDATED]
    assert life.open.kinds == (Kind.VOLUME, Kind.SWITCHED_ON)
    assert life.numbers == [1]


# Severity


@given(st.floats(0, 100), st.floats(0, 100), st.floats(10, 1e7), st.floats(1, 100), st.integers(0, 5_000), st.data())
def test_more_surprise_size_or_time_is_never_less_severe(
    surprise: float, more: float, size: float, times: float, minutes: int, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from([kind for kind in Kind if kind is not Kind.SWITCHED_ON]))
    lasted = timedelta(minutes=minutes)
    least = severity_of(signal(kind, surprise=surprise, size=size), lasted)
    assert least <= severity_of(signal(kind, surprise=surprise + more, size=size), lasted)
    assert least <= severity_of(signal(kind, surprise=surprise, size=size * times), lasted)
    assert least <= severity_of(signal(kind, surprise=surprise, size=size), lasted * 2)


def test_all_of_it_is_critical_and_hardly_any_is_worth_a_watch() -> None:
    mild = replace(VOLUME, surprise=VOLUME.threshold, size=10.0)
    assert severity_of(mild, SOON) is Severity.WATCH
    assert severity_of(SEVERE, timedelta(hours=6)) is Severity.CRITICAL
    assert severity_of(replace(SEVERE, kind=Kind.SWITCHED_ON), timedelta(hours=6)) is Severity.WATCH
    assert {severity_of(SEVERE, SOON), severity_of(mild, timedelta(days=1))} != {Severity.WATCH}
