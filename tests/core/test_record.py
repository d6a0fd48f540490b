from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.record import Record
from app.core.windows import FULL, NOTHING

PRIOR = ((0.5, 0.5),) * len(FULL)
ONE_DAY = timedelta(days=1)
surprises = st.floats(0, 1_000)


def record(
    *, prior: tuple[tuple[float, float], ...] = PRIOR, chances: float = 7.0, step: timedelta = ONE_DAY
) -> Record:
    return Record(prior, chances, step)


def lived(made: Record, largest: list[float]) -> Record:
    """After days with these largest surprises, the same in every window."""
    for surprise in largest:
        made.add([surprise] * len(FULL))
    return made


def days(count: int, *, median: float = 5.0, seed: int = 0) -> list[float]:
    """The largest surprises of ordinary days: half of them within a factor of 1.3 of the median."""
    return [float(value) for value in median * np.random.default_rng(seed).lognormal(0, 0.4, count)]


@given(surprises, surprises)
def test_a_larger_surprise_scores_higher(one: float, other: float) -> None:
    made = record()
    less, more = sorted((one, other))
    assert made.score(0, less) <= made.score(0, more)
    if more > 1.01 * less + 0.01:
        assert made.score(0, less) < made.score(0, more)


@given(st.floats(-1, 60), st.floats(0.01, 5))
def test_a_higher_score_is_rarer(score: float, more: float) -> None:
    made = record()
    assert made.rarity(score) < made.rarity(score + more)


@pytest.mark.parametrize("score", [0.5, 1.5, 3.0])
def test_a_rarity_is_in_decades_of_times_a_week(score: float) -> None:
    largest = np.random.default_rng(7).gumbel(size=200_000)  # of a day: seven chances a week
    standard = (largest - largest.mean()) / largest.std()
    times_a_week = 7 * (standard > score).mean()
    assert record(chances=7.0).rarity(score) == pytest.approx(-np.log10(times_a_week), abs=0.1)


def test_ten_times_the_chances_are_a_decade() -> None:
    assert record(chances=1).rarity(3.0) - record(chances=10).rarity(3.0) == pytest.approx(1.0)


def test_the_prior_speaks_for_a_young_series() -> None:
    touchy, hardened = record(prior=((0.0, 0.5),) * len(FULL)), record(prior=((2.0, 0.5),) * len(FULL))
    assert touchy.score(0, 20.0) > hardened.score(0, 20.0)


@pytest.mark.parametrize("median", [2.0, 5.0, 100.0])
def test_the_usual_is_the_largest_of_an_ordinary_day(median: float) -> None:
    made = lived(record(), days(200, median=median))
    assert made.usual == pytest.approx([median] * len(FULL), rel=0.4)
    assert made.score(0, median) == pytest.approx(0.0, abs=1.0)
    assert made.score(0, 30 * median) > 3


def test_only_the_largest_of_a_day_counts() -> None:
    hours = timedelta(hours=6)
    once, often = record(step=hours), record(step=hours)
    for largest in days(30):
        lived(once, [0.0, largest, 0.0, 0.0])
        lived(often, [largest] * 4)
    assert once.usual == often.usual
    assert once.usual != record().usual


def test_a_day_is_as_many_steps_as_fit_into_it() -> None:
    made = record(step=timedelta(minutes=5))
    before = made.usual
    lived(made, [50.0] * 287)
    assert made.usual == before
    lived(made, [0.0])
    assert min(made.usual) > max(before)


def test_a_step_without_surprises_counts_as_a_step() -> None:
    zeros, nothing = record(), record()
    lived(zeros, [0.0] * 20)
    for _ in range(20):
        nothing.add(NOTHING)
    assert zeros.usual == nothing.usual
    assert max(zeros.usual) < min(record().usual)


def test_what_stands_out_is_the_window_farthest_above_its_own_usual() -> None:
    made = record(prior=((3.0, 0.5), *PRIOR[1:]))
    assert made.best([15.0, 10.0, 0.0, 0.0]) == (1, made.score(1, 10.0))
    assert made.best(made.usual) is None
    assert made.best(NOTHING) is None


def test_a_window_keeps_its_own_record() -> None:
    made, untouched = record(), record()
    for surprise in days(50, median=80.0):
        made.add([0.0, 0.0, surprise, 0.0])
        untouched.add(NOTHING)
    assert made.usual[2] > 10 * untouched.usual[2]
    assert [made.usual[0], made.usual[1], made.usual[3]] == [untouched.usual[0], untouched.usual[1], untouched.usual[3]]


def test_a_huge_day_does_not_deafen() -> None:
    made = lived(record(), days(60))
    before = made.score(0, 100.0)
    lived(made, [1e6])
    assert made.score(0, 100.0) > 0.6 * before
    assert made.best([100.0] * len(FULL)) is not None


def test_what_comes_every_day_is_no_longer_rare() -> None:
    made = lived(record(), days(60))
    before = made.rarity(made.score(0, 40.0))
    lived(made, days(90, median=40.0, seed=1))
    after = made.rarity(made.score(0, 40.0))
    assert before > 1
    assert after < 0


def test_a_source_that_was_silent_for_years_soon_has_a_record_of_its_chatter() -> None:
    made = lived(record(), [0.0] * 1_000)
    lived(made, days(60))
    assert made.rarity(made.score(0, 5.0)) < 1


def test_a_record_that_was_saved_goes_on_as_if_nothing_had_been() -> None:
    step, largest = timedelta(hours=1), days(200)
    whole_time, first = lived(record(step=step), largest), lived(record(step=step), largest[:103])
    second = record(step=step)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.usual == first.usual
    lived(second, largest[103:])
    assert second.state() == whole_time.state()
    found = second.best([60.0] * len(FULL))
    assert found is not None
    assert found == whole_time.best([60.0] * len(FULL))
