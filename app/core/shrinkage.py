"""Shares of small groups, drawn towards what all groups share: a country with three messages is no extreme.

Empirical Bayes with a beta-binomial model (Efron and Morris 1975; for rates on maps Clayton and Kaldor 1987, Biometrics
43:671): the shares of the groups scatter around a common mean, and how widely they do, beyond what chance makes of
small numbers, is found in the groups themselves. It says how many messages the mean is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma
from typing import Final

WEAKEST: Final = 5.0
STRONGEST: Final = 1_000.0
_FEWEST_GROUPS: Final = 5
_UNKNOWN: Final = 100.0
_STEPS: Final = 30
_WORTHS: Final[tuple[float, ...]] = tuple(
    WEAKEST * (STRONGEST / WEAKEST) ** (step / (_STEPS - 1)) for step in range(_STEPS)
)
_LEAST_MEAN: Final = 1e-9


def strength(groups: Sequence[tuple[int, int]], mean: float) -> float:
    """How many messages a mean is worth beside those of a group: the value under which the groups are likeliest.

    `groups` are (hits, messages), `mean` is in 0..1. With fewer than five groups there is no telling how far they
    differ, and the mean is worth 100. Raises ValueError for more hits than messages or a mean outside of 0..1.
    """
    if not 0 <= mean <= 1:
        raise ValueError(f"a mean of {mean}")
    if any(not 0 <= hits <= whole for hits, whole in groups):
        raise ValueError(f"more hits than messages in {groups}")
    some = [(hits, whole) for hits, whole in groups if whole]
    if len(some) < _FEWEST_GROUPS or not _LEAST_MEAN < mean < 1 - _LEAST_MEAN:
        return _UNKNOWN

    def foretold(worth: float) -> float:
        return sum(_log_likelihood(hits, whole, mean * worth, worth) for hits, whole in some)

    return max(_WORTHS, key=foretold)


def _log_likelihood(hits: int, whole: int, towards: float, worth: float) -> float:
    """Of a group under a beta-binomial with mean towards / worth, up to what does not hang on either."""
    away = worth - towards
    return (
        lgamma(hits + towards)
        - lgamma(towards)
        + lgamma(whole - hits + away)
        - lgamma(away)
        + lgamma(worth)
        - lgamma(whole + worth)
    )


def shrunk(value: float, n: int, mean: float, worth: float) -> float:
    """A share of `n` messages, drawn towards the mean as if that were `worth` messages more; all shares in 0..1."""
    return (n * value + worth * mean) / (n + worth)
