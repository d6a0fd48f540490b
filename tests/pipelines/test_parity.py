from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.tokens import Logits
from pipelines.dataset import LabelledTexts
from pipelines.parity import Limits, Parity, Timing, closeness, measure, race


@dataclass
class Watch:
    """A clock that only the fakes below move."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeScorer:
    """Says the number that a text is, unless it is one of `wrong`; takes `cost` seconds a text and notes its turns."""

    name: str = ""
    wrong: frozenset[int] = frozenset()
    cost: float = 1.0
    watch: Watch = field(default_factory=Watch)
    turns: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[int(text)] for text in texts]

    def logits(self, rows: Sequence[Sequence[int]]) -> Logits:
        self.turns.append(self.name)
        self.watch.now += self.cost * len(rows)
        found = np.zeros((len(rows), 3), dtype=np.float32)
        for place, (number,) in enumerate(rows):
            found[place, (number + (number in self.wrong)) % 3] = 5
        return found


def numbers(first: int, last: int) -> LabelledTexts:
    """Texts that are numbers; the class is the number modulo three."""
    return LabelledTexts(tuple(map(str, range(first, last))), tuple(number % 3 for number in range(first, last)))


def report(wrong: frozenset[int] = frozenset(), *, cost: float = 0.5, weights: FakeScorer | None = None) -> Parity:
    watch = Watch()
    return measure(
        FakeScorer(cost=1.0, watch=watch),
        FakeScorer(wrong=wrong, cost=cost, watch=watch),
        {"validation": numbers(0, 300), "devtest": numbers(300, 900)},
        threads=2,
        limits=Limits(),
        timing=Timing(pairs=7, texts=10),
        weights=weights,
        clock=watch,
    )


def test_equal_and_twice_as_fast_is_good() -> None:
    found = report()
    assert found.failures == ()
    assert found.summary == {"agreement": 1.0, "recall_loss": 0.0, "speed": 2.0}
    assert (found.speed.full_rate, found.speed.rate, found.speed.texts) == (1.0, 2.0, 10)
    assert (found.speed.ratio.low, found.speed.ratio.high) == (2.0, 2.0)


def test_figures_are_given_for_each_set_and_pooled() -> None:
    found = report(frozenset({0, 1, 2}))
    assert found.sets["validation"].agreement.value == pytest.approx(0.99)
    assert found.sets["devtest"].agreement.value == 1.0
    assert found.pooled.n == 900
    assert found.pooled.agreement.value == pytest.approx(897 / 900)
    assert found.pooled.agreement.low < 897 / 900 < found.pooled.agreement.high
    assert found.pooled.recall_loss == pytest.approx(100 * 3 / 900)
    assert found.pooled.largest_difference > 0.9


@pytest.mark.parametrize(
    ("wrong", "cost", "said"),
    [
        (frozenset(range(12)), 0.5, "the label of fp32 on 98.67% of 900 texts"),
        (frozenset(range(6)), 0.5, "0.67 points of macro recall lost"),
        (frozenset(), 0.6, "1.67 times the speed of fp32"),
    ],
)
def test_what_falls_short_is_named(wrong: frozenset[int], cost: float, said: str) -> None:
    assert any(said in failure for failure in report(wrong, cost=cost).failures)


def test_gpu_weights_must_agree_too() -> None:
    assert report(weights=FakeScorer()).failures == ()
    assert report(weights=FakeScorer(wrong=frozenset(range(30)))).failures[0].startswith("GPU weights: the label")


def test_a_gain_is_a_negative_loss() -> None:
    labels = [0, 1, 2]
    worse, better = np.eye(3, dtype=np.float32)[[0, 1, 1]], np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert closeness(labels, worse, better).recall_loss == pytest.approx(-100 / 3)


def test_both_sides_take_turns_on_the_same_rows() -> None:
    watch, turns = Watch(), list[str]()
    rows = [[number] for number in range(50)]
    race(
        FakeScorer("full", watch=watch, turns=turns),
        FakeScorer("small", watch=watch, turns=turns),
        rows,
        threads=1,
        timing=Timing(pairs=3, texts=20),
        clock=watch,
    )
    assert turns == ["full", "small"] * 4


def test_one_slow_turn_does_not_move_the_ratio() -> None:
    watch = Watch()

    class Stumbling(FakeScorer):
        def logits(self, rows: Sequence[Sequence[int]]) -> Logits:
            self.cost = 50.0 if len(self.turns) == 4 else 1.0
            return super().logits(rows)

    full = FakeScorer(cost=2.0, watch=watch)
    found = race(full, Stumbling(watch=watch), [[1]] * 5, threads=1, timing=Timing(pairs=9, texts=5), clock=watch)
    assert found.ratio.value == 2.0


def test_the_report_is_json_that_says_what_failed() -> None:
    found = json.loads(report(frozenset(range(12))).to_json())
    assert found["pooled"]["n"] == 900
    assert found["limits"] == {"agreement": 0.99, "recall_loss": 0.3, "speed": 1.8}
    assert {"load", "cpus", "onnxruntime", "tokens_per_call"} <= found["conditions"].keys()
    assert found["weights"] is None
    assert len(found["failures"]) == 2


LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.integers(0, 2), LOGITS), min_size=1))
def test_a_model_agrees_with_itself(rows: list[tuple[int, list[float]]]) -> None:
    logits = np.array([values for _, values in rows], dtype=np.float32)
    found = closeness([label for label, _ in rows], logits, logits)
    assert (found.agreement.value, found.recall_loss, found.largest_difference) == (1.0, 0.0, 0.0)


def test_no_texts_are_no_parity() -> None:
    with pytest.raises(ValueError, match="at least one"):
        closeness([], np.zeros((0, 3), dtype=np.float32), np.zeros((0, 3), dtype=np.float32))
