from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.windows import FULL, NOTHING, UNKNOWN, WINDOWS, added, faded, filled, whole

counts = st.lists(st.integers(0, 10_000), max_size=150)
LONGEST = int(FULL[-1])


def summed(values: list[int]) -> list[float]:
    sums = NOTHING
    for value in values:
        sums = added(sums, value)
    return sums


def known(steps: int) -> list[float]:
    fills = NOTHING
    for _ in range(steps):
        fills = filled(fills)
    return fills


@given(counts)
def test_a_sum_is_that_of_all_counts_each_weighed_by_its_age(values: list[int]) -> None:
    ages = range(len(values) - 1, -1, -1)
    direct = [
        2 * n / (n + 1) * sum(value * ((n - 1) / (n + 1)) ** age for value, age in zip(values, ages, strict=True))
        for n in FULL
    ]
    assert summed(values) == pytest.approx(direct)


def test_the_shortest_window_is_the_last_step_alone() -> None:
    assert summed([7, 1_000, 3])[0] == 3


def test_independent_counts_have_the_mean_and_the_variance_of_a_plain_sum() -> None:
    values = np.random.default_rng(1).integers(0, 21, 40_000)
    sums, seen = NOTHING, []
    for value in values.tolist():
        sums = added(sums, value)
        seen.append(sums)
    settled = np.array(seen[10 * LONGEST :])
    assert settled.mean(axis=0) == pytest.approx(values.mean() * np.array(FULL), rel=0.05)
    assert settled.var(axis=0) == pytest.approx(values.var() * np.array(FULL), rel=0.25)


@given(counts, st.integers(0, 60), st.integers(0, 100))
def test_fading_over_a_gap_adds_so_many_unknown_steps(values: list[int], steps: int, gap: int) -> None:
    sums, fills = summed(values), known(steps)
    step_by_step = (sums, fills)
    for _ in range(gap):
        step_by_step = added(step_by_step[0], 0.0), added(step_by_step[1], 0.0)
    assert faded(sums, gap) == pytest.approx(step_by_step[0])
    assert faded(fills, gap) == pytest.approx(step_by_step[1])


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_a_steady_rate_is_read_off_a_window_that_is_known_in_part(rate: int, steps: int) -> None:
    for window, found in zip(WINDOWS, whole(summed([rate] * steps), known(steps)), strict=True):
        if steps >= 2 * window.length:
            assert found == pytest.approx(rate * window.length, rel=1e-3)
        elif steps <= window.length / 4:
            assert found == UNKNOWN
        else:
            assert found == UNKNOWN or found == pytest.approx(rate * window.length, rel=1e-3)


def test_of_no_step_nothing_is_known() -> None:
    assert whole(NOTHING, NOTHING) == [UNKNOWN] * len(WINDOWS)


def test_known_silence_is_not_unknown() -> None:
    assert whole(NOTHING, known(10 * LONGEST)) == NOTHING


def test_a_long_gap_makes_all_unknown_and_each_window_comes_back_after_its_own_length() -> None:
    sums, fills = faded(summed([100] * 500), 10 * LONGEST), faded(known(500), 10 * LONGEST)
    assert whole(sums, fills) == [UNKNOWN] * len(WINDOWS)
    back: dict[float, int] = {}
    for step in range(1, 3 * LONGEST):
        sums, fills = added(sums, 100), filled(fills)
        for length, found in zip(FULL, whole(sums, fills), strict=True):
            if found != UNKNOWN:
                assert found == pytest.approx(100 * length, rel=1e-3)
                back.setdefault(length, step)
    assert list(back) == sorted(FULL)
    assert all(length / 4 < step <= 2 * length for length, step in back.items())


def test_a_short_gap_leaves_long_windows_known() -> None:
    found = whole(faded(summed([100] * 500), 3), faded(known(500), 3))
    assert found[0] == UNKNOWN
    assert found[-1] == pytest.approx(100 * LONGEST, rel=1e-3)


def test_what_is_full_stays_full() -> None:
    fills = known(20 * LONGEST)
    assert fills == pytest.approx(FULL)
    assert filled(fills) is fills


def test_nothing_and_full_are_left_as_they_are() -> None:
    sums = added(NOTHING, 5.0)
    read = whole(sums, FULL)
    read[0] = -7.0
    assert sums[0] == 5.0
    assert added(NOTHING, 0.0) == NOTHING == [0.0] * len(WINDOWS)
    assert FULL == [window.length for window in WINDOWS]
