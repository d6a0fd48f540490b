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
_HALF_LIVES: Final = (12, 48, 576)  # steps
_SLOW_FADE: Final = 0.5 ** (1 / _HALF_LIVES[-1])
# Each window with each past that is of use to it: long beside the window, and not too long.
_COMPARED: Final = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2))
_AT_FIRST: Final = (1, 3, 4, 6)  # the places in it of what each window is compared with before anything is learnt
_LEAST_PAST: Final = 1  # the one that must be known before anything is tested
_PRIOR_PAIRS: Final = 300_000.0
_PRIOR_RHO: Final = 0.002
_CLIP: Final = 3.0  # standard deviations: what is learnt of a surge
_MOST_SCATTER: Final = _CLIP * _CLIP
_LEAST_KNOWN: Final = 50.0  # scored messages, before anything is tested
_LEAST_SHARE: Final = 0.01
_MOST_SHARE: Final = 1 - _LEAST_SHARE


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

    def __init__(self, half_life: float) -> None:
        self._fade = 0.5 ** (1 / half_life)
        self.negative = 0.0
        self.scored = 0.0
        self.share = 0.5

    def learn(self, negative: int, scored: int) -> None:
        """Take in a step; negatives far above the usual share count only in part."""
        share, taken = self.share, float(negative)
        usual = scored * share
        if taken > usual and self.scored >= _LEAST_KNOWN:
            most = usual + _CLIP * math.sqrt(usual * (1 - share)) + 0.5
            taken = min(taken, most)
        self.negative = self.negative * self._fade + taken
        self.scored = self.scored * self._fade + scored
        if self.scored:
            share = self.negative / self.scored
            self.share = share if _LEAST_SHARE <= share <= _MOST_SHARE else _LEAST_SHARE if share < 0.5 else _MOST_SHARE


class UsualShare:
    """What share is usual, and how much it wanders in each window.

    The share of a subject drifts from hour to hour without anything having happened, of one subject more than of
    another. A short past follows the drift, a long one knows more messages. So there are three (half-lives of one hour,
    four hours and two days), and each window is compared with the one that is less wrong of the two which are of use
    to it: by how far it has been off, and by how many messages it rests on.
    """

    __slots__ = ("_best", "_excess", "_pairs", "_pasts", "_total")

    def __init__(self) -> None:
        self._pasts = [FadingShare(half_life) for half_life in _HALF_LIVES]
        self._total = 0.0
        self._excess = [_PRIOR_RHO * _PRIOR_PAIRS] * len(_COMPARED)
        self._pairs = [_PRIOR_PAIRS] * len(WINDOWS)
        self._best = list(_AT_FIRST)

    @property
    def negatives_per_message(self) -> float:
        """The usual share of negatives among all messages, scored or not."""
        return self._pasts[-1].negative / self._total if self._total else 0.0

    def usual(self, window: int) -> float:
        """The usual share of negatives among the scored messages of a window."""
        return self._pasts[_COMPARED[self._best[window]][1]].share

    def surprises(self, negatives: Sequence[float], scored: Sequence[float]) -> list[float]:
        """How surprising the share in each window is; 0 as long as too little is known."""
        if self._pasts[_LEAST_PAST].scored < _LEAST_KNOWN:
            return NOTHING
        found = []
        for window, best in enumerate(self._best):
            past, negative, n = self._pasts[_COMPARED[best][1]], negatives[window], scored[window]
            if negative <= n * past.share:
                found.append(0.0)
            else:
                effect = 1 + n / past.scored
                if n > 1 and self._excess[best] > 0:
                    effect += (n - 1) * self._excess[best] / self._pairs[window]
                found.append(share_surprise(negative, n, past.share, effect))
        return found

    def learn(
        self, total: int, negative: int, scored: int, negatives: Sequence[float], all_scored: Sequence[float]
    ) -> None:
        """Take in the counts of a complete step and the sums of its windows."""
        if self._pasts[_LEAST_PAST].scored >= _LEAST_KNOWN:
            self._learn_scatter(negatives, all_scored)
        for past in self._pasts:
            past.learn(negative, scored)
        self._total = self._total * _SLOW_FADE + total

    def _learn_scatter(self, negatives: Sequence[float], all_scored: Sequence[float]) -> None:
        excess, pairs = self._excess, self._pairs
        pasts = [(past.share, past.share * (1 - past.share), 1 / past.scored) for past in self._pasts]
        best, least = self._best, [math.inf] * len(WINDOWS)
        for at, (window, past) in enumerate(_COMPARED):
            n = all_scored[window]
            if n > 1:
                share, spread, unsure = pasts[past]
                clumped, off = excess[at], negatives[window] - n * share
                scatter, most = off * off / spread, _MOST_SCATTER * n
                if clumped > 0:
                    unsure += clumped / pairs[window]
                    most += most * (n - 1) * clumped / pairs[window]
                excess[at] = clumped * _SLOW_FADE + (scatter if scatter < most else most) - n
                if unsure < least[window]:
                    least[window], best[window] = unsure, at
        for window, n in enumerate(all_scored):
            if n > 1:
                pairs[window] = pairs[window] * _SLOW_FADE + n * (n - 1)

    def state(self) -> list[list[float]]:
        """All that is needed to go on later."""
        pasts = [[past.negative, past.scored, past.share] for past in self._pasts]
        return [self._excess, self._pairs, [float(at) for at in self._best], *pasts, [self._total]]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `state()` gave."""
        excess, pairs, best, *pasts, (self._total,) = state
        self._excess, self._pairs, self._best = list(excess), list(pairs), [int(at) for at in best]
        for past, saved in zip(self._pasts, pasts, strict=True):
            past.negative, past.scored, past.share = saved
