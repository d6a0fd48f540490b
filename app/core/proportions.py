"""Intervals of shares, and of their differences on the same messages.

A share has the exact interval of Clopper and Pearson (1934), the difference of two shares of the same messages that of
Agresti and Min (2005, Statistics in Medicine 24:729) for matched pairs.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from app.core.significance import Interval


def exact_interval(part: int, whole: int, confidence: float) -> Interval:
    """A share with its two-sided Clopper-Pearson interval; of nothing it is 0 to 1.

    Raises ValueError when the part is not in the whole.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"a part of {part} in a whole of {whole}")
    if whole == 0:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if part == 0 else _beta_quantile(tail, part, whole - part + 1)
    high = 1.0 if part == whole else _beta_quantile(1 - tail, part + 1, whole - part)
    return Interval(part / whole, low, high)


def matched_difference(gained: int, lost: int, whole: int, confidence: float) -> Interval:
    """By how much a share of the same messages rose, of which `gained` came to the part and `lost` left it.

    Raises ValueError when more changed than there are, or there are none.
    """
    if whole < 1 or min(gained, lost) < 0 or gained + lost > whole:
        raise ValueError(f"{gained} gained and {lost} lost of {whole}")
    # Half a message more in each of the four cells, as Agresti and Min propose.
    centre = (gained - lost) / (whole + 2)
    variance = (gained + lost + 1) / (whole + 2) - centre**2
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance / (whole + 2))
    return Interval((gained - lost) / whole, max(-1.0, centre - half), min(1.0, centre + half))


def _beta_quantile(share: float, a: float, b: float) -> float:
    """Where the distribution function of Beta(a, b) reaches `share`, by bisection to the last digits."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_below(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on the other side
        return 1 - _beta_below(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * value / a


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
