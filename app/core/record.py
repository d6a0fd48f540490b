"""How often a surprise as large comes by chance: judged by the record of the series' own largest surprises.

A test's own probability is not to be believed: chatter is burstier than any simple model of it. So each series keeps,
for each window, the mean and the variance of the logarithm of the largest surprise of a day, and a surprise is scored
in standard deviations of that. Their distribution is close to Gumbel's (1958), so a score stands for a rate of false
alarms a week: that is the unit of the dial. Where a series is young, the record begins with a prior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app.core.windows import NOTHING, WINDOWS

_OFFSET: Final = 0.5  # decades: below it surprises are alike; keeps the logarithm of none finite
_PRIOR_DAYS: Final = 14.0
_HALF_LIFE_DAYS: Final = 21.0
_FADE: Final = 0.5 ** (1 / _HALF_LIFE_DAYS)
_CLIP: Final = 3.0  # standard deviations: one huge day must not deafen the series
# A standardised Gumbel distribution, that of the largest of many.
_GUMBEL_SCALE: Final = math.pi / math.sqrt(6)
_EULER: Final = 0.5772156649
_LEAST_VARIANCE: Final = 0.2**2  # of a logarithm: days are never that alike


class Record:
    """The largest surprises of a day, for each window; surprises are in decades (-log10 of a probability).

    `prior` is the mean and the standard deviation of their logarithms to begin with. `chances` is how many times a week
    a score could be passed, each with the probability of that tail: it is measured, for the windows overlap and one
    happening passes a score many times. `usual` is the surprise of score 0: an ordinary day's largest.
    """

    __slots__ = ("_chances", "_day", "_largest", "_means", "_steps", "_variances", "_weight", "usual")

    def __init__(self, prior: Sequence[tuple[float, float]], chances: float, step: timedelta) -> None:
        self._chances = chances
        self._day = max(1, round(timedelta(days=1) / step))
        self._means = [mean for mean, _ in prior]
        self._variances = [deviation**2 for _, deviation in prior]
        self._weight = _PRIOR_DAYS
        self._largest = [0.0] * len(WINDOWS)
        self._steps = 0
        self._set_usual()

    def score(self, window: int, surprise: float) -> float:
        """How many standard deviations of an ordinary day's largest a surprise is above their mean."""
        return (math.log(surprise + _OFFSET) - self._means[window]) / math.sqrt(
            max(_LEAST_VARIANCE, self._variances[window])
        )

    def rarity(self, score: float) -> float:
        """-log10 of how many times a week a score as high comes by chance: 2.0 is once in 100 weeks."""
        return -math.log10(-self._chances * math.expm1(-math.exp(-(_GUMBEL_SCALE * score + _EULER))))

    def best(self, surprises: Sequence[float]) -> tuple[int, float] | None:
        """The window that stands out most, with its score; None when none is above an ordinary day's largest."""
        best: tuple[int, float] | None = None
        for window, surprise in enumerate(surprises):
            if surprise > self.usual[window]:
                score = self.score(window, surprise)
                if best is None or score > best[1]:
                    best = window, score
        return best

    def add(self, surprises: Sequence[float]) -> None:
        """Enter the surprises of a step, one for each window."""
        if surprises is not NOTHING:
            largest = self._largest
            self._largest = [new if new > old else old for new, old in zip(surprises, largest, strict=True)]
        self._steps += 1
        if self._steps == self._day:
            self._end_day()

    def state(self) -> list[list[float]]:
        """All that is needed to go on later."""
        return [self._means, self._variances, self._largest, [self._weight, self._steps]]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `state()` gave."""
        means, variances, largest, (weight, steps) = state
        self._means, self._variances, self._largest = list(means), list(variances), list(largest)
        self._weight, self._steps = weight, int(steps)
        self._set_usual()

    def _end_day(self) -> None:
        self._weight = self._weight * _FADE + 1
        share = 1 / self._weight
        for window, largest in enumerate(self._largest):
            mean, variance = self._means[window], self._variances[window]
            off = min(math.log(largest + _OFFSET) - mean, _CLIP * math.sqrt(max(_LEAST_VARIANCE, variance)))
            self._means[window] = mean + share * off
            self._variances[window] = (1 - share) * (variance + share * off * off)
        self._largest = [0.0] * len(WINDOWS)
        self._steps = 0
        self._set_usual()

    def _set_usual(self) -> None:
        self.usual = [max(0.0, math.exp(mean) - _OFFSET) for mean in self._means]
