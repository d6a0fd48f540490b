"""Is that more than usual? An over-dispersed count test against a level that is learnt from the series.

The rate of a series is itself taken as random (Gamma), so counts are negative binomial (Gamma-Poisson). The surprise
is the Chernoff bound on the upper tail, -log10 P(count >= k) from above: exact enough to rank, three logarithms to
compute. Its unit is calibrated by `app.core.record`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from app.core.windows import FULL, NOTHING, WINDOWS

_LOG10: Final = math.log(10)

WARM_UP: Final = 12
"""The least number of known steps before anything is tested."""

_HALF_LIFE: Final = 7 * 288  # steps
_RATE: Final = 1 - 0.5 ** (1 / _HALF_LIFE)
_LEARNT: Final = 2 * _HALF_LIFE  # steps: until then the level is the plain mean of all that was seen
_BURSTINESS: Final = 0.02  # the least squared coefficient of variation of the rate
_YOUTH: Final = 100.0  # steps: added to the burstiness, in inverse proportion to what has been seen
_CLIP: Final = 3.0  # standard deviations: what is learnt of a surge
_CLIPPED_FROM: Final = 144  # steps: until then the level is too unsure to call anything a surge
_LEAST_MEAN: Final = 0.05
_LEAST_DISPERSION: Final = 1.05  # variance over mean: a negative binomial is never quite Poisson


def count_surprise(count: float, mean: float, variance: float) -> float:
    """-log10 of a bound on the chance of `count` or more under a negative binomial of that mean and variance.

    0 when the count is not above the mean. Raises ValueError unless variance > mean > 0.
    """
    if not variance > mean > 0:
        raise ValueError(f"need variance > mean > 0, not {variance} and {mean}")
    if count <= mean:
        return 0.0
    size = mean * mean / (variance - mean)
    return (count * math.log(count / mean) - (count + size) * math.log((count + size) / (mean + size))) / _LOG10


class VolumeLevel:
    """What is usual in each window: mean and variance of its sum, robust to surges, fading over a week."""

    __slots__ = ("means", "steps", "variances")

    def __init__(self) -> None:
        self.means = [0.0] * len(WINDOWS)
        self.variances = [0.0] * len(WINDOWS)
        self.steps = 0

    def surprises(self, counts: Sequence[float], share: float = 1.0) -> list[float]:
        """How surprising the count of each window is, were `share` of all messages usually in it; UNKNOWN is not."""
        if self.steps < WARM_UP:
            return NOTHING
        burstiness = _BURSTINESS + _YOUTH / self.steps
        found = []
        for window, (count, mean, variance) in enumerate(zip(counts, self.means, self.variances, strict=True)):
            usual = mean * share
            level = usual if usual > _LEAST_MEAN else _LEAST_MEAN
            if count <= level or self.steps < WARM_UP + FULL[window]:
                found.append(0.0)
            else:
                least = _LEAST_DISPERSION * level + burstiness * level * level
                found.append(count_surprise(count, level, max(variance * share * share, least)))
        return found

    def learn(self, counts: Sequence[float]) -> None:
        """Take in the counts of the windows after a complete step; what is far above the usual counts only in part."""
        self.steps = steps = self.steps + 1
        means, variances = self.means, self.variances
        for window, count in enumerate(counts):
            if count < 0:  # UNKNOWN
                continue
            mean, variance = means[window], variances[window]
            off = count - mean
            if off > 0 and steps > _CLIPPED_FROM:
                scatter = variance if variance > mean + 0.1 else mean + 0.1
                if off * off > _CLIP * _CLIP * scatter:
                    off = _CLIP * math.sqrt(scatter)
            rate = _RATE if steps > _LEARNT else max(_RATE, 1 / max(1.0, steps - FULL[window] + 1))
            means[window] = mean + rate * off
            variances[window] = (1 - rate) * (variance + rate * off * off)

    def state(self) -> list[list[float]]:
        """All that is needed to go on later."""
        return [self.means, self.variances, [self.steps]]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `state()` gave."""
        means, variances, (steps,) = state
        self.means, self.variances, self.steps = list(means), list(variances), int(steps)
