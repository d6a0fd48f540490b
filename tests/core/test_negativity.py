from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from app.core.negativity import UsualShare, share_surprise
from app.core.windows import FULL, NOTHING, added
from tests.core.ticks import DAY, HOUR, WEEK

LONGEST = len(FULL) - 1
usuals = st.floats(0.01, 0.99)
scored_and_negative = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))

Steps = list[tuple[int, int]]  # (scored, negative)


class Learner:
    """A usual share that is fed step by step, as the tests of a series feed it; half of the messages are scored."""

    def __init__(self) -> None:
        self.share = UsualShare()
        self.negatives = self.scored = NOTHING

    def take(self, steps: Steps) -> Learner:
        for scored, negative in steps:
            self.negatives, self.scored = added(self.negatives, negative), added(self.scored, scored)
            self.share.learn(2 * scored, negative, scored, self.negatives, self.scored)
        return self

    def surprise(self, share: float, messages: float = 50.0) -> list[float]:
        """The surprise of a share in each window at so many scored messages a step."""
        scored = [messages * length for length in FULL]
        return self.share.surprises([share * n for n in scored], scored)


def steps_of(share: float, steps: int, *, seed: int = 0, messages: int = 50, wander: float = 0.0) -> Steps:
    """Binomial negatives; with `wander` each hour has a share of its own, with that standard deviation."""
    rng = np.random.default_rng(seed)
    shares = np.full(steps, share)
    if wander:
        worth = share * (1 - share) / wander**2 - 1
        shares = rng.beta(share * worth, (1 - share) * worth, -(-steps // HOUR)).repeat(HOUR)[:steps]
    return [(messages, int(negative)) for negative in rng.binomial(messages, shares)]


@given(scored_and_negative, usuals)
def test_the_surprise_bounds_the_tail_of_the_binomial(counted: tuple[int, int], usual: float) -> None:
    n, negative = counted
    assert 10 ** -share_surprise(negative, n, usual) >= float(binom.sf(negative - 1, n, usual)) * (1 - 1e-6)


@pytest.mark.parametrize(("n", "usual"), [(20, 0.2), (500, 0.05), (500, 0.5), (3_000, 0.9)])
def test_the_bound_is_near_the_tail(n: int, usual: float) -> None:
    negative = int(binom.isf(1e-9, n, usual)) + 1
    assert share_surprise(negative, n, usual) > 7


@given(st.integers(0, 3_000), usuals, st.floats(0, 1))
def test_a_share_that_is_not_above_the_usual_is_no_surprise(n: int, usual: float, part: float) -> None:
    assert share_surprise(part * n * usual, n, usual) == 0.0


@given(scored_and_negative, usuals, st.integers(0, 3_000))
def test_more_negatives_are_never_less_surprising(counted: tuple[int, int], usual: float, other: int) -> None:
    n, negative = counted
    less, more = (share_surprise(k, n, usual) for k in sorted((negative, min(other, n))))
    assert 0 <= less <= more + 1e-9


def test_the_same_share_of_more_messages_is_more_surprising() -> None:
    found = [share_surprise(0.4 * n, n, 0.2) for n in (5, 50, 500)]
    assert 0 < found[0] < found[1] < found[2]


@given(scored_and_negative, usuals, st.floats(1, 100))
def test_a_design_effect_makes_messages_worth_so_many_fewer(
    counted: tuple[int, int], usual: float, effect: float
) -> None:
    n, negative = counted
    plain = share_surprise(negative, n, usual)
    assert share_surprise(negative, n, usual, effect) == pytest.approx(plain / effect)


def test_all_or_none_negative_has_an_answer() -> None:
    assert share_surprise(30, 30, 0.2) > share_surprise(29, 30, 0.2)
    assert share_surprise(0, 30, 0.2) == share_surprise(0, 0, 0.2) == 0.0


@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])
def test_a_steady_share_is_learnt(share: float) -> None:
    learnt = Learner().take(steps_of(share, WEEK)).share
    assert [learnt.usual(window) for window in range(len(FULL))] == pytest.approx([share] * len(FULL), rel=0.2)
    assert learnt.negatives_per_message == pytest.approx(share / 2, rel=0.2)


def test_of_a_new_series_no_share_is_a_surprise() -> None:
    learner = Learner()
    assert learner.share.negatives_per_message == 0.0
    assert learner.surprise(1.0) == NOTHING
    assert learner.take([(3, 0)] * 3).surprise(1.0) == NOTHING
    assert min(learner.take(steps_of(0.2, DAY)).surprise(0.9)) > 6


def test_the_usual_or_less_is_no_surprise() -> None:
    learner = Learner().take(steps_of(0.2, WEEK))
    assert learner.surprise(0.1) == NOTHING
    assert max(learner.surprise(0.2)) < 1


def test_the_short_windows_follow_a_drift_within_hours_and_the_longest_within_days() -> None:
    learner = Learner().take(steps_of(0.2, 2 * WEEK)).take(steps_of(0.4, DAY // 2, seed=1))
    quick = [learner.share.usual(window) for window in range(LONGEST)]
    slow = learner.share.usual(LONGEST)
    assert min(quick) > 0.3 > slow
    learner.take(steps_of(0.4, 2 * WEEK, seed=2))
    assert learner.share.usual(LONGEST) > 0.37
    assert max(learner.surprise(0.4)) < 1


def test_where_the_share_wanders_from_hour_to_hour_the_last_hour_is_what_is_usual() -> None:
    start = [(400, 80 + step) for step in range(DAY // 2)]
    tide = (start + start[::-1]) * 7
    learner = Learner().take(tide).take(start)
    assert learner.share.usual(0) == pytest.approx(start[-1][1] / 400, abs=0.06)
    steady = Learner().take(steps_of(0.2, WEEK, messages=400)).take(steps_of(0.4, HOUR, messages=400))
    assert steady.share.usual(0) < 0.3


def test_an_hour_of_anger_hardly_moves_what_is_usual() -> None:
    learner = Learner().take(steps_of(0.2, WEEK))
    before = learner.share.usual(0)
    learner.take([(50, 50)] * HOUR)
    assert before < learner.share.usual(0) < before + 0.08
    assert min(learner.surprise(0.9)) > 3


def test_a_step_without_scored_messages_says_nothing_of_the_share() -> None:
    learner = Learner().take(steps_of(0.2, WEEK))
    before = learner.share.usual(0)
    learner.take([(0, 0)] * HOUR)
    assert learner.share.usual(0) == pytest.approx(before)
    assert learner.share.surprises(NOTHING, NOTHING) == NOTHING


def test_a_share_that_wanders_by_itself_makes_the_same_rise_less_surprising() -> None:
    steady = Learner().take(steps_of(0.2, 2 * WEEK))
    wandering = Learner().take(steps_of(0.2, 2 * WEEK, wander=0.1))
    for calm, restless in zip(steady.surprise(0.5)[1:], wandering.surprise(0.5)[1:], strict=True):
        assert restless < 0.7 * calm


def test_a_share_that_never_is_negative_leaves_room_for_one() -> None:
    learner = Learner().take(steps_of(0.0, WEEK))
    assert min(learner.surprise(0.5)) > 6
    always = Learner().take(steps_of(1.0, WEEK))
    assert max(always.surprise(1.0)) < 20


def test_a_share_that_was_saved_goes_on_as_if_nothing_had_been() -> None:
    steps = steps_of(0.2, 2 * DAY, wander=0.1)
    whole_time, first = Learner().take(steps), Learner().take(steps[:300])
    second = Learner()
    second.negatives, second.scored = first.negatives, first.scored
    second.share.restore(json.loads(json.dumps(first.share.state())))
    second.take(steps[300:])
    assert second.share.state() == whole_time.share.state()
    assert second.surprise(0.6) == whole_time.surprise(0.6)
    assert second.share.negatives_per_message == whole_time.share.negatives_per_message
