from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.types import CLASSES, Label
from pipelines.baselines import ENGLISH, Majority, TfidfLinear, Vader
from pipelines.dataset import LabelledTexts


@pytest.fixture(scope="module")
def linear() -> TfidfLinear:
    words = ("awful delay", "gate twelve", "lovely crew")
    texts = tuple(f"the {words[i % 3]} on flight number {i % 7}" for i in range(60))
    return TfidfLinear(LabelledTexts(texts, tuple(i % 3 for i in range(60))))


def test_the_majority_says_the_commonest_class_and_the_shares() -> None:
    (answer,) = Majority([1, 1, 1, 0, 2]).classify(["anything"])
    assert answer.label is Label.NEUTRAL
    assert answer.probabilities == pytest.approx((0.2, 0.6, 0.2))


def test_vader_uses_its_own_thresholds() -> None:
    labels = [answer.label for answer in Vader().classify(["I love it", "the gate is twelve", "this is horrible"])]
    assert labels == [Label.POSITIVE, Label.NEUTRAL, Label.NEGATIVE]


@given(st.text(max_size=60))
def test_vaders_label_is_its_largest_share(text: str) -> None:
    (answer,) = Vader().classify([text])
    assert sum(answer.probabilities) == pytest.approx(1)
    assert answer.probabilities[CLASSES.index(answer.label)] == pytest.approx(max(answer.probabilities))


def test_the_linear_model_learns_words(linear: TfidfLinear) -> None:
    answers = linear.classify(["what a lovely crew", "awful, awful delay", "gate twelve"])
    assert [answer.label for answer in answers] == [Label.POSITIVE, Label.NEGATIVE, Label.NEUTRAL]
    assert all(sum(answer.probabilities) == pytest.approx(1) for answer in answers)


def test_the_linear_model_needs_all_classes() -> None:
    with pytest.raises(ValueError, match="only the classes"):
        TfidfLinear(LabelledTexts(tuple(f"text {i} here and there" for i in range(20)), (0, 1) * 10))


def test_every_baseline_answers_in_order_and_nothing_to_nothing(linear: TfidfLinear) -> None:
    for baseline in (Majority([0, 1, 1, 2]), Vader(), linear):
        assert baseline.languages == ENGLISH
        assert baseline.classify([]) == []
        texts = ["a lovely crew", "", "awful delay"]
        assert baseline.classify(texts) == [baseline.classify([text])[0] for text in texts]
        assert {answer.model for answer in baseline.classify(texts)} == {baseline.model}
