"""The steps of a comparison, put together until their shares rest on enough messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.core.prevalence import Share, share
from app.core.types import CLASSES, Count, Label
from app.services.comparison import Comparison, Side

_FEWEST: Final = 5
"""With fewer scored messages a point has no share."""
_WANTED: Final = 30
_FEWEST_POINTS: Final = 12
_MOST_POINTS: Final = 150  # more on one line are not told apart, and several lines are drawn
_FACTORS: Final = (1, 2, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a side, `at_s` seconds after that from which all are counted.

    `per_hour` are distinct messages, in the time that the window has of the point; those that were not scored count
    too. `negative` is as classified, with its sampling error; None with too few scored messages.
    """

    at_s: int
    start: datetime
    counts: dict[Label, Count]
    per_hour: float
    negative: Share | None

    @property
    def scored(self) -> int:
        """What the share rests on."""
        return _scored(self.counts)

    @property
    def distinct(self) -> int:
        """All distinct messages."""
        return sum(count.distinct for count in self.counts.values())


@dataclass(frozen=True, slots=True)
class Aligned:
    """The points of each side, in the order of the sides; each covers `step_s` seconds."""

    step_s: int
    sides: tuple[tuple[Point, ...], ...]


def aligned(found: Comparison) -> Aligned:
    """The points of all sides, at most 150 each: of as few steps as give those of the smallest some thirty messages."""
    step_s = _point_step(found)
    return Aligned(step_s, tuple(points(side, step_s) for side in found.sides))


def _point_step(found: Comparison) -> int:
    sides = [side for side in found.sides if side.buckets]
    means = [sum(_scored(bucket.counts) for bucket in side.buckets) / len(side.buckets) for side in sides]
    longest = max(((side.end - side.start).total_seconds() / found.step_s for side in found.sides), default=1.0)
    fitting = [factor for factor in _FACTORS if longest / factor >= _FEWEST_POINTS] or [1]
    least = min(means, default=0.0)
    enough = (factor for factor in fitting if least * factor >= _WANTED and longest / factor <= _MOST_POINTS)
    return found.step_s * next(enough, fitting[-1])


def points(side: Side, step_s: int) -> tuple[Point, ...]:
    """The points of a side that have messages, in their order.

    Where the window covers less than half of its first or last point, that part goes to its neighbour.
    """
    if not side.buckets:
        return ()
    origin = side.buckets[0].start - timedelta(seconds=side.buckets[0].offset_s)
    begin, end = ((edge - origin).total_seconds() for edge in (side.start, side.end))
    first, last = _whole(begin, end, step_s)
    gathered: dict[int, dict[Label, Count]] = {}
    for bucket in side.buckets:
        at_s = min(max(bucket.offset_s // step_s * step_s, first), last)
        there = gathered.get(at_s)
        gathered[at_s] = _added(there, bucket.counts) if there else bucket.counts  # most points are one step alone
    made = []
    for at_s in sorted(gathered):
        covered = (end if at_s == last else at_s + step_s) - (begin if at_s == first else at_s)
        distinct = sum(count.distinct for count in gathered[at_s].values())
        start = origin + timedelta(seconds=at_s)
        made.append(Point(at_s, start, gathered[at_s], 3600 * distinct / covered, _negative(gathered[at_s])))
    return tuple(made)


def _added(one: dict[Label, Count], other: dict[Label, Count]) -> dict[Label, Count]:
    return {label: one.get(label, Count()) + other.get(label, Count()) for label in one | other}


def _whole(begin: float, end: float, step_s: int) -> tuple[int, int]:
    """The first and the last point of which a window has at least the half."""
    first = math.floor(begin / step_s + 0.5) * step_s
    last = math.ceil(end / step_s - 0.5) * step_s - step_s
    return first, max(first, last)


def _scored(counts: dict[Label, Count]) -> int:
    return sum(counts[label].distinct for label in CLASSES if label in counts)


def _negative(counts: dict[Label, Count]) -> Share | None:
    scored = _scored(counts)
    return share(counts.get(Label.NEGATIVE, Count()).distinct, scored) if scored >= _FEWEST else None
