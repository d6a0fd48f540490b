"""How sure a share is by the number of messages alone; `app.core.adjusted_counts` adds the classifier's errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole with its 95 % interval, all in 0..1. `n` is what it rests on.

    The interval of `share` is the sampling error alone (Wilson 1927): it does not know that a classifier errs too.
    """

    value: float
    low: float
    high: float
    n: int


def share(part: int, whole: int) -> Share | None:
    """The share of `part` in `whole`; None when there is nothing to share. Raises ValueError on part > whole."""
    if not 0 <= part <= whole:
        raise ValueError(f"a part of {part} in a whole of {whole}")
    return sampled(part / whole, whole) if whole else None


def sampled(value: float, n: int) -> Share:
    """A share of that value in `n` messages, 1 or more, with its sampling error."""
    centre = (value + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
    half = _Z95 / (1 + _Z95**2 / n) * math.sqrt(value * (1 - value) / n + _Z95**2 / (4 * n**2))
    return Share(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)), n)


@dataclass(frozen=True, slots=True)
class Difference:
    """A change between two shares with its 95 % interval (Newcombe 1998, method 10); `verdict` in plain words."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`higher`, `lower`, or `can't tell` when the interval holds zero."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "can't tell"


def difference(after: Share, before: Share) -> Difference:
    """How much `after` is above `before`."""
    value = after.value - before.value
    low = value - math.hypot(after.value - after.low, before.high - before.value)
    high = value + math.hypot(after.high - after.value, before.value - before.low)
    return Difference(value, max(-1.0, low), min(1.0, high))
