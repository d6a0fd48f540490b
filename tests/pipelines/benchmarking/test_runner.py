from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from pipelines.benchmarking.runner import Plan, Runner, agreement
from pipelines.benchmarking.scenarios import HTTP, IN_PROCESS, TARGETS, UNIQUE, scenarios
from pipelines.benchmarking.sides import LeftOut, Probabilities, Work
from pipelines.benchmarking.statistics import Turn
from pipelines.benchmarking.stream import FIRST, Starts
from pipelines.benchmarking.texts import Labelled


class FakeSide:
    """Answers at a given rate, without doing anything."""

    backend = "fake"
    startup_s: float | None = 1.5

    def __init__(
        self, name: str, rate: float, kind: Literal["http", "process"] = "http", said: Probabilities = (0.1, 0.2, 0.7)
    ) -> None:
        self.name = name
        self.kind = kind
        self.asked: list[tuple[Work, int, float, int]] = []
        self.gone = False
        self._rate = rate
        self._said = said

    def turn(self, work: Work, start: int, seconds: float, texts: int) -> Turn:
        self.asked.append((work, start, seconds, texts))
        if not self._rate:
            return Turn(0, seconds, (), {"HTTP 503": 4})
        rate = self._rate / (1 - work.repeated)
        return Turn(round(100 * rate), 100.0, (work.callers / rate,) * 10)

    def ask(self, texts: Sequence[str]) -> list[Probabilities]:
        if self.gone:
            raise LeftOut("it is gone")
        return [self._said] * len(texts)

    def memory_mb(self) -> tuple[float, float | None]:
        return 100.0, None

    def close(self) -> None:
        pass


def runner(*sides: FakeSide, say: Callable[[str], None] = lambda text: None) -> Runner:
    load = iter([0.5, *[3.0] * 10_000])
    return Runner({side.name: side for side in sides}, Plan(7, 2.0, 64), Starts(FIRST), say, lambda: next(load))


def test_targets_are_measured_by_scenarios() -> None:
    found = {scenario.key: scenario for scenario in scenarios([*HTTP, *IN_PROCESS])}
    for target in TARGETS:
        assert target.scenario in found
        assert target.other == UNIQUE or target.other in found[target.scenario].sides


def test_only_sides_that_take_part_are_in_a_scenario() -> None:
    assert {side for scenario in scenarios(["eventpulse", "vader"]) for side in scenario.sides} == {
        "eventpulse",
        "vader",
    }


def test_a_run_compares_eventpulse_with_every_other_side() -> None:
    ours, raw, peer = FakeSide("eventpulse", 98), FakeSide("raw-best", 100, "process"), FakeSide("fastapi-onnx", 49)
    made = runner(ours, raw, peer)
    chosen = scenarios(["eventpulse", "raw-best", "fastapi-onnx"])
    made.run(chosen)
    ratios = {(each.scenario, each.other, each.measure): each for each in made.compared()}
    batch = ratios["batch", "raw-best", "rate"]
    assert batch.ratio.value == pytest.approx(0.98)
    assert (batch.target, batch.holds, batch.pairs) == (0.95, True, 7)
    assert ratios["single-1", "fastapi-onnx", "p50"].ratio.value == pytest.approx(0.5)
    assert ratios["single-1", "fastapi-onnx", "p50"].holds is True
    assert ratios["single-8", "fastapi-onnx", "rate"].target is None
    assert ratios["duplicates", "unique", "rate"].ratio.value == pytest.approx(1 / 0.7)
    hop = made.hop_ms()
    assert hop is not None
    assert hop.value == pytest.approx(1000 / 98 - 1000 / 100)
    assert made.loads == (0.5, 3.0)


def test_both_sides_of_a_pair_get_the_same_work_after_a_warm_up() -> None:
    ours, peer = FakeSide("eventpulse", 98), FakeSide("fastapi-onnx", 49)
    made = runner(ours, peer)
    made.run(scenarios(["eventpulse", "fastapi-onnx"])[:1])
    assert ours.asked == peer.asked
    assert [(seconds, texts) for _, _, seconds, texts in ours.asked] == [(1.0, 0), *[(2.0, 64)] * 7]
    starts = [start for _, start, _, _ in ours.asked]
    assert len(set(starts)) == 8


def test_a_side_that_fails_is_reported_and_not_compared() -> None:
    lines: list[str] = []
    made = runner(FakeSide("eventpulse", 98), FakeSide("fastapi-onnx", 0), say=lines.append)
    chosen = scenarios(["eventpulse", "fastapi-onnx"])[:1]
    made.run(chosen)
    failed = {each.side: each for each in made.measured(chosen)}["fastapi-onnx"]
    assert (failed.rate, failed.failures) == (0.0, {"HTTP 503": 28})
    assert made.compared() == ()
    assert made.hop_ms() is None
    assert any("4 failed" in line for line in lines)


def test_facts_of_the_sides() -> None:
    other = FakeSide("vader", 1000, "process", (0.6, 0.3, 0.1))
    made = runner(FakeSide("eventpulse", 100), other)
    made.run(scenarios(["eventpulse", "vader"]))
    labelled = Labelled(["a", "b"], [2, 0])
    ours, theirs = made.facts(3.6, ["x", "y"], labelled)
    assert (ours.differs, ours.agrees, ours.macro_recall) == (None, None, 0.5)
    assert (theirs.differs, theirs.agrees) == (pytest.approx(0.6), 0.0)
    assert ours.cost_batch == pytest.approx(10.0)
    assert ours.cost_single == pytest.approx(10.0)
    assert theirs.cost_single is None
    assert (ours.memory_mb, ours.startup_s, ours.kind) == (100.0, 1.5, "http")


def test_a_side_that_has_gone_costs_its_row_only() -> None:
    gone = FakeSide("vader", 1000, "process")
    made = runner(FakeSide("eventpulse", 100), gone)
    gone.gone = True
    assert [each.name for each in made.facts(1.0, ["x"], Labelled())] == ["eventpulse"]


def test_a_repeated_text_is_looked_at_to_the_last_digit() -> None:
    assert runner(FakeSide("eventpulse", 100)).repeats_identical(["a", "b"])


def test_agreement() -> None:
    differs, agrees = agreement([(0.5, 0.3, 0.2), (0.1, 0.1, 0.8)], [(0.4, 0.5, 0.1), (0.1, 0.2, 0.7)])
    assert differs == pytest.approx(0.2)
    assert agrees == 0.5
