"""The steps of a comparison, put together until their shares rest on enough messages."""

from __future__ import annotations

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
_FACTORS: Final = (1, 2, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a side, `at_s` seconds after that from which all are counted.

    `negative` is as classified, with its sampling error; None with too few scored messages.
    """

    at_s: int
    start: datetime
    counts: dict[Label, Count]
    negative: Share | None

    @property
    def scored(self) -> int:
        """What the share rests on."""
        return _scored(self.counts)

    @property
    def distinct(self) -> int:
        """All distinct messages, those that were not scored too."""
        return sum(count.distinct for count in self.counts.values())


def point_step(found: Comparison) -> int:
    """The seconds that a point covers: as few steps as give those of the smallest side some thirty messages."""
    sides = [side for side in found.sides if side.buckets]
    means = [sum(_scored(bucket.counts) for bucket in side.buckets) / len(side.buckets) for side in sides]
    longest = max(((side.end - side.start).total_seconds() / found.step_s for side in found.sides), default=1.0)
    fitting = [factor for factor in _FACTORS if longest / factor >= _FEWEST_POINTS] or [1]
    least = min(means, default=0.0)
    return found.step_s * next((factor for factor in fitting if least * factor >= _WANTED), fitting[-1])


def points(side: Side, step_s: int) -> tuple[Point, ...]:
    """The points of a side that have messages, in their order."""
    counts: dict[int, dict[Label, Count]] = {}
    starts: dict[int, datetime] = {}
    for bucket in side.buckets:
        at = bucket.offset_s // step_s * step_s
        starts.setdefault(at, bucket.start - timedelta(seconds=bucket.offset_s - at))
        gathered = counts.setdefault(at, {})
        for label, count in bucket.counts.items():
            gathered[label] = gathered.get(label, Count()) + count
    return tuple(Point(at, starts[at], counts[at], _negative(counts[at])) for at in sorted(counts))


def _scored(counts: dict[Label, Count]) -> int:
    return sum(counts[label].distinct for label in CLASSES if label in counts)


def _negative(counts: dict[Label, Count]) -> Share | None:
    scored = _scored(counts)
    return share(counts.get(Label.NEGATIVE, Count()).distinct, scored) if scored >= _FEWEST else None
