from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.dedup import DuplicateIndex
from app.core.text import content_hash
from app.core.types import Event
from pipelines.process import Preparer, mark_duplicates, records
from tests.fakes.pipeline import START, message, predicted

ENGLISH = frozenset({"en"})


def _event(query: str = "*", **changes: Any) -> Event:
    return replace(Event("launch", "Launch", query), **changes)


def test_only_what_matches_the_query_is_kept() -> None:
    texts = ["The WATCH is here", "stop-watch", "watching", "clock", "#watch"]
    prepared = Preparer(_event("watch"), ENGLISH).prepare([message(i, text) for i, text in enumerate(texts)])
    assert [kept.text for kept in prepared.messages] == ["The WATCH is here", "stop-watch", "#watch"]
    assert prepared.unmatched == 2
    assert prepared.dead_letters == ()


def test_the_window_takes_its_start_and_leaves_its_end() -> None:
    event = _event(starts_at=START, ends_at=START + timedelta(seconds=2))
    prepared = Preparer(event, ENGLISH).prepare([message(i) for i in range(-1, 4)])
    assert [kept.id for kept in prepared.messages] == ["m0", "m1"]
    assert prepared.unmatched == 3


def test_languages_select_and_decide_what_is_scored() -> None:
    german = "Das ist leider eine sehr schlechte Nachricht für alle, die hier wohnen und arbeiten müssen."
    incoming = [message(1, lang="en-GB"), message(2, lang="de"), message(3, german, lang=None), message(4, lang="FR")]
    prepared = Preparer(_event(), ENGLISH).prepare(incoming)
    assert [kept.lang for kept in prepared.messages] == ["en", "de", "de", "fr"]
    assert prepared.scorable == (True, False, False, False)
    assert [message.text for message in prepared.to_score] == [incoming[0].text]
    only = Preparer(_event(languages=("de",)), ENGLISH).prepare(incoming)
    assert [kept.id for kept in only.messages] == ["m2", "m3"]
    assert only.unmatched == 2


def test_countries_select() -> None:
    incoming = [replace(message(1), country="DE"), replace(message(2), country="US"), message(3)]
    prepared = Preparer(_event(countries=("DE", "AT")), ENGLISH).prepare(incoming)
    assert [kept.id for kept in prepared.messages] == ["m1"]


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff", "\0", "&#8203;"])
def test_a_message_without_text_is_put_aside(text: str) -> None:
    prepared = Preparer(_event(), ENGLISH).prepare([replace(message(1), text=text), message(2)])
    assert [kept.id for kept in prepared.messages] == ["m2"]
    (letter,) = prepared.dead_letters
    assert (letter.stage, letter.payload, letter.source, letter.event_id) == ("clean", "m1", "test", "launch")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain  text &amp; 😀", "plain  text &amp; 😀"),
        ("a\0b", "a\ufffdb"),
        ("lone \ud83d here", "lone \ufffd here"),
        ("pair \ud83d\ude00", "pair 😀"),
    ],
)
def test_the_original_is_kept_but_for_what_no_database_holds(text: str, stored: str) -> None:
    (kept,) = Preparer(_event(), ENGLISH).prepare([message(1, text)]).messages
    assert kept.text == stored


def test_nothing_gives_nothing_and_the_input_is_left_alone() -> None:
    preparer = Preparer(_event(), ENGLISH)
    assert preparer.prepare([]).messages == ()
    incoming = [message(1, "a\0b")]
    assert preparer.prepare(incoming) == preparer.prepare(incoming)
    assert incoming == [message(1, "a\0b")]


def test_copies_point_to_the_first() -> None:
    incoming = [message(1, "the same words again"), message(2, "other words here"), message(3, "The same words AGAIN!")]
    marked = mark_duplicates(incoming, DuplicateIndex())
    assert [each.duplicate_of for each in marked] == [None, None, "m1"]


def test_records_join_predictions_with_what_was_scored() -> None:
    messages = [message(1), message(2), message(3)]
    said = [predicted("a"), predicted("bb")]
    made = records(messages, [True, False, True], said, START)
    assert [record.prediction for record in made] == [said[0], None, said[1]]
    assert [record.content_hash for record in made] == [content_hash(each.text) for each in messages]


def test_the_country_is_where_the_source_says_or_else_what_the_profile_says() -> None:
    asked: list[str] = []

    def country_of(location: str) -> str | None:
        asked.append(location)
        return {"Leeds": "GB"}.get(location)

    incoming = [
        replace(message(1), country="FR", location="Leeds"),
        replace(message(2), location="Leeds"),
        replace(message(3), location="in your heart"),
        message(4),
        replace(message(5), publisher="Der Spiegel", url="https://www.spiegel.de/a", location="Leeds"),
        replace(message(6), publisher="Reuters", url="https://www.reuters.com/a"),
    ]
    prepared = Preparer(_event(), ENGLISH, country_of).prepare(incoming)
    assert [kept.country for kept in prepared.messages] == ["FR", "GB", None, None, "DE", None]
    assert asked == ["Leeds", "in your heart"]


def test_an_event_in_some_countries_takes_those_whose_profile_is_there() -> None:
    incoming = [replace(message(i), location=place) for i, place in enumerate(["Lyon, France", "Mars", "Lyon, TX", ""])]
    prepared = Preparer(_event(countries=("FR",)), ENGLISH).prepare(incoming)
    assert [(kept.id, kept.country) for kept in prepared.messages] == [("m0", "FR")]
    assert prepared.unmatched == 3
