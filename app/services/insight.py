"""Time to insight: from the spike in the input to the verdict, as it really took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from app.adapters.store import Store


class InsightStep(StrEnum):
    """What happens to an incident, in order; the first time of each is kept, by the clock."""

    BEGAN = "began"  # its first message came in
    NOTICED = "noticed"  # the incident opened
    SHOWN = "shown"  # somebody had it on the screen or fetched it
    EVIDENCE = "evidence"  # somebody opened its messages or its card
    VERDICT = "verdict"  # somebody said what it was


@dataclass(frozen=True, slots=True)
class Stretch:
    """How long it took from one step to another, in seconds, over the incidents that have both."""

    start: InsightStep
    end: InsightStep
    incidents: int
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class InsightReport:
    """The stretches between neighbouring steps, and from the first step to each later one; empty ones are left out.

    Incidents that were found in history are not among them.
    """

    event_id: str | None
    stretches: tuple[Stretch, ...]


def _pairs() -> Iterator[tuple[InsightStep, InsightStep]]:
    yield from pairwise(InsightStep)
    yield from ((InsightStep.BEGAN, step) for step in list(InsightStep)[2:])


class Insight:
    """Records the steps and says how long they took.

    `took` is called with each new step and the seconds since the incident was noticed; set it to a metric.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.took: Callable[[InsightStep, float], None] = lambda step, seconds: None

    def record(self, event_id: str, number: int, step: InsightStep) -> None:
        """Note that a step has happened; only the first time counts. Raises NotFound."""
        if self._store.incidents.record_step(event_id, number, step.value):
            times = self._store.incidents.steps(event_id).get((event_id, number), {})
            if InsightStep.NOTICED in times:
                self.took(step, (times[step] - times[InsightStep.NOTICED]).total_seconds())

    def report(self, event_id: str | None = None) -> InsightReport:
        """How long it takes, for an event or (None) for all. Raises NotFound."""
        if event_id is not None:
            self._store.event(event_id)
        steps = [times for times in self._store.incidents.steps(event_id).values() if InsightStep.NOTICED in times]
        found = (_stretch(start, end, steps) for start, end in _pairs())
        return InsightReport(event_id, tuple(stretch for stretch in found if stretch is not None))


def _stretch(start: InsightStep, end: InsightStep, steps: Sequence[Mapping[str, datetime]]) -> Stretch | None:
    took = sorted((times[end] - times[start]).total_seconds() for times in steps if start in times and end in times)
    # An incident may be judged without its evidence having been opened: what came earlier took no negative time.
    took = [seconds for seconds in took if seconds >= 0]
    if not took:
        return None
    return Stretch(start, end, len(took), statistics.median(took), _p95(took))


def _p95(ordered: Sequence[float]) -> float:
    """The smallest of the times that 95 % of them do not exceed."""
    return ordered[-(-95 * len(ordered) // 100) - 1]
