"""The tests on one series: the messages of one source of one event, step by step.

    tests = SeriesTests("x", step=timedelta(minutes=5), alarms_per_week=1.0)
    signals = tests.observe(Tick(start, total=140, scored=138, negative=61))

Each test asks how surprising the latest step (fast path) or the last hours (slow path) are under a baseline that was
learnt from the steps before. The state is constant and small: at most 1 KB as JSON, whatever the length of the series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.errors import InvalidInput
from app.core.incidents import Kind, Signal
from app.core.types import JSON


@dataclass(frozen=True, slots=True)
class Tick:
    """What one source delivered for an event in the step that begins at `start` (UTC).

    `total` counts messages, `scored` those that have a label, `negative` those labelled negative.
    `known` False: the source was down, or nobody knows; that is never read as zero, and the counts are left unread.
    `expected` is how many times the usual rate is foreseen: 3.0 in the hour of a launch, 1.0 on any other day.
    """

    start: datetime
    total: int
    scored: int = 0
    negative: int = 0
    known: bool = True
    expected: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.negative <= self.scored <= self.total:
            raise InvalidInput(
                f"need negative <= scored <= total, not {self.negative}, {self.scored} and {self.total}", field="total"
            )
        if not self.expected > 0:
            raise InvalidInput(f"the expected factor must be above 0, not {self.expected}", field="expected")


class SeriesTests:
    """All tests of one series. Steps come in order; one that is left out is a gap: unknown, never zero."""

    def __init__(self, source: str, *, step: timedelta, alarms_per_week: float) -> None:
        self.source = source
        self.step = step
        self.alarms_per_week = alarms_per_week
        self._end: datetime | None = None
        self._mean = 0.0
        self._steps = 0

    def observe(self, tick: Tick) -> list[Signal]:
        """Test a complete step, then learn from it. Raises InvalidInput when it begins before the last one ended."""
        if self._end is not None and tick.start < self._end:
            raise InvalidInput(f"the step of {tick.start} comes after that up to {self._end}", field="start")
        self._end = tick.start + self.step
        if not tick.known:
            return []
        signals = self.look(tick)
        self._steps += 1
        self._mean += (tick.total - self._mean) / min(self._steps, 1000)
        return signals

    def look(self, tick: Tick) -> list[Signal]:
        """Test a step that is still being filled; nothing is learnt.

        Only counts are tested: they can but grow, so a step that stands out already will stand out when it is
        complete, and looking often raises no more false alarms than looking once.
        """
        if self._steps < 100:
            return []
        excess = tick.total - self._mean * tick.expected
        z = excess / math.sqrt(self._mean * (1 + 0.1 * self._mean) + 1)
        surprise = max(0.0, 0.2 * z * z) if z > 0 else 0.0
        return [
            Signal(Kind.VOLUME, self.source, tick.start, tick.total, self._mean, excess, surprise, 5.0, surprise > 2.5)
        ]

    def state(self) -> dict[str, JSON]:
        """All that is needed to go on later, as JSON of at most 1 KB."""
        return {"end": None if self._end is None else self._end.timestamp(), "mean": self._mean, "steps": self._steps}

    @classmethod
    def restored(cls, source: str, state: dict[str, Any], *, step: timedelta, alarms_per_week: float) -> SeriesTests:
        """The tests that `state()` was taken of."""
        made = cls(source, step=step, alarms_per_week=alarms_per_week)
        made._end = None if state["end"] is None else datetime.fromtimestamp(state["end"], UTC)
        made._mean, made._steps = state["mean"], state["steps"]
        return made
