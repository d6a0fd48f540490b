"""Columns of messages, and the different texts among them."""

from __future__ import annotations

import numpy as np

from app.core.evidence import MOST_IDS
from app.core.posts import Texts
from app.core.types import Count, Label
from tests.core.posts import Said, columns

NEGATIVE, POSITIVE = Label.NEGATIVE, Label.POSITIVE


def test_the_earliest_of_a_family_stands_for_all() -> None:
    texts = Texts.of(
        columns(
            [
                Said("a", "ann"),
                Said("b", "bob", label=POSITIVE),
                Said("RT a", "cy", family="m0", label=POSITIVE),
                Said("RT a", "ann", family="m0"),
            ],
            hours=2,
            weight=3,
        )
    )
    assert len(texts) == 2
    assert texts.strings() == ["a", "b"]
    assert texts.copies.tolist() == [3, 1]
    assert texts.tally(np.array([0])) == {NEGATIVE: Count(2, 1), POSITIVE: Count(1, 0)}
    assert texts.ids(np.array([1, 0])) == ("m0", "m1")  # the most repeated first
    assert texts.rate(np.array([0])) == 3 * 3 / 2
    assert texts.authors(np.array([0])) == 2


def test_a_family_whose_original_is_elsewhere_is_led_by_its_earliest_copy() -> None:
    texts = Texts.of(columns([Said("RT a", family="gone"), Said("RT a!", family="gone")]))
    assert (texts.strings(), texts.id_of(0), texts.family_of(0)) == (["RT a"], "m0", "gone")


def test_who_is_not_known_is_somebody_else_every_time() -> None:
    texts = Texts.of(columns([Said("a"), Said("b"), Said("c", "ann"), Said("d", "ann"), Said("e", family="m0")]))
    numbers = texts.writers().tolist()
    assert numbers[2] == numbers[3]
    assert len(set(numbers)) == 3
    assert texts.authors(np.array([0, 1])) == 2


def test_an_author_counts_anew_in_every_stretch() -> None:
    texts = Texts.of(columns([Said("a", "ann", 0.1), Said("b", "ann", 0.9), Said("c", "ann", 1.1)]))
    first, second, third = texts.writers(width=3_600_000_000).tolist()
    assert first == second != third


def test_no_more_ids_are_kept_than_are_opened() -> None:
    texts = Texts.of(columns([Said(str(number)) for number in range(MOST_IDS + 5)]))
    assert len(texts.ids(np.arange(len(texts)))) == MOST_IDS


def test_messages_of_some_labels() -> None:
    posts = columns([Said("a", "ann"), Said("b", label=POSITIVE, domain="x.example"), Said("c", label=Label.NEUTRAL)])
    kept = posts.only({POSITIVE, Label.NEUTRAL})
    assert (kept.ids, kept.texts, kept.authors, kept.domains) == (["m1", "m2"], ["b", "c"], ["", ""], ["x.example", ""])
    assert (len(kept), len(kept.created_at), kept.hours, kept.weight) == (2, 2, posts.hours, posts.weight)
    assert len(posts.only(set())) == 0
