from __future__ import annotations

import pytest

from app.core.metrics import score
from pipelines.corpora import EvaluationSet
from pipelines.results import SetResult
from pipelines.scoring import answered, score_set
from tests.fakes.evaluation import labelled_set, predictions

LABELLED = labelled_set(number=120)
PREDICTED = [(label + (row % 5 == 0)) % 3 for row, label in enumerate(LABELLED.labels)]


def scored(labelled: EvaluationSet = LABELLED, *, seed: int = 3, probabilistic: bool = True) -> SetResult:
    given = answered(labelled.texts, predictions(LABELLED.texts, PREDICTED))
    return score_set(labelled, given, seed=seed, rounds=200, probabilistic=probabilistic)


def test_the_figures_are_those_of_the_metrics() -> None:
    found, expected = scored(), score(LABELLED.labels, PREDICTED)
    assert found.macro_recall.value == pytest.approx(expected.macro_recall)
    assert (found.n, found.recall, found.precision, found.confusion) == (
        120,
        expected.recall,
        expected.precision,
        expected.confusion,
    )
    assert found.macro_recall.low < found.macro_recall.value < found.macro_recall.high
    assert found.calibration is not None
    assert sum(each.n for each in found.calibration.curve) == 120


def test_a_scale_has_no_calibration() -> None:
    assert scored(probabilistic=False).calibration is None


def test_slices_are_large_enough_and_not_the_whole_set() -> None:
    found = scored()
    assert {(each.dimension, each.value, each.n) for each in found.slices} == {
        ("emoji", "with", 30),
        ("emoji", "without", 90),
    }
    assert {each.classes for each in found.slices} == {3}


def test_a_set_is_scored_alike_whenever_it_is_scored() -> None:
    assert scored() == scored()
    assert scored(seed=4).macro_recall.low != scored().macro_recall.low


def test_a_text_without_an_answer_is_an_error() -> None:
    with pytest.raises(KeyError):
        answered(["unheard of"], predictions(LABELLED.texts, PREDICTED))
