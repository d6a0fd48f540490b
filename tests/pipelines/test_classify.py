from __future__ import annotations

import pytest

from pipelines.classify import Classify, classify, classify_here
from tests.fakes.evaluation import WordClassifier, contestant

TEXTS = ["a good day", "a bad day", "a day", "a good day", ""]


def test_each_distinct_text_is_answered_once() -> None:
    classifier = WordClassifier()
    found = classify_here(lambda: classifier, TEXTS)
    assert sorted(classifier.seen) == sorted(set(TEXTS))
    assert found.by_text == dict(zip(TEXTS, WordClassifier().classify(TEXTS), strict=True))
    assert (found.backend, found.classified) == ("words", 4)
    assert found.texts_per_s > 0


def test_nothing_asked_makes_no_classifier() -> None:
    for ask in (classify_here, classify):
        found = ask(lambda: pytest.fail("made"), [])
        assert (found.by_text, found.texts_per_s, found.backend) == ({}, 0.0, "")


def test_the_actor_keeps_rows_and_answers_together() -> None:
    batch = Classify(contestant("words-9").make)({"row": [7, 3], "text": ["a good day", "a bad day"]})
    assert (list(batch["row"]), list(batch["label"])) == ([7, 3], [2, 0])
    assert (list(batch["positive"]), list(batch["model"])) == ([0.95, 0.01], ["words-9"] * 2)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_answers_that_this_process_gives(ray_cluster: None) -> None:
    texts = [f"{word} day {number}" for number in range(1_500) for word in ("good", "bad", "plain")]
    there, here = classify(contestant().make, texts), classify_here(contestant().make, texts)
    assert there.by_text == here.by_text
    assert there.classified == 4_500
    assert there.texts_per_s > 0
