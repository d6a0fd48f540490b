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
_QUICK_FADE: Final = 0.5 ** (1 / 48)
_SLOW_FADE: Final = 0.5 ** (1 / (2 * _DAY))
_LONGEST: Final = len(WINDOWS) - 1
_PRIOR_PAIRS: Final = 300_000.0
_PRIOR_RHO: Final = 0.002
_CLIP: Final = 3.0  # standard deviations: what is learnt of a surge
_MOST_SCATTER: Final = _CLIP * _CLIP
_LEAST_KNOWN: Final = 50.0  # scored messages, before anything is tested
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


class FadingShare:
    """The negative share of the past, which fades: `share` of `scored` messages, kept off 0 and 1."""

    __slots__ = ("_fade", "negative", "scored", "share")

    def __init__(self, fade: float) -> None:
        self._fade = fade
        self.negative = 0.0
        self.scored = 0.0
        self.share = 0.5

    @property
    def known(self) -> bool:
        """Whether enough scored messages were seen to compare with."""
        return self.scored >= _LEAST_KNOWN

    def learn(self, negative: int, scored: int) -> None:
        """Take in a step; negatives far above the usual share count only in part."""
        share, taken = self.share, float(negative)
        if negative > scored * share and self.scored >= _LEAST_KNOWN:
            taken = min(taken, scored * share + _CLIP * math.sqrt(scored * share * (1 - share)) + 0.5)
        self.negative = self.negative * self._fade + taken
        self.scored = self.scored * self._fade + scored
        if self.scored:
            self.share = min(1 - _LEAST_SHARE, max(_LEAST_SHARE, self.negative / self.scored))


class UsualShare:
    """What share is usual, and how much it wanders in each window.

    The share of a subject drifts from hour to hour without anything having happened. So the windows up to 80 minutes
    are compared with the last hours (half-life four), and only the longest, of four hours, with the last days (two).
    """

    __slots__ = ("_excess", "_pairs", "_total", "quick", "slow")

    def __init__(self) -> None:
        self.quick = FadingShare(_QUICK_FADE)
        self.slow = FadingShare(_SLOW_FADE)
        self._total = 0.0
        self._excess = [_PRIOR_RHO * _PRIOR_PAIRS] * len(WINDOWS)
        self._pairs = [_PRIOR_PAIRS] * len(WINDOWS)

    @property
    def negatives_per_message(self) -> float:
        """The usual share of negatives among all messages, scored or not."""
        return self.slow.negative / self._total if self._total else 0.0

    def usual(self, window: int) -> float:
        """The usual share of negatives among the scored messages of a window."""
        return self.slow.share if window == _LONGEST else self.quick.share

    def surprises(self, negatives: Sequence[float], scored: Sequence[float]) -> list[float]:
        """How surprising the share in each window is; 0 as long as too little is known."""
        if not self.quick.known:
            return NOTHING
        found = []
        for window, (negative, n) in enumerate(zip(negatives, scored, strict=True)):
            past = self.slow if window == _LONGEST else self.quick
            if negative <= n * past.share:
                found.append(0.0)
            else:
                effect = 1 + n / past.scored
                if n > 1 and self._excess[window] > 0:
                    effect += (n - 1) * self._excess[window] / self._pairs[window]
                found.append(share_surprise(negative, n, past.share, effect))
        return found

    def learn(
        self, total: int, negative: int, scored: int, negatives: Sequence[float], all_scored: Sequence[float]
    ) -> None:
        """Take in the counts of a complete step and the sums of its windows."""
        if self.quick.known:
            self._learn_scatter(negatives, all_scored)
        self.quick.learn(negative, scored)
        self.slow.learn(negative, scored)
        self._total = self._total * _SLOW_FADE + total

    def _learn_scatter(self, negatives: Sequence[float], all_scored: Sequence[float]) -> None:
        excess, pairs = self._excess, self._pairs
        for window, n in enumerate(all_scored):
            if n > 1:
                share, clumped = (self.slow if window == _LONGEST else self.quick).share, excess[window]
                off = negatives[window] - n * share
                scatter, most = off * off / (share * (1 - share)), _MOST_SCATTER * n
                if clumped > 0:
                    most += most * (n - 1) * clumped / pairs[window]
                excess[window] = clumped * _SLOW_FADE + (scatter if scatter < most else most) - n
                pairs[window] = pairs[window] * _SLOW_FADE + n * (n - 1)

    def state(self) -> list[list[float]]:
        """All that is needed to go on later."""
        pasts = [[past.negative, past.scored, past.share] for past in (self.quick, self.slow)]
        return [self._excess, self._pairs, *pasts, [self._total]]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `state()` gave."""
        excess, pairs, quick, slow, (self._total,) = state
        self._excess, self._pairs = list(excess), list(pairs)
        self.quick.negative, self.quick.scored, self.quick.share = quick
        self.slow.negative, self.slow.scored, self.slow.share = slow
