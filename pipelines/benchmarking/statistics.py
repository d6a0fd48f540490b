"""From turns to figures: percentiles of one turn, medians over turns, paired ratios with their intervals."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.core.significance import Interval

_ROUNDS = 10_000
_SEED = 20261123
_MILLISECONDS = 1000.0
_SECONDS_AN_HOUR = 3600
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side did in one turn: texts that were answered, the time it took, and every answered request's latency.

    `failures` counts the requests that were not answered with 200 and predictions, by what came instead.
    """

    texts: int
    seconds: float
    latencies_s: tuple[float, ...]
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answered texts a second."""
        return self.texts / self.seconds

    def latency_ms(self, percent: float) -> float:
        """A percentile of the latencies, in milliseconds; NaN if no request was answered."""
        return float(np.percentile(self.latencies_s, percent)) * _MILLISECONDS if self.latencies_s else float("nan")


def alternate(sides: Sequence[str], pairs: int, take: Callable[[str, int], Turn]) -> dict[str, list[Turn]]:
    """Let the sides take turns, A B A B: `take(side, pair)` is called for every side before the next pair begins."""
    turns: dict[str, list[Turn]] = {side: [] for side in sides}
    for pair in range(pairs):
        for side in sides:
            turns[side].append(take(side, pair))
    return turns


def median_interval(values: Sequence[float]) -> Interval:
    """The median and its 95 % interval: percentiles of the medians of samples drawn with replacement (Efron 1979).

    Raises ValueError without values.
    """
    if not values:
        raise ValueError("need at least one pair")
    drawn = np.median(np.random.default_rng(_SEED).choice(np.asarray(values), (_ROUNDS, len(values))), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(statistics.median(values), float(low), float(high))


def paired_ratio(side: Sequence[float], other: Sequence[float]) -> Interval:
    """The median of `side` over `other`, turn by turn. Raises ValueError without pairs or for turns without partner."""
    return median_interval([a / b for a, b in zip(side, other, strict=True)])


def paired_difference(side: Sequence[float], other: Sequence[float]) -> Interval:
    """The median of `side` less `other`, turn by turn."""
    return median_interval([a - b for a, b in zip(side, other, strict=True)])


def median_rate(turns: Sequence[Turn]) -> float:
    """The median of the turns' texts a second."""
    return statistics.median(turn.rate for turn in turns)


def median_latency_ms(turns: Sequence[Turn], percent: float) -> float:
    """The median over the turns of a percentile of their latencies, in milliseconds."""
    return statistics.median(turn.latency_ms(percent) for turn in turns)


def failures_of(turns: Sequence[Turn]) -> dict[str, int]:
    """The failures of all turns, by kind."""
    counted: Counter[str] = Counter()
    for turn in turns:
        counted.update(turn.failures)
    return dict(counted)


def cost_per_million(rate: float, price_per_hour: float) -> float | None:
    """The price of a million texts at so many a second; None when there is no rate."""
    return price_per_hour / (rate * _SECONDS_AN_HOUR) * _MILLION if rate > 0 else None
