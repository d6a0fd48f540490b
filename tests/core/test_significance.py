from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.metrics import Ints, calibration, confusion_matrix, score
from app.core.significance import (
    ece_interval,
    joint_counts,
    mcnemar,
    mean_recall_difference,
    paired_differences,
    score_intervals,
)

CLASS = st.integers(0, 2)
TRIPLES = st.lists(st.tuples(CLASS, CLASS, CLASS), min_size=1, max_size=60)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def joint(triples: list[tuple[int, int, int]]) -> Ints:
    true, first, second = (np.array(column) for column in zip(*triples, strict=True))
    return joint_counts(true, first, second)


@given(st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=60))
def test_the_value_is_the_score_and_limits_are_in_range(pairs: list[tuple[int, int]]) -> None:
    true, predicted = map(list, zip(*pairs, strict=True))
    found, scores = score_intervals(confusion_matrix(true, predicted, 3), rng(), rounds=200), score(true, predicted)
    assert found.accuracy.value == pytest.approx(scores.accuracy)
    assert found.macro_recall.value == pytest.approx(scores.macro_recall)
    assert found.macro_f1.value == pytest.approx(scores.macro_f1)
    for interval in (found.accuracy, found.macro_recall, found.macro_f1):
        assert 0 <= interval.low <= interval.high <= 1


def test_counts_are_resampled_as_rows_would_be() -> None:
    draw = rng(3)
    true = draw.integers(0, 3, size=300)
    predicted = np.where(draw.random(300) < 0.7, true, draw.integers(0, 3, size=300))
    picks = [draw.integers(300, size=300) for _ in range(2_000)]
    by_rows = [score(true[rows], predicted[rows]).macro_recall for rows in picks]
    found = score_intervals(confusion_matrix(true, predicted, 3), rng()).macro_recall
    assert [found.low, found.high] == pytest.approx(np.percentile(by_rows, [2.5, 97.5]), abs=0.006)


def test_more_texts_are_surer() -> None:
    matrix = np.array([[30, 10, 10], [10, 30, 10], [10, 10, 30]])
    few, many = (score_intervals(matrix * times, rng()).macro_recall for times in (1, 16))
    assert (many.high - many.low) == pytest.approx((few.high - few.low) / 4, rel=0.15)


def test_the_same_seed_gives_the_same_interval() -> None:
    matrix = np.array([[5, 1, 0], [2, 7, 1], [0, 1, 4]])
    assert score_intervals(matrix, rng(9)) == score_intervals(matrix, rng(9))


def test_no_text_has_no_interval() -> None:
    with pytest.raises(ValueError, match="no text"):
        score_intervals(np.zeros((3, 3), dtype=np.int64), rng())


@given(TRIPLES)
def test_a_difference_is_the_second_less_the_first(triples: list[tuple[int, int, int]]) -> None:
    true, first, second = (list(column) for column in zip(*triples, strict=True))
    one, other = score(true, first), score(true, second)
    found = paired_differences(joint(triples), rng(), rounds=100)
    assert found.macro_recall.value == pytest.approx(other.macro_recall - one.macro_recall)
    assert found.macro_f1.value == pytest.approx(other.macro_f1 - one.macro_f1)
    assert found.accuracy.value == pytest.approx(other.accuracy - one.accuracy)


@given(TRIPLES)
def test_exchanging_the_two_turns_the_difference_around(triples: list[tuple[int, int, int]]) -> None:
    there, back = (
        paired_differences(counts, rng(), rounds=50)
        for counts in (joint(triples), joint([(t, b, a) for t, a, b in triples]))
    )
    assert there.macro_recall.value == pytest.approx(-back.macro_recall.value)


@given(st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=60))
def test_a_classifier_differs_from_itself_by_nothing(pairs: list[tuple[int, int]]) -> None:
    found = paired_differences(joint([(t, a, a) for t, a in pairs]), rng(), rounds=50).macro_recall
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_pairing_sees_what_two_separate_intervals_hide() -> None:
    triples = [
        (label, label if i % 4 else (label + 1) % 3, label if i % 4 or i % 8 else (label + 1) % 3)
        for i in range(600)
        for label in (i % 3,)
    ]
    found = paired_differences(joint(triples), rng()).macro_recall
    assert found.low > 0
    true, first, second = (np.array(column) for column in zip(*triples, strict=True))
    one, other = (score_intervals(confusion_matrix(true, each, 3), rng()).macro_recall for each in (first, second))
    assert found.high - found.low < min(one.high - one.low, other.high - other.low)


def test_the_mean_over_sets_weighs_sets_alike() -> None:
    better = joint([(0, 1, 0), (1, 1, 1), (2, 2, 2)] * 4)
    same = joint([(0, 0, 0), (1, 1, 1), (2, 2, 2)] * 400)
    assert mean_recall_difference([better, same], rng()).value == pytest.approx(1 / 6)
    with pytest.raises(ValueError, match="at least one set"):
        mean_recall_difference([], rng())


def test_predictions_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match="two predictions for each label"):
        joint_counts([0, 1], np.array([0, 1]), np.array([0]))


def test_the_interval_of_the_calibration_error_is_around_it() -> None:
    draw = rng(5)
    probabilities = draw.dirichlet([1.0, 1.0, 1.0], size=2_000)
    true = draw.integers(0, 3, size=2_000)
    found = ece_interval(true, probabilities, rng())
    assert found.value == pytest.approx(calibration(true, probabilities).ece)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("only_first", "only_second", "exact", "mid"),
    [
        (0, 0, 1.0, 1.0),
        (5, 0, 2 / 32, 1 / 32),
        (1, 7, 2 * 9 / 256, (2 * 9 - 8) / 256),
        (4, 4, 1.0, 1 - comb(8, 4) / 512),
        (59, 59, 1.0, 1 - comb(118, 59) / 2**119),
    ],
)
def test_mcnemar(only_first: int, only_second: int, exact: float, mid: float) -> None:
    triples = [(0, 0, 0)] * 3 + [(1, 0, 2)] * 2 + [(0, 0, 1)] * only_first + [(2, 0, 2)] * only_second
    found = mcnemar(joint(triples))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert (found.exact_p, found.mid_p) == (pytest.approx(exact), pytest.approx(mid))


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_a_probability_and_takes_no_side(only_first: int, only_second: int) -> None:
    counts = np.zeros((3, 3, 3), dtype=np.int64)
    counts[0, 0, 1], counts[0, 1, 0] = only_first, only_second
    one, other = mcnemar(counts), mcnemar(counts.transpose(0, 2, 1))
    assert 0 <= one.mid_p <= one.exact_p <= 1
    assert (one.exact_p, one.mid_p) == (other.exact_p, other.mid_p)
