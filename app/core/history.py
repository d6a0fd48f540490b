"""From stored counts to the steps that the spike detector reads: what is known, what is a gap, what is expected.

A step without messages is a zero only where the source was there. Nobody wrote down when it was not: so a long silence
is taken as a gap (unknown), and so is a silent step inside an outage that was noted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from app.core.annotations import Annotation, AnnotationKind
from app.core.bursts import Tick
from app.core.types import Event

STEP: Final = timedelta(minutes=5)
"""The length of a step."""

LEAST_SILENCE: Final = timedelta(hours=2)
"""A silence that is shorter is never a gap by itself."""

FOLLOWED: Final = 6
"""A source that was read to the present again within so many steps was followed: each of its silent steps is a zero."""

_STEP_S: Final = STEP.total_seconds()
# Times the usual time between two messages: of independent messages one pause in 10^13 is as long.
_SILENT_INTERVALS: Final = 30
# An event's own start: that long, and that many times the usual volume, are foreseen without a note.
_START_LASTS: Final = timedelta(hours=2)
_START_TIMES: Final = 3.0


class StepCount(NamedTuple):
    """The messages of a source in a step: all of them, and the distinct ones that have a label and are negative.

    Volume is counted raw. Shares are counted without copies: one text that is passed on a thousand times is one
    opinion, and a test that took it for a thousand would be sure of anything.
    """

    total: int = 0
    scored: int = 0
    negative: int = 0


Counts: TypeAlias = Mapping[str, Mapping[int, StepCount]]
"""By source and the number of the step (see `step_of`); a step without messages is left out."""


def step_of(moment: datetime) -> int:
    """The number of the step that a time lies in, counted from 1970."""
    return math.floor(moment.timestamp() / _STEP_S)


def start_of(step: int) -> datetime:
    """The time that a step begins at."""
    return datetime.fromtimestamp(step * _STEP_S, UTC)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Stretches of time with how many times the usual volume is foreseen in each."""

    stretches: tuple[tuple[datetime, datetime, float], ...] = ()

    @classmethod
    def of(cls, event: Event, annotations: Iterable[Annotation]) -> Foreseen:
        """The expected moments among the annotations, and the event's own start."""
        found = [
            (note.at, note.until or note.at + STEP, note.times)
            for note in annotations
            if note.kind is AnnotationKind.EXPECTED and note.times is not None
        ]
        if event.starts_at is not None:
            found.append((event.starts_at, event.starts_at + _START_LASTS, _START_TIMES))
        return cls(tuple(found))

    def at(self, start: datetime) -> float:
        """The most that is foreseen anywhere in the step that begins at `start`; 1 without any."""
        return max((times for low, high, times in self.stretches if low < start + STEP and high > start), default=1.0)


Outages: TypeAlias = Mapping[str, Sequence[tuple[datetime, datetime]]]
"""By source: the times [from, to) in which nothing could come."""


def ticks(
    counts: Counts, ranges: Mapping[str, tuple[int, int]], foreseen: Foreseen, outages: Outages | None = None
) -> Iterator[dict[str, Tick]]:
    """What each source delivered in the steps of its range [first, last), step by step in order of time.

    Only known steps are there: a source without a tick is unknown in that step. `counts` may reach back beyond the
    ranges, to say how long a silence is usual.
    """
    known = {
        source: _known(counts.get(source, {}), first, last, (outages or {}).get(source, ()))
        for source, (first, last) in ranges.items()
    }
    steps: dict[int, list[str]] = {}
    for source, there in known.items():
        for step in there:
            steps.setdefault(step, []).append(source)
    for step in sorted(steps):
        start = start_of(step)
        expected = foreseen.at(start)
        yield {
            source: Tick(start, *counts.get(source, {}).get(step, StepCount()), expected=expected)
            for source in steps[step]
        }


def _known(
    counts: Mapping[int, StepCount], first: int, last: int, outages: Sequence[tuple[datetime, datetime]]
) -> Iterator[int]:
    silence = math.inf if last - first <= FOLLOWED else _longest_silence(counts)
    # The silence that the range begins with may have begun before it.
    before = max((step for step in counts if step < first), default=first - 1)
    for spoke in [*(step for step in sorted(counts) if first <= step < last), last]:
        if spoke - before - 1 < silence:
            yield from (step for step in range(max(before + 1, first), spoke) if not _out(step, outages))
        if spoke < last:
            yield spoke
        before = spoke


def _longest_silence(counts: Mapping[int, StepCount]) -> float:
    """The number of steps from which on a silence is a gap."""
    least = LEAST_SILENCE / STEP
    messages = sum(count.total for count in counts.values())
    if messages == 0:
        return least
    interval = (max(counts) - min(counts) + 1) / messages
    return max(least, _SILENT_INTERVALS * interval)


def _out(step: int, outages: Sequence[tuple[datetime, datetime]]) -> bool:
    start = start_of(step)
    return any(low < start + STEP and high > start for low, high in outages)
