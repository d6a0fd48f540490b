"""Is more of it negative than usual? A beta-binomial test of the negative share.

The share wanders, so messages in a window are worth fewer independent ones: the binomial deviance is divided by the
design effect 1 + (n - 1) rho of the beta-binomial, with rho learnt for each window (Williams 1982, Applied Statistics
31:144). The misses of the classifier are in the usual share as well, so they cancel but for a loss of power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from app.core.windows import NOTHING, WINDOWS

_LOG10: Final = math.log(10)
_DAY: Final = 288  # steps
_FADE: Final = 0.5 ** (1 / _DAY)
_SCATTER_FADE: Final = 0.5 ** (1 / (2 * _DAY))
_PRIOR_PAIRS: Final = 300_000.0
_PRIOR_RHO: Final = 0.002
_CLIP: Final = 3.0  # standard deviations: what is learnt of a surge
_MOST_SCATTER: Final = _CLIP * _CLIP
_LEAST_KNOWN: Final = 100.0  # scored messages, before anything is tested
_LEAST_SHARE: Final = 0.01


def share_surprise(negative: float, scored: float, usual: float, design_effect: float = 1.0) -> float:
    """-log10 of a bound on the chance of so many negatives of those scored, at the usual share (0..1, exclusive).

    The Chernoff bound of the binomial for scored / design_effect independent messages; 0 when the share is not above.
    """
    if scored <= 0 or negative <= scored * usual:
        return 0.0
    share = min(1.0, negative / scored)
    deviance = share * math.log(share / usual)
    if share < 1:
        deviance += (1 - share) * math.log((1 - share) / (1 - usual))
    return scored / design_effect * deviance / _LOG10


class UsualShare:
    """The usual negative share, fading over a day, and how much it wanders in each window.

    `negative`, `scored` and `total` are fading sums of messages; `share` is of the scored ones, kept off 0 and 1.
    """

    __slots__ = ("_excess", "_pairs", "negative", "scored", "share", "total")

    def __init__(self) -> None:
        self.negative = 0.0
        self.scored = 0.0
        self.total = 0.0
        self.share = 0.5
        self._excess = [_PRIOR_RHO * _PRIOR_PAIRS] * len(WINDOWS)
        self._pairs = [_PRIOR_PAIRS] * len(WINDOWS)

    @property
    def negatives_per_message(self) -> float:
        """The usual share of negatives among all messages."""
        return self.negative / self.total if self.total else 0.0

    def surprises(self, negatives: Sequence[float], scored: Sequence[float]) -> list[float]:
        """How surprising the share in each window is; 0 as long as too little is known."""
        if self.scored < _LEAST_KNOWN:
            return NOTHING
        usual, worth = self.share, 1 / self.scored
        found = []
        for window, (negative, n) in enumerate(zip(negatives, scored, strict=True)):
            if negative <= n * usual:
                found.append(0.0)
            else:
                effect = 1 + n * worth
                if n > 1 and self._excess[window] > 0:
                    effect += (n - 1) * self._excess[window] / self._pairs[window]
                found.append(share_surprise(negative, n, usual, effect))
        return found

    def learn(
        self, total: int, negative: int, scored: int, negatives: Sequence[float], all_scored: Sequence[float]
    ) -> None:
        """Take in the counts of a complete step and the sums of its windows; a surge counts only in part."""
        taken: float = negative
        if self.scored >= _LEAST_KNOWN:
            share = self.share
            odds = share * (1 - share)
            if negative > scored * share:
                taken = min(taken, scored * share + _CLIP * math.sqrt(scored * odds) + 0.5)
            self._learn_scatter(share, odds, negatives, all_scored)
        self.negative = self.negative * _FADE + taken
        self.scored = self.scored * _FADE + scored
        self.total = self.total * _FADE + total
        if self.scored:
            self.share = min(1 - _LEAST_SHARE, max(_LEAST_SHARE, self.negative / self.scored))

    def _learn_scatter(
        self, share: float, odds: float, negatives: Sequence[float], all_scored: Sequence[float]
    ) -> None:
        excess, pairs = self._excess, self._pairs
        for window, n in enumerate(all_scored):
            if n > 1:
                off, clumped = negatives[window] - n * share, excess[window]
                scatter = off * off / odds
                most = _MOST_SCATTER * n
                if clumped > 0:
                    most += most * (n - 1) * clumped / pairs[window]
                excess[window] = clumped * _SCATTER_FADE + (scatter if scatter < most else most) - n
                pairs[window] = pairs[window] * _SCATTER_FADE + n * (n - 1)

    def state(self) -> list[list[float]]:
        """All that is needed to go on later."""
        return [self._excess, self._pairs, [self.negative, self.scored, self.total, self.share]]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `state()` gave."""
        excess, pairs, (self.negative, self.scored, self.total, self.share) = state
        self._excess, self._pairs = list(excess), list(pairs)
