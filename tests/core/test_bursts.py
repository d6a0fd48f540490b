from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.bursts import Budget, SeriesTests, Tick
from app.core.errors import InvalidInput
from app.core.incidents import Kind, Signal
from app.core.windows import FULL
from tests.core.ticks import DAY, HOUR, STEP, WEEK, chatter, put_in, steady, surge, tick, time_of

NEGATIVE = {Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT}
RATE = 20  # messages a step in the usual chatter, a fifth of them negative
NOW = 3 * WEEK  # the step at which that was learnt


def made(*, joins: bool = False) -> SeriesTests:
    return SeriesTests("x", step=STEP, budget=Budget(), joins=joins)


def fed(tests: SeriesTests, ticks: Iterable[Tick]) -> list[Signal]:
    """All signals of these steps."""
    return [signal for each in ticks for signal in tests.observe(each)]


def firing(signals: Iterable[Signal]) -> set[Kind]:
    return {signal.kind for signal in signals if signal.fires}


@cache
def _learnt() -> SeriesTests:
    tests = made()
    fed(tests, chatter(1, NOW, rate=RATE))
    return tests


@pytest.fixture
def learnt() -> SeriesTests:
    """Tests that know three weeks of steady chatter."""
    return copy.deepcopy(_learnt())


def strongest(signals: Iterable[Signal], kind: Kind) -> Signal:
    return max((signal for signal in signals if signal.kind is kind), key=lambda signal: signal.surprise)


def per_step(signal: Signal) -> float:
    """The messages a step that a volume signal holds for usual, whatever its window."""
    return min((signal.expected / length for length in FULL), key=lambda rate: abs(math.log(rate / RATE)))


# What is found


def test_a_surge_in_steady_chatter_is_more_volume_and_not_more_negative(learnt: SeriesTests) -> None:
    signals = fed(learnt, surge(NOW, 4, 40 * RATE))
    assert firing(signals) == {Kind.VOLUME}
    found = strongest(signals, Kind.VOLUME)
    assert found.source == "x"
    assert found.since == time_of(NOW)
    assert found.observed > 3 * found.expected > 0
    assert found.size == pytest.approx(found.observed - found.expected)


def test_a_surge_is_noticed_at_once(learnt: SeriesTests) -> None:
    assert firing(learnt.observe(tick(NOW, 100 * RATE, 20 * RATE))) == {Kind.VOLUME}


def test_more_negatives_at_the_usual_volume_are_a_rise_of_the_share_and_not_of_volume(learnt: SeriesTests) -> None:
    signals = fed(learnt, surge(NOW, 6, RATE, share=0.8))
    assert Kind.NEGATIVE_SHARE in firing(signals) <= NEGATIVE
    found = strongest(signals, Kind.NEGATIVE_SHARE)
    assert found.expected == pytest.approx(0.2, abs=0.05)
    assert 0.3 < found.observed <= 0.8
    assert time_of(NOW - HOUR) < found.since <= time_of(NOW + 1)


def test_a_surge_of_negatives_is_all_three(learnt: SeriesTests) -> None:
    signals = fed(learnt, surge(NOW, 4, 40 * RATE, share=0.9))
    assert firing(signals) == {Kind.VOLUME, *NEGATIVE}
    found = strongest(signals, Kind.NEGATIVE_COUNT)
    assert found.observed > 3 * found.expected > 0


def test_fewer_messages_and_fewer_negatives_are_nothing(learnt: SeriesTests) -> None:
    assert firing(fed(learnt, surge(NOW, 2 * HOUR, 2, share=0.0))) == set()


def test_when_it_is_over_the_signals_end(learnt: SeriesTests) -> None:
    assert firing(fed(learnt, surge(NOW, 4, 40 * RATE, share=0.9))) == {Kind.VOLUME, *NEGATIVE}
    fed(learnt, steady(NOW + 4, HOUR, rate=RATE))
    rest = fed(learnt, steady(NOW + 4 + HOUR, DAY // 2, rate=RATE))
    assert Kind.VOLUME not in {signal.kind for signal in rest}
    assert firing(fed(learnt, steady(NOW + 4 + HOUR + DAY // 2, DAY // 2, rate=RATE))) == set()


def test_signals_of_one_run_share_its_beginning_and_a_new_run_has_its_own(learnt: SeriesTests) -> None:
    first = fed(learnt, surge(NOW, 4, 40 * RATE))
    fed(learnt, steady(NOW + 4, DAY, rate=RATE))
    second = fed(learnt, surge(NOW + 4 + DAY, 4, 100 * RATE))
    assert {signal.since for signal in first if signal.kind is Kind.VOLUME} == {time_of(NOW)}
    assert {signal.since for signal in second if signal.kind is Kind.VOLUME} == {time_of(NOW + 4 + DAY)}


def test_messages_without_a_label_say_nothing_of_the_share(learnt: SeriesTests) -> None:
    unscored = [tick(NOW + step, RATE, scored=0) for step in range(HOUR)]
    assert firing(fed(learnt, unscored)) == set()
    assert Kind.NEGATIVE_SHARE in firing(fed(learnt, surge(NOW + HOUR, 6, RATE, share=0.8)))


# The dial


def test_a_test_without_a_budget_is_left_out(learnt: SeriesTests) -> None:
    storm = surge(NOW, 4, 40 * RATE, share=0.9)
    for budget, kinds in ((Budget(volume=None), NEGATIVE), (Budget(negative=None), {Kind.VOLUME})):
        tests = copy.deepcopy(learnt)
        tests.allow(budget)
        assert {signal.kind for signal in fed(tests, storm)} == kinds


def test_a_smaller_budget_raises_the_threshold_and_leaves_the_surprise(learnt: SeriesTests) -> None:
    strict = copy.deepcopy(learnt)
    strict.allow(Budget(0.05, 0.05))
    storm = surge(NOW, 4, 40 * RATE, share=0.9)
    for mild, stern in zip(fed(learnt, storm), fed(strict, storm), strict=True):
        assert stern.threshold == pytest.approx(mild.threshold + 1)
        assert (stern.kind, stern.surprise) == (mild.kind, mild.surprise)


# What is not known


def test_a_source_that_goes_dark_keeps_its_usual_and_one_that_falls_silent_does_not(learnt: SeriesTests) -> None:
    dark, silent = learnt, copy.deepcopy(learnt)
    for day in range(14):
        first = NOW + day * DAY
        night = surge(first, DAY // 2, 0)
        light = steady(first + DAY // 2, DAY // 2, rate=RATE)
        assert firing(fed(dark, [replace(each, known=False) for each in night] + light)) == set()
        fed(silent, night + light)
    storm = surge(NOW + 14 * DAY, 4, 100 * RATE)
    assert per_step(strongest(fed(dark, storm), Kind.VOLUME)) == pytest.approx(RATE, rel=0.1)
    assert per_step(strongest(fed(silent, storm), Kind.VOLUME)) != pytest.approx(RATE, rel=0.25)


def test_a_step_that_is_left_out_and_one_that_is_unknown_are_the_same(learnt: SeriesTests) -> None:
    told = copy.deepcopy(learnt)
    gap = [tick(NOW + step, 5_000, 4_000, known=False) for step in range(2 * HOUR)]
    assert fed(told, gap) == []
    after = steady(NOW + 2 * HOUR, HOUR, rate=RATE) + surge(NOW + 3 * HOUR, 4, 40 * RATE)
    assert fed(told, after) == fed(learnt, after)
    assert told.state() == learnt.state()


def test_what_is_usual_outlasts_a_gap(learnt: SeriesTests) -> None:
    later = NOW + DAY // 2
    assert firing(fed(learnt, steady(later, DAY // 2, rate=RATE))) == set()
    after = strongest(fed(learnt, surge(later + DAY // 2, 4, 40 * RATE)), Kind.VOLUME)
    assert per_step(after) == pytest.approx(RATE, rel=0.1)


def test_a_surge_on_both_sides_of_an_outage_is_found(learnt: SeriesTests) -> None:
    assert Kind.VOLUME in firing(fed(learnt, surge(NOW, 4, 40 * RATE)))
    assert Kind.VOLUME in firing(fed(learnt, surge(NOW + HOUR, 6, 40 * RATE)))


def test_after_days_in_the_dark_a_source_is_as_good_as_new(learnt: SeriesTests) -> None:
    back = steady(NOW + WEEK, DAY, rate=5 * RATE)
    assert firing(fed(learnt, back)) == {Kind.SWITCHED_ON}


# A source that is switched on


@pytest.mark.parametrize("silence", [DAY // 3, DAY // 2, 3 * DAY, 2 * WEEK])
def test_a_source_that_is_switched_on_is_told_as_that_and_not_as_volume(silence: int) -> None:
    tests = made()
    quiet = [tick(step, int(step % 100 == 50)) for step in range(silence)]
    assert firing(fed(tests, quiet)) == set()
    signals = fed(tests, steady(silence, DAY, rate=60))
    told = [signal for signal in signals if signal.fires]
    assert [signal.kind for signal in told] == [Kind.SWITCHED_ON]
    assert told[0].since == time_of(silence)
    assert told[0].size >= 30


def test_a_source_that_joins_an_event_is_told_and_one_that_was_there_from_the_start_is_not() -> None:
    ticks = steady(0, DAY, rate=60)
    assert [signal.kind for signal in fed(made(joins=True), ticks) if signal.fires] == [Kind.SWITCHED_ON]
    assert firing(fed(made(), ticks)) == set()


def test_a_source_that_is_silent_at_night_is_switched_on_once_at_most() -> None:
    tests = made()
    told = 0
    for day in range(10):
        night, light = surge(day * DAY, DAY // 2, 0), steady(day * DAY + DAY // 2, DAY // 2, rate=RATE)
        told += Kind.SWITCHED_ON in firing(fed(tests, night + light))
    assert told == 1
    noon = 10 * DAY + 3 * DAY // 4
    quiet = surge(10 * DAY, DAY // 2, 0) + steady(10 * DAY + DAY // 2, DAY // 4, rate=RATE)
    assert firing(fed(tests, quiet)) == set()
    assert firing(fed(tests, surge(noon, 6, 40 * RATE))) == {Kind.VOLUME}


def test_a_source_that_joins_slowly_is_told_when_there_is_something_to_tell() -> None:
    tests = made(joins=True)
    assert fed(tests, surge(0, 3, 1)) == []
    assert firing(tests.observe(tick(3, 100))) == {Kind.SWITCHED_ON}


def test_a_source_that_was_switched_on_is_tested_once_it_is_known(learnt: SeriesTests) -> None:
    tests = made()
    fed(tests, surge(0, 2 * DAY, 0) + steady(2 * DAY, WEEK, rate=RATE))
    storm = surge(2 * DAY + WEEK, 6, 60 * RATE, share=0.9)
    assert {Kind.VOLUME, Kind.NEGATIVE_SHARE} <= firing(fed(tests, storm))


# What is foreseen


def test_what_is_foreseen_swallows_a_surge_and_leaves_its_negatives(learnt: SeriesTests) -> None:
    def launch(expected: float, share: float) -> list[Tick]:
        return [tick(NOW + step, 40 * RATE, round(40 * RATE * share), expected=expected) for step in range(HOUR)]

    assert firing(fed(copy.deepcopy(learnt), launch(1.0, 0.2))) == {Kind.VOLUME}
    assert firing(fed(copy.deepcopy(learnt), launch(40.0, 0.2))) == set()
    assert Kind.NEGATIVE_SHARE in firing(fed(copy.deepcopy(learnt), launch(40.0, 0.8)))


def test_a_foreseen_surge_is_not_learnt_as_the_usual(learnt: SeriesTests) -> None:
    fed(learnt, [tick(NOW + step, 40 * RATE, 8 * RATE, expected=40.0) for step in range(HOUR)])
    fed(learnt, steady(NOW + HOUR, DAY - HOUR, rate=RATE))
    after = strongest(fed(learnt, surge(NOW + DAY, 4, 40 * RATE)), Kind.VOLUME)
    assert per_step(after) == pytest.approx(RATE, rel=0.1)


def test_far_more_than_was_foreseen_is_found(learnt: SeriesTests) -> None:
    crowd = [tick(NOW + step, 100 * RATE, 20 * RATE, expected=2.0) for step in range(4)]
    assert firing(fed(learnt, crowd)) == {Kind.VOLUME}


# What is refused


def test_a_step_before_the_end_of_the_last_one_is_refused_and_changes_nothing(learnt: SeriesTests) -> None:
    before = learnt.state()
    for start in (time_of(NOW - 1), time_of(NOW) - timedelta(seconds=1), time_of(0)):
        with pytest.raises(InvalidInput, match="comes after") as refused:
            learnt.observe(Tick(start, 10))
        assert refused.value.field == "start"
    assert learnt.state() == before


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"total": 3, "scored": 4}, "total", "0, 4 and 3"),
        ({"total": 9, "scored": 2, "negative": 3}, "total", "3, 2 and 9"),
        ({"total": -1, "scored": -1, "negative": -1}, "total", "-1, -1 and -1"),
        ({"total": 3, "expected": 0.0}, "expected", "not 0.0"),
        ({"total": 3, "expected": float("nan")}, "expected", "not nan"),
    ],
)
def test_what_cannot_be_is_no_tick(fields: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        Tick(time_of(0), **fields)
    assert refused.value.field == field


# A look at the step that is being filled


def test_a_look_learns_nothing_and_agrees_with_the_test_of_the_complete_step(learnt: SeriesTests) -> None:
    storm = chatter(6, HOUR, rate=RATE, first=NOW) + surge(NOW + HOUR, 4, 40 * RATE, share=0.9)
    for each in storm:
        before = json.dumps(learnt.state())
        looked = learnt.look(each)
        assert learnt.look(each) == looked
        assert json.dumps(learnt.state()) == before
        assert looked == [signal for signal in learnt.observe(each) if signal.kind is Kind.VOLUME]
    assert firing(looked) == {Kind.VOLUME}


@settings(max_examples=50)
@given(st.integers(0, 200 * RATE), st.integers(0, 200 * RATE))
def test_what_stands_out_already_stands_out_when_more_has_come_in(one: int, other: int) -> None:
    less, more = (firing(_learnt().look(tick(NOW, total))) for total in sorted((one, other)))
    assert less <= more


def test_there_is_nothing_to_see_where_nothing_is_known(learnt: SeriesTests) -> None:
    assert learnt.look(tick(NOW, 100 * RATE, known=False)) == []
    assert learnt.look(tick(NOW + 1, 100 * RATE)) == []
    learnt.observe(tick(NOW, 0, known=False))
    assert learnt.look(tick(NOW + 1, 100 * RATE)) == []


def test_in_its_first_hours_a_series_waits_for_the_complete_step() -> None:
    tests = made()
    assert tests.look(tick(0, 10_000)) == []
    fed(tests, steady(0, DAY // 3, rate=RATE))
    assert tests.look(tick(DAY // 3, 15 * RATE)) == []


def test_a_look_sees_a_source_that_is_switched_on() -> None:
    tests = made()
    fed(tests, surge(0, 3 * DAY, 0))
    assert firing(tests.look(tick(3 * DAY, 100))) == {Kind.SWITCHED_ON}
    assert firing(tests.observe(tick(3 * DAY, 100))) == {Kind.SWITCHED_ON}


# What is kept


@pytest.mark.parametrize(("rate", "spread"), [(0.01, 0.0), (123_456.0, 0.9)])
def test_ten_thousand_steps_leave_at_most_a_kilobyte(rate: float, spread: float) -> None:
    tests = made()
    fed(tests, chatter(8, 10_000, rate=rate, spread=spread))
    assert len(json.dumps(tests.state())) <= 1024


def _restored(tests: SeriesTests) -> SeriesTests:
    return SeriesTests.restored("x", json.loads(json.dumps(tests.state())), step=STEP, budget=Budget())


def _alike(one: list[Signal], other: list[Signal]) -> bool:
    def figures(signal: Signal) -> list[float]:
        return [signal.observed, signal.expected, signal.size, signal.surprise]

    return [(each.kind, each.since) for each in one] == [(each.kind, each.since) for each in other] and all(
        figures(here) == pytest.approx(figures(there), rel=1e-3, abs=1e-3)
        for here, there in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("split", [0, 1, 7, 100, 287, 288, 402, 410, 450, 500, 577])
def test_tests_that_were_saved_anywhere_go_on_as_if_nothing_had_been(split: int) -> None:
    steps = put_in(chatter(9, 600, rate=RATE, spread=0.3), surge(400, 6, 40 * RATE, share=0.8))
    dark = range(440, 460)
    ticks = [each for at, each in enumerate(steps) if at not in dark]
    whole_time, first = made(), made()
    expected = [whole_time.observe(each) for each in ticks]
    fed(first, ticks[:split])
    second = _restored(first)
    for each, signals in zip(ticks[split:], expected[split:], strict=True):
        assert _alike(second.observe(each), signals)
    assert any(signal.fires for signals in expected for signal in signals)


def test_a_source_that_joins_does_so_after_a_restart_as_well() -> None:
    assert firing(_restored(made(joins=True)).observe(tick(0, 100))) == {Kind.SWITCHED_ON}
    assert firing(_restored(made()).observe(tick(0, 100))) == set()
