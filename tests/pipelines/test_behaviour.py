from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.types import Label, Prediction
from pipelines.behaviour import judge, passes, texts_of, valence
from pipelines.sentences import Case, Rule, cases, with_typo
from tests.fakes.evaluation import WordClassifier


def said(label: Label, valence_: float = 0.0) -> Prediction:
    positive = max(0.0, valence_)
    return Prediction(label, (positive - valence_, 1 - abs(valence_), positive), "m", "b")


def test_there_are_a_hundred_of_every_kind_and_always_the_same() -> None:
    made = cases()
    assert min(Counter(case.kind for case in made).values()) >= 100
    assert made == cases()
    assert len({case.kind for case in made}) == 14


def test_every_kind_has_one_rule_and_its_cases_differ() -> None:
    made = cases()
    assert len({(case.kind, case.rule) for case in made}) == len({case.kind for case in made})
    assert len(set(made)) == len(made)
    assert [case for case in made if case.changed == case.text] == []
    assert [case for case in made if "{" in case.text + (case.changed or "")] == []


def test_plain_sentences_have_labels_and_the_others_a_change() -> None:
    labels = {label.value for label in Label}
    assert [case for case in cases() if (case.rule.value in labels) != (case.changed is None)] == []


def test_an_emoji_is_the_only_thing_added() -> None:
    added = [case for case in cases() if case.kind == "positive emoji added"]
    assert all(case.changed and case.changed.startswith(f"{case.text} ") for case in added)


@given(st.text(max_size=40), st.integers())
def test_a_typo_keeps_the_letters(text: str, seed: int) -> None:
    changed = with_typo(text, random.Random(seed))
    assert sorted(changed) == sorted(text)
    assert sum(a != b for a, b in zip(text, changed, strict=True)) in (0, 2)


def test_a_typo_is_inside_a_word() -> None:
    assert with_typo("to be 42", random.Random(1)) == "to be 42"
    assert with_typo("love", random.Random(1)) == "lvoe"


@pytest.mark.parametrize(
    ("rule", "before", "after", "kept"),
    [
        (Rule.POSITIVE, said(Label.POSITIVE), None, True),
        (Rule.POSITIVE, said(Label.NEUTRAL), None, False),
        (Rule.SAME, said(Label.NEUTRAL, 0.4), said(Label.NEUTRAL, -0.4), True),
        (Rule.SAME, said(Label.NEUTRAL), said(Label.POSITIVE), False),
        (Rule.DOWN, said(Label.POSITIVE, 0.9), said(Label.POSITIVE, 0.5), True),
        (Rule.DOWN, said(Label.POSITIVE, 0.9), said(Label.POSITIVE, 0.85), False),
        (Rule.DOWN, said(Label.NEGATIVE, -0.9), said(Label.NEGATIVE, -0.85), True),
        (Rule.UP, said(Label.NEGATIVE, -0.9), said(Label.NEUTRAL, -0.1), True),
        (Rule.UP, said(Label.NEGATIVE, -0.9), said(Label.NEGATIVE, -0.95), False),
        (Rule.UP, said(Label.POSITIVE, 0.9), said(Label.POSITIVE, 0.85), True),
    ],
)
def test_rules(rule: Rule, before: Prediction, after: Prediction | None, kept: bool) -> None:
    assert passes(rule, before, after) is kept


@given(st.floats(-1, 1))
def test_valence_is_positive_less_negative(value: float) -> None:
    assert valence(said(Label.NEUTRAL, value)) == pytest.approx(value)


def test_pass_counts_and_failures() -> None:
    tests = [
        Case("plain", Rule.POSITIVE, "a good day"),
        Case("plain", Rule.POSITIVE, "a fine day"),
        Case("swap", Rule.SAME, "good", "bad"),
    ]
    texts = texts_of([*tests, tests[0]])
    assert texts == ["a good day", "a fine day", "good", "bad"]
    plain, swap = judge(tests, dict(zip(texts, WordClassifier().classify(texts), strict=True)))
    assert (plain.kind, plain.rule, plain.n, plain.passed, plain.rate) == ("plain", "positive", 2, 1, 0.5)
    assert [example.text for example in plain.examples] == ["a fine day"]
    assert (swap.passed, swap.examples[0].changed) == (0, "bad")
    assert swap.examples[0].got == "positive (+0.94) -> negative (-0.94)"


def test_a_few_failures_of_many_are_shown() -> None:
    tests = [Case("plain", Rule.POSITIVE, f"day {number}") for number in range(103)]
    texts = texts_of(tests)
    (plain,) = judge(tests, dict(zip(texts, WordClassifier().classify(texts), strict=True)))
    assert plain.passed == 0
    assert len(plain.examples) == 5
    assert plain.examples[-1].text == "day 80"
