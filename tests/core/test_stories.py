"""Texts sorted into stories."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.ngrams import read
from app.core.phrases import distinguish
from app.core.posts import Posts, Texts
from app.core.stories import MOST_STORIES, StoryLine, tell
from app.core.types import Label
from tests.core.posts import Said, columns
from tests.core.test_phrases import chatter

BEFORE = columns(chatter(900, 2), hours=9, name="b")
REFUND = [Said(f"{each.text} refund refused again", f"r{each.author}") for each in chatter(40, 5)]
CRACK = [Said(f"{each.text} my screen cracked", f"c{each.author}") for each in chatter(60, 4)]


def stories(window: Posts, before: Posts = BEFORE) -> list[StoryLine]:
    inside, outside = Texts.of(window), Texts.of(before)
    corpus = read([*inside.strings(), *outside.strings()])
    writers = inside.writers()
    groups, _ = distinguish(corpus, inside, np.concatenate([writers, outside.writers() + writers.max() + 1]))
    return tell(groups, inside, outside, len(inside))


def test_two_things_that_happen_are_two_stories() -> None:
    first, second, *_ = stories(columns(chatter(100, 1) + CRACK + REFUND))
    assert "cracked" in " ".join(first.story.phrases)
    assert "refund" in " ".join(second.story.phrases)
    assert set(first.story.ids) >= {f"m{number}" for number in range(100, 160)}
    assert set(second.story.ids) >= {f"m{number}" for number in range(160, 200)}
    assert first.story.exemplar in {f"m{number}" for number in range(100, 160)}
    assert first.story.first == min(first.story.ids, key=lambda id_: int(id_[1:]))


def test_phrases_of_the_same_texts_are_one_story() -> None:
    said = [Said(f"battery burned {each.text} my hand hurts", each.author) for each in chatter(60, 4)]
    about = [line.story for line in stories(columns(chatter(100, 1) + said)) if line.story.total.raw >= 50]
    assert len(about) == 1
    assert about[0].total.raw >= 60


def test_a_text_that_many_pass_on_is_a_story_of_its_own() -> None:
    original = Said("Protest in the shop", "ann", 0.5)
    copies = [Said("RT @ann: Protest in the shop", f"fan {n}", 0.6, family="m100") for n in range(40)]
    line = stories(columns([*chatter(100, 1), original, *copies]))[0]
    assert (line.story.phrases, line.story.exemplar, line.story.first) == ((), "m100", "m100")
    assert (line.story.total.raw, line.story.total.distinct, line.story.authors) == (41, 1, 41)
    assert line.story.ids == ("m100",)


def test_what_was_passed_on_before_too_did_not_rise() -> None:
    copies = [Said("RT an old joke", f"fan {n}", family="joke") for n in range(10)]
    before = columns(chatter(900, 2) + copies * 9, hours=9, name="b")
    line = next(line for line in stories(columns(chatter(100, 1) + copies), before) if not line.story.phrases)
    assert line.story.rise == pytest.approx(0)


def test_the_exemplar_is_the_most_repeated_of_the_most_central() -> None:
    copies = [Said("RT", f"fan {n}", family="m120") for n in range(9)]
    line = stories(columns(chatter(100, 1) + CRACK + copies))[0]
    assert "cracked" in " ".join(line.story.phrases)
    assert line.story.exemplar == "m120"


def test_a_story_has_the_labels_of_its_messages() -> None:
    positive = [Said(each.text, each.author, label=Label.POSITIVE) for each in CRACK[:20]]
    line = stories(columns(chatter(100, 1) + positive + CRACK[20:]))[0]
    assert line.story.counts[Label.POSITIVE].raw == 20
    assert line.story.counts[Label.NEGATIVE].raw >= 40


def test_little_is_no_story_and_there_are_not_too_many() -> None:
    four = [Said("RT four", f"fan {n}", family="m0") for n in range(3)]
    assert stories(columns(chatter(20, 1) + four)) == []
    many = [Said(f"RT {story}", f"fan {n}", family=f"{story}") for story in range(20) for n in range(30)]
    assert len(stories(columns(chatter(100, 1) + many))) == MOST_STORIES
