"""How much longer, or faster, one side is than the other, from pairs that were measured one right after the other."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the ratios of pairs, with the 95 % interval of a bootstrap over the pairs (seeded)."""

    value: float
    low: float
    high: float

    def rounded(self, digits: int = 3) -> dict[str, float | list[float]]:
        """It for a report."""
        return {"ratio": round(self.value, digits), "interval_95": [round(self.low, digits), round(self.high, digits)]}


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """The ratio of `above` over `below`, measured in turn."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    drawn = np.random.default_rng(0).choice(ratios, (_DRAWS, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return Ratio(statistics.median(ratios), float(low), float(high))
