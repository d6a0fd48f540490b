from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.metrics import calibration, confusion_matrix, equal_width_bins, means, score

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def test_known_scores() -> None:
    scores = score([0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 0, 2, 2])
    assert scores.n == 8
    assert scores.confusion == ((3, 1, 0), (1, 1, 0), (0, 0, 2))
    assert scores.recall == (0.75, 0.5, 1.0)
    assert scores.accuracy == 0.75
    assert scores.macro_recall == 0.75
    assert scores.macro_f1 == pytest.approx((0.75 + 0.5 + 1.0) / 3)


def test_a_class_that_does_not_occur_is_left_out_of_the_means() -> None:
    scores = score([0, 0, 1, 1], [0, 0, 1, 2])
    assert scores.macro_recall == 0.75
    assert scores.recall[2] == 0.0
    assert scores.macro_f1 == pytest.approx((1.0 + 2 / 3) / 2)


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    assert confusion_matrix([2], [0], 3).tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([0], []), ([0, 1], [0])])
def test_nothing_to_score_is_refused(true: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match="as many predictions as labels"):
        score(true, predicted)


@given(PAIRS)
def test_every_text_is_counted_once_and_scores_stay_in_range(pairs: list[tuple[int, int]]) -> None:
    true, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = score(true, predicted)
    assert sum(map(sum, scores.confusion)) == scores.n == len(pairs)
    assert all(0 <= value <= 1 for value in (scores.accuracy, scores.macro_recall, scores.macro_f1, *scores.recall))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_all_right_is_one(true: list[int]) -> None:
    scores = score(true, true)
    assert (scores.accuracy, scores.macro_recall, scores.macro_f1) == (1.0, 1.0, 1.0)


@given(PAIRS)
def test_order_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    shuffled = sorted(pairs)
    assert score(*map(list, zip(*pairs, strict=True))) == score(*map(list, zip(*shuffled, strict=True)))


def test_precision_follows_the_columns() -> None:
    assert score([0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 0, 2, 2]).precision == (0.75, 0.5, 1.0)
    assert score([0, 1], [0, 0]).precision == (0.5, 0.0, 0.0)


@given(st.lists(PAIRS, min_size=1, max_size=5))
def test_a_stack_of_matrices_scores_like_each_alone(sets: list[list[tuple[int, int]]]) -> None:
    stacked = np.array([confusion_matrix(*map(list, zip(*pairs, strict=True)), 3) for pairs in sets])
    found = means(stacked)
    for place, pairs in enumerate(sets):
        alone = score(*map(list, zip(*pairs, strict=True)))
        assert found.accuracy[place] == pytest.approx(alone.accuracy)
        assert found.macro_recall[place] == pytest.approx(alone.macro_recall)
        assert found.macro_f1[place] == pytest.approx(alone.macro_f1)


def rows(*values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.array(values)


def test_known_calibration() -> None:
    probabilities = rows([0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.2, 0.6, 0.2])
    found = calibration([0, 1, 1, 1], probabilities)
    assert found.ece == pytest.approx((2 * abs(0.9 - 0.5) + 2 * abs(0.6 - 1.0)) / 4)
    assert found.brier == pytest.approx((0.02 + (0.81 + 0.81) + 2 * (0.04 + 0.16 + 0.04)) / 4)
    assert found.nll == pytest.approx(-(math.log(0.9) + math.log(0.1) + 2 * math.log(0.6)) / 4)
    assert [(point.n, point.accuracy) for point in found.curve] == [(2, 1.0), (2, 0.5)]


def test_a_sure_mistake_counts_much_and_not_for_ever() -> None:
    assert calibration([1], rows([1.0, 0.0, 0.0])).nll == pytest.approx(-math.log(1e-7))


def test_probabilities_that_come_true_are_calibrated() -> None:
    rng = np.random.default_rng(7)
    probabilities = rng.dirichlet([1.0, 1.0, 1.0], size=20_000)
    true = np.array([rng.choice(3, p=row) for row in probabilities])
    found = calibration(true, probabilities)
    assert found.ece < 0.02
    assert found.ece_equal_mass < 0.02
    assert calibration(true, probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)).ece > 0.1


LABELLED = st.lists(
    st.tuples(st.integers(0, 2), st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda row: [x / sum(row) for x in row])),
    min_size=1,
    max_size=50,
)


@given(LABELLED, st.randoms())
def test_calibration_does_not_hang_on_the_order(labelled: list[tuple[int, list[float]]], rng: random.Random) -> None:
    shuffled = rng.sample(labelled, len(labelled))
    one, other = (
        calibration([label for label, _ in each], rows(*(row for _, row in each))) for each in (labelled, shuffled)
    )
    assert (one.ece, one.ece_equal_mass) == (pytest.approx(other.ece), pytest.approx(other.ece_equal_mass))
    assert sum(point.n for point in one.curve) == len(labelled)
    assert 0 <= one.ece <= 1
    assert 0 <= one.ece_equal_mass <= 1
    assert 0 <= one.brier <= 2


@given(st.floats(0, 1), st.integers(1, 20))
def test_every_confidence_has_the_bin_it_lies_in(confidence: float, bins: int) -> None:
    place = int(equal_width_bins(np.array([confidence]), bins)[0])
    assert place / bins - 1e-9 <= confidence <= (place + 1) / bins + 1e-9


def test_uneven_calibration_is_refused() -> None:
    with pytest.raises(ValueError, match="as many predictions as labels"):
        calibration([0, 1], rows([1.0, 0.0, 0.0]))
