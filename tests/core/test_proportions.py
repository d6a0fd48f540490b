from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.proportions import exact_interval, matched_difference


@pytest.mark.parametrize(
    ("part", "whole", "confidence", "low", "high"),
    [
        # scipy.stats.binomtest(...).proportion_ci(method="exact")
        (0, 10, 0.95, 0.0, 0.30849710781876),
        (10, 10, 0.95, 0.69150289218124, 1.0),
        (7, 20, 0.999, 0.07685409351410659, 0.7256695456326641),
        (17_000, 20_000, 0.999, 0.8415347994689749, 0.8581998073093952),
    ],
)
def test_the_exact_interval(part: int, whole: int, confidence: float, low: float, high: float) -> None:
    found = exact_interval(part, whole, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.9, 0.99, 0.999]))
def test_the_ends_of_the_interval_leave_the_tails_of_the_binomial(whole: int, share: float, confidence: float) -> None:
    part = round(share * whole)
    found = exact_interval(part, whole, confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    if part:
        assert upper_tail(part, whole, found.low) == pytest.approx((1 - confidence) / 2, rel=1e-6)
    if part < whole:
        assert upper_tail(whole - part, whole, 1 - found.high) == pytest.approx((1 - confidence) / 2, rel=1e-6)


def upper_tail(part: int, whole: int, share: float) -> float:
    """The probability of so many and more."""
    logs = (
        math.lgamma(whole + 1)
        - math.lgamma(k + 1)
        - math.lgamma(whole - k + 1)
        + k * math.log(share)
        + (whole - k) * math.log1p(-share)
        for k in range(part, whole + 1)
    )
    return math.fsum(map(math.exp, logs))


def test_a_part_beyond_the_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="a part of 3 in a whole of 2"):
        exact_interval(3, 2, 0.95)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_matched_difference_is_in_its_interval_and_changes_sides_with_its_parts(
    gained: int, lost: int, same: int
) -> None:
    whole = gained + lost + same + 1
    found, turned = matched_difference(gained, lost, whole, 0.95), matched_difference(lost, gained, whole, 0.95)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_the_interval_of_a_matched_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    drawn = rng.multinomial(120, [0.2, 0.1, 0.7], size=2_000)
    held = [matched_difference(int(gained), int(lost), 120, 0.95) for gained, lost, _ in drawn]
    assert sum(found.low <= 0.1 <= found.high for found in held) / len(held) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("gained", "lost", "whole"), [(0, 0, 0), (2, 2, 3), (-1, 0, 3)])
def test_more_changes_than_messages_are_refused(gained: int, lost: int, whole: int) -> None:
    with pytest.raises(ValueError, match="gained and"):
        matched_difference(gained, lost, whole, 0.95)
