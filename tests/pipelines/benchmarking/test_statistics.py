from __future__ import annotations

import math

import pytest

from pipelines.benchmarking.statistics import (
    Turn,
    alternate,
    cost_per_million,
    failures_of,
    median_interval,
    median_latency_ms,
    median_rate,
    paired_difference,
    paired_ratio,
)


def turn(texts: int = 10, seconds: float = 2.0, **failures: int) -> Turn:
    return Turn(texts, seconds, (0.010, 0.020, 0.030), failures)


def test_sides_take_turns() -> None:
    asked: list[tuple[str, int]] = []

    def take(side: str, pair: int) -> Turn:
        asked.append((side, pair))
        return turn(texts=pair + 1)

    turns = alternate(["a", "b", "c"], 2, take)
    assert asked == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]
    assert {side: [each.texts for each in taken] for side, taken in turns.items()} == {side: [1, 2] for side in "abc"}


def test_a_turn_has_a_rate_and_latencies() -> None:
    assert turn().rate == 5.0
    assert turn().latency_ms(50) == pytest.approx(20.0)
    assert math.isnan(Turn(0, 1.0, ()).latency_ms(50))


def test_medians_over_turns() -> None:
    turns = [turn(10), turn(30), turn(20)]
    assert median_rate(turns) == 10.0
    assert median_latency_ms(turns, 50) == pytest.approx(20.0)


def test_a_ratio_is_paired() -> None:
    machine = [1.0, 10.0, 0.1, 3.0, 5.0, 0.5, 2.0]  # how fast the machine is at the time of each pair
    found = paired_ratio([1.2 * speed for speed in machine], machine)
    assert found.value == pytest.approx(1.2)
    assert (found.low, found.high) == (pytest.approx(1.2), pytest.approx(1.2))
    assert paired_difference([3.0, 4.0], [1.0, 2.0]).value == 2.0


def test_an_interval_holds_its_median_and_is_the_same_every_time() -> None:
    values = [1.0, 1.1, 0.9, 1.05, 1.3, 0.97, 1.02]
    found = median_interval(values)
    assert found.low <= found.value == 1.02 <= found.high
    assert min(values) <= found.low < found.high <= max(values)
    assert found == median_interval(values)


def test_what_has_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0], [1.0])


def test_failures_add_up_by_kind() -> None:
    assert failures_of([turn(a=1), turn(), turn(a=2, b=1)]) == {"a": 3, "b": 1}


def test_the_cost_of_a_million() -> None:
    assert cost_per_million(1000.0, 3.6) == pytest.approx(1.0)
    assert cost_per_million(0.0, 3.6) is None
