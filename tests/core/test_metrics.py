from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.metrics import confusion_matrix, score

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
