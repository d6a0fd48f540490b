"""Time to insight: from the spike in the input to the verdict, as it really took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class Insight:
    """Records the steps and says how long they took. `now` is the clock, in UTC."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def record(self, event_id: str, number: int, step: InsightStep) -> None:
        """Note that a step has happened; only the first time counts. Raises NotFound."""
        raise NotImplementedError

    def report(self, event_id: str | None = None) -> InsightReport:
        """How long it takes, for an event or (None) for all. Raises NotFound."""
        raise NotImplementedError
