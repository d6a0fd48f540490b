"""Which phrases are named, by whom they are counted, and what is folded into one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ngrams import read
from app.core.phrases import (
    FALSE_DISCOVERY_RATE,
    Group,
    Uses,
    chance,
    distinguish,
    false_discovery,
    log_odds,
    times_interval,
)
from app.core.posts import Posts, Texts
from app.core.types import Count, Label
from tests.core.posts import Said, columns

WORDS = "launch shop price screen queue colour light battery case glass city train morning friend photo story".split()


def chatter(
    count: int, seed: int, extra: str = "", share: float = 0.0, vocabulary: Sequence[str] = WORDS
) -> list[Said]:
    """Messages of four ordinary words by as many people; `share` of them also say `extra`."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        words = rng.choices(vocabulary, k=4)
        if number < share * count:
            words.insert(2, extra)
        made.append(Said(" ".join(words), author=f"{seed}-{number}", hour=number / count))
    return made


def named(window: Posts, before: Posts) -> list[Group]:
    inside, outside = Texts.of(window), Texts.of(before)
    corpus = read([*inside.strings(), *outside.strings()])
    writers = inside.writers()
    return distinguish(corpus, inside, np.concatenate([writers, outside.writers() + writers.max() + 1]))[0]


def uses(window: int, before: int, written: tuple[int, int]) -> Uses:
    return Uses(np.array([window]), np.array([before]), written)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(12, 40), st.integers(12, 40))
def test_the_chance_is_that_of_fishers_exact_test(window: int, before: int, inside: int, outside: int) -> None:
    both = window + before
    ways = sum(comb(inside, k) * comb(outside, both - k) for k in range(window, both + 1))
    expected = ways / comb(inside + outside, both)
    assert chance(uses(window, before, (inside, outside)))[0] == pytest.approx(min(expected, 1.0), rel=1e-6)


def test_what_is_new_and_frequent_has_next_to_no_chance() -> None:
    assert chance(uses(400, 0, (80_000, 900_000)))[0] < 1e-300
    assert chance(uses(1, 3, (1_000, 1_000)))[0] > 0.5


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    q = false_discovery(np.array([0.01, 0.04, 0.03, 0.5]), tested=5)
    assert q.tolist() == pytest.approx([0.05, 0.04 * 5 / 3, 0.04 * 5 / 3, 0.625])
    assert false_discovery(np.empty(0), tested=9).tolist() == []


def test_the_odds_fall_when_the_sides_change_places() -> None:
    there = log_odds(uses(30, 10, (500, 900)))
    back = log_odds(uses(10, 30, (900, 500)))
    assert there[0] > 1.96
    assert there[0] == pytest.approx(-back[0])
    assert log_odds(uses(5, 10, (500, 1_000)))[0] == pytest.approx(0)


def test_the_interval_holds_the_ratio_and_narrows() -> None:
    few = [float(bound[0]) for bound in times_interval(uses(9, 2, (1_000, 2_000)))]
    many = [float(bound[0]) for bound in times_interval(uses(90, 20, (10_000, 20_000)))]
    assert few[0] < many[0] < 9 < many[1] < few[1]


def test_a_phrase_that_is_new_is_named_with_those_who_use_it() -> None:
    window = columns(chatter(300, 1, "screen cracked badly", 0.2))
    strongest = named(window, columns(chatter(900, 2), hours=9))[0].phrase
    assert strongest.text == "screen cracked badly"
    assert (strongest.authors, strongest.authors_before, strongest.times, strongest.times_high) == (60, 0, None, None)
    assert strongest.times_low > 10
    assert strongest.q < 1e-20
    assert strongest.counts == {Label.NEGATIVE: Count(60, 60)}
    assert set(strongest.ids) == {f"m{number}" for number in range(60)}


def test_a_phrase_that_grows_is_named_with_its_factor() -> None:
    window = columns(chatter(300, 1, "refund", 0.3))
    before = columns(chatter(900, 2, "refund", 0.03), hours=9)
    phrase = named(window, before)[0].phrase
    assert phrase.text == "refund"
    assert phrase.times is not None
    assert phrase.times_high is not None
    assert phrase.times_low < 10 < phrase.times_high
    assert (phrase.authors, phrase.authors_before) == (90, 27)


def test_overlapping_phrases_are_folded_into_one() -> None:
    groups = named(columns(chatter(300, 1, "screen cracked badly", 0.2)), columns(chatter(900, 2), hours=9))
    assert [group.phrase.text for group in groups if "cracked" in group.phrase.text] == ["screen cracked badly"]
    assert not {"screen", "cracked", "badly", "screen cracked", "cracked badly"} & set(groups[0].phrase.wordings)


def test_copies_and_the_repetitions_of_one_author_count_once() -> None:
    ordinary = chatter(300, 1)
    copies = [Said("they burned my hand", f"copier {n}", family="original") for n in range(200)]
    by_one = [Said(f"{word} burned my hand", "one") for word in WORDS * 3]
    before = columns(chatter(900, 2), hours=9)
    assert all("burned" not in group.phrase.text for group in named(columns(ordinary + copies), before))
    assert all("burned" not in group.phrase.text for group in named(columns(ordinary + by_one), before))
    by_many = [Said(f"{word} burned my hand", f"author {n}") for n, word in enumerate(WORDS * 3)]
    assert any("burned" in group.phrase.text for group in named(columns(ordinary + by_many), before))


def test_copies_are_counted_among_the_messages_of_a_phrase() -> None:
    said = chatter(300, 1, "burned", 0.1)
    said += [Said("RT", f"fan {n}", family="m0", label=Label.POSITIVE) for n in range(7)]
    phrase = named(columns(said), columns(chatter(900, 2), hours=9))[0].phrase
    assert phrase.counts == {Label.NEGATIVE: Count(30, 30), Label.POSITIVE: Count(7, 0)}
    assert phrase.ids[0] == "m0"  # the most repeated first


def test_stop_words_links_and_handles_are_no_phrases() -> None:
    said = [
        Said(f"{each.text} and so it is https://t.co/{n} @brand", each.author) for n, each in enumerate(chatter(300, 1))
    ]
    assert named(columns(said), columns(chatter(900, 2), hours=9)) == []


def test_hashtags_and_emoji_are_phrases() -> None:
    said = [Said(f"{each.text} #Burned 😡", each.author) for each in chatter(100, 1)]
    texts = {group.phrase.text for group in named(columns(said), columns(chatter(900, 2), hours=9))}
    assert texts & {"#burned 😡", "#burned", "😡"}


def test_nothing_is_named_where_both_sides_are_alike() -> None:
    found = [named(columns(chatter(300, seed)), columns(chatter(900, seed + 100), hours=9)) for seed in range(40)]
    assert sum(bool(groups) for groups in found) <= 2 * FALSE_DISCOVERY_RATE * len(found)


def test_a_side_whose_authors_write_more_names_nothing_by_that() -> None:
    # Everyone in the window writes eight times, before once.
    vocabulary = [f"word{number}" for number in range(300)]
    for seed in range(5):
        said = chatter(1_600, seed, vocabulary=vocabulary)
        busy = [Said(each.text, f"author {number % 200}") for number, each in enumerate(said)]
        assert named(columns(busy), columns(chatter(1_600, seed + 100, vocabulary=vocabulary), hours=9)) == []


def test_nothing_is_named_without_another_side() -> None:
    inside = Texts.of(columns(chatter(50, 1)))
    assert distinguish(read(inside.strings()), inside, inside.writers()) == ([], 0)
    empty = Texts.of(columns([Said("...")]))
    corpus = read([*inside.strings(), *empty.strings()])
    assert distinguish(corpus, inside, np.append(inside.writers(), 50)) == ([], 0)
