from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.prevalence import Difference, Share, difference, share

WHOLES = st.integers(1, 1_000_000)


def _share(part: int, whole: int) -> Share:
    made = share(part, whole)
    assert made is not None
    return made


@st.composite
def shares(draw: st.DrawFn) -> Share:
    whole = draw(WHOLES)
    return _share(draw(st.integers(0, whole)), whole)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_printed_by_newcombe(part: int, whole: int, low: float, high: float) -> None:
    made = _share(part, whole)
    assert made.value == part / whole
    assert made.low == pytest.approx(low, abs=5e-5)
    assert made.high == pytest.approx(high, abs=5e-5)
    assert made.n == whole


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),  # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
    ],
)
def test_differences_printed_by_newcombe(
    after: tuple[int, int], before: tuple[int, int], low: float, high: float
) -> None:
    made = difference(_share(*after), _share(*before))
    assert made.low == pytest.approx(low, abs=5e-5)
    assert made.high == pytest.approx(high, abs=5e-5)


def test_nothing_has_no_share() -> None:
    assert share(0, 0) is None


@pytest.mark.parametrize(("part", "whole"), [(2, 1), (-1, 5), (1, 0), (0, -1)])
def test_a_part_outside_the_whole_is_refused(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="a part of"):
        share(part, whole)


@given(shares())
def test_the_interval_holds_the_value(made: Share) -> None:
    assert 0 <= made.low <= made.value <= made.high <= 1
    assert made.low < made.high


@given(WHOLES, st.data(), st.integers(2, 50))
def test_more_messages_make_it_narrower(whole: int, data: st.DataObject, times: int) -> None:
    part = data.draw(st.integers(0, whole))
    few, many = _share(part, whole), _share(part * times, whole * times)
    assert many.high - many.low < few.high - few.low


@given(WHOLES, st.data())
def test_the_other_part_mirrors_it(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    one, other = _share(part, whole), _share(whole - part, whole)
    assert math.isclose(one.low, 1 - other.high, abs_tol=1e-9)


@given(shares(), shares())
def test_a_difference_holds_its_value_and_turns_round(after: Share, before: Share) -> None:
    there, back = difference(after, before), difference(before, after)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert math.isclose(there.low, -back.high, abs_tol=1e-12)
    assert math.isclose(there.high, -back.low, abs_tol=1e-12)


@given(shares())
def test_no_change_is_no_verdict(made: Share) -> None:
    assert difference(made, made).verdict == "can't tell"


@given(shares(), shares())
def test_a_verdict_needs_intervals_that_do_not_hold_each_others_value(after: Share, before: Share) -> None:
    assume(difference(after, before).verdict == "higher")
    assert after.value > before.high
    assert before.value < after.low


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "higher"), (-0.2, -0.01, "lower"), (-0.1, 0.1, "can't tell"), (0.0, 0.1, "can't tell")],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    assert Difference((low + high) / 2, low, high).verdict == verdict
