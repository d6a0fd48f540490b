from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from app.core.volume import VolumeLevel, count_surprise
from app.core.windows import FULL, NOTHING, UNKNOWN, added, filled, whole
from tests.core.ticks import DAY, HOUR, WEEK

means = st.floats(0.05, 500)
dispersions = st.floats(1.05, 50)  # variance over mean
tallies = st.integers(0, 3_000)


def tail(count: int, mean: float, dispersion: float) -> float:
    """The exact chance of `count` or more."""
    return float(nbinom.sf(count - 1, mean / (dispersion - 1), 1 / dispersion))


class Learner:
    """A level that is fed counts step by step, as the tests of a series feed it."""

    def __init__(self) -> None:
        self.level = VolumeLevel()
        self.sums = self.fills = NOTHING

    def take(self, counts: list[int]) -> Learner:
        for count in counts:
            self.sums, self.fills = added(self.sums, count), filled(self.fills)
            self.level.learn(whole(self.sums, self.fills))
        return self

    @property
    def rates(self) -> list[float]:
        """What is usual in a step, as each window has it."""
        return [mean / length for mean, length in zip(self.level.means, FULL, strict=True)]

    def surprise(self, times: float) -> list[float]:
        """The surprise of so many times the usual in each window."""
        return self.level.surprises([times * mean for mean in self.level.means])


def poisson(rate: float, steps: int, seed: int = 0) -> list[int]:
    return [int(count) for count in np.random.default_rng(seed).poisson(rate, steps)]


@given(means, dispersions, st.floats(0, 1))
def test_what_is_not_above_the_mean_is_no_surprise(mean: float, dispersion: float, part: float) -> None:
    assert count_surprise(part * mean, mean, dispersion * mean) == 0.0


@given(means, dispersions, tallies, tallies)
def test_more_is_never_less_surprising(mean: float, dispersion: float, one: int, other: int) -> None:
    less, more = (count_surprise(count, mean, dispersion * mean) for count in sorted((one, other)))
    assert 0 <= less <= more + 1e-9


@given(means, dispersions, dispersions, tallies)
def test_the_same_count_is_less_surprising_where_counts_scatter_more(
    mean: float, one: float, other: float, count: int
) -> None:
    steady, bursty = (count_surprise(count, mean, dispersion * mean) for dispersion in sorted((one, other)))
    assert bursty <= steady + 1e-6


@given(means, dispersions, tallies)
def test_the_surprise_bounds_the_tail_of_the_negative_binomial(mean: float, dispersion: float, count: int) -> None:
    bound = 10 ** -count_surprise(count, mean, dispersion * mean)
    assert bound >= tail(count, mean, dispersion) * (1 - 1e-6)


@pytest.mark.parametrize(("mean", "dispersion"), [(1.0, 1.5), (20.0, 1.05), (20.0, 3.0), (20.0, 15.0), (400.0, 30.0)])
def test_the_bound_is_near_the_tail(mean: float, dispersion: float) -> None:
    count = int(nbinom.isf(1e-9, mean / (dispersion - 1), 1 / dispersion)) + 1
    assert count_surprise(count, mean, dispersion * mean) > 6


@pytest.mark.parametrize(
    ("mean", "variance"), [(5.0, 5.0), (5.0, 4.9), (0.0, 1.0), (-1.0, 2.0), (math.nan, 2.0), (1.0, math.nan)]
)
def test_what_is_no_negative_binomial_is_refused(mean: float, variance: float) -> None:
    with pytest.raises(ValueError, match=f"{variance}"):
        count_surprise(10, mean, variance)


@pytest.mark.parametrize("rate", [0.5, 20.0, 3_000.0])
def test_a_steady_rate_is_learnt_in_every_window(rate: float) -> None:
    assert Learner().take(poisson(rate, 10 * DAY)).rates == pytest.approx([rate] * len(FULL), rel=0.2)


def test_before_anything_is_known_nothing_is_a_surprise() -> None:
    assert VolumeLevel().surprises([1e6] * len(FULL)) == NOTHING


def test_after_a_day_many_times_the_usual_is_a_surprise_in_every_window() -> None:
    learner = Learner().take(poisson(20, DAY))
    assert all(0 < some < many for some, many in zip(learner.surprise(5), learner.surprise(50), strict=True))
    assert learner.surprise(1.0) == learner.surprise(0.1) == NOTHING


def test_what_is_known_for_longer_is_more_surprising() -> None:
    young, old = (Learner().take(poisson(20, steps)).surprise(30) for steps in (DAY // 2, 3 * WEEK))
    assert all(early < late for early, late in zip(young, old, strict=True))


def test_a_window_of_which_too_little_is_known_is_neither_tested_nor_learnt() -> None:
    learner = Learner().take(poisson(20, 2 * DAY))
    unknown = [UNKNOWN] * len(FULL)
    assert learner.level.surprises(unknown) == NOTHING
    before = learner.rates
    for _ in range(DAY):
        learner.level.learn(unknown)
    assert learner.rates == before


def test_a_huge_surge_hardly_moves_what_is_usual() -> None:
    calm, shaken = (Learner().take(poisson(20, 10 * DAY)) for _ in range(2))
    calm.take([20] * (2 * HOUR + DAY))
    shaken.take([20_000] * (2 * HOUR) + [20] * DAY)
    for before, after in zip(calm.rates, shaken.rates, strict=True):
        assert before <= after < 1.5 * before
    for before, after in zip(calm.surprise(100), shaken.surprise(100), strict=True):
        assert after > 0.5 * before


def test_a_lasting_change_becomes_the_usual() -> None:
    learner = Learner().take(poisson(20, WEEK)).take(poisson(60, 4 * WEEK, seed=1))
    assert learner.rates[0] > 40
    down = Learner().take(poisson(60, WEEK)).take(poisson(20, 4 * WEEK, seed=1))
    assert max(down.rates) < 40


def test_where_hardly_anyone_speaks_one_message_is_no_sensation_and_a_crowd_is() -> None:
    level = Learner().take(poisson(0.01, 3 * WEEK)).level
    one, some, crowd = (level.surprises([float(count)] * len(FULL))[0] for count in (1, 5, 50))
    assert one < 2
    assert one < some < crowd
    assert crowd > 6
    silent = Learner().take([0] * WEEK).level
    assert silent.surprises([0.0] * len(FULL)) == NOTHING
    assert all(math.isfinite(surprise) and surprise > 6 for surprise in silent.surprises([50.0] * len(FULL)))


def test_a_part_of_the_messages_is_compared_with_that_part_of_the_usual() -> None:
    level = Learner().take(poisson(100, WEEK)).level
    fifth = [0.2 * mean for mean in level.means]
    assert level.surprises(fifth, 0.2) == NOTHING
    assert all(found > 0 for found in level.surprises([3 * mean for mean in fifth], 0.2))


def test_a_level_that_was_saved_goes_on_as_if_nothing_had_been() -> None:
    counts = poisson(3, 2 * DAY)
    whole_time, first = Learner().take(counts), Learner().take(counts[:400])
    second = Learner()
    second.sums, second.fills = first.sums, first.fills
    second.level.restore(json.loads(json.dumps(first.level.state())))
    second.take(counts[400:])
    assert second.level.state() == whole_time.level.state()
    assert second.surprise(9.0) == whole_time.surprise(9.0)
    assert max(second.surprise(9.0)) > 0
