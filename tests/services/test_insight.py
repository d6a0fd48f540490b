from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.incident_records import Findings
from app.adapters.store import Store
from app.core.dial import Verdict
from app.core.errors import NotFound
from app.core.incidents import Change
from app.services.insight import Insight, InsightStep
from tests.adapters.builders import EVENT, make, put
from tests.adapters.incident_builders import incident, opened, then
from tests.fakes.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/eventpulse.db", now=clock) as made:
        made.migrate()
        made.put_event(EVENT)
        yield made


def happen(store: Store, clock: Clock, number: int, noticed: float, shown: float, verdict: float) -> None:
    """An incident whose first message comes now, with the seconds to its steps."""
    put(store, make(f"m{number}", 100 * number))
    clock.advance(noticed)
    found = Findings((opened(incident(number, start=100 * number)),))
    assert store.incidents.advance(EVENT.id, number - 1, {}, clock(), found)
    clock.advance(shown)
    Insight(store).record(EVENT.id, number, InsightStep.SHOWN)
    clock.advance(verdict)
    store.incidents.give_verdict(EVENT.id, number, Verdict.REAL)


def test_the_times_between_the_steps_are_told(store: Store, clock: Clock) -> None:
    for number, noticed in enumerate((10, 20, 90), 1):
        happen(store, clock, number, noticed, shown=30 * number, verdict=60)
    took = {
        (each.start, each.end): (each.incidents, each.median_s, each.p95_s)
        for each in Insight(store).report().stretches
    }
    step = InsightStep
    assert took == {
        (step.BEGAN, step.NOTICED): (3, 20, 90),
        (step.NOTICED, step.SHOWN): (3, 60, 90),
        (step.BEGAN, step.SHOWN): (3, 80, 180),
        (step.BEGAN, step.VERDICT): (3, 140, 240),
    }
    assert Insight(store).report(EVENT.id).stretches == Insight(store).report().stretches


def test_only_the_first_time_of_a_step_is_kept_and_measured(store: Store, clock: Clock) -> None:
    measured = []
    happen(store, clock, 1, noticed=5, shown=7, verdict=0)
    insight = Insight(store)
    insight.took = lambda step, seconds: measured.append((step, seconds))
    insight.record(EVENT.id, 1, InsightStep.SHOWN)
    clock.advance(3)
    insight.record(EVENT.id, 1, InsightStep.EVIDENCE)
    insight.record(EVENT.id, 1, InsightStep.EVIDENCE)
    assert measured == [(InsightStep.EVIDENCE, 10.0)]


def test_what_was_found_in_history_took_nobody_any_time(store: Store, clock: Clock) -> None:
    it = incident()
    store.incidents.advance(EVENT.id, 0, {}, clock(), Findings(past=(opened(it), then(it, Change.CLOSED, 60))))
    measured: list[float] = []
    insight = Insight(store)
    insight.took = lambda step, seconds: measured.append(seconds)
    insight.record(EVENT.id, 1, InsightStep.SHOWN)
    assert measured == []
    assert insight.report().stretches == ()


def test_there_is_no_step_of_no_incident(store: Store) -> None:
    with pytest.raises(NotFound):
        Insight(store).record(EVENT.id, 1, InsightStep.SHOWN)
    with pytest.raises(NotFound):
        Insight(store).report("nobody")
