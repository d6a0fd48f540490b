"""Post objects of the X API as messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.sources.parsing import MAX_PAYLOAD_CHARS, Origin
from pipelines.sources.x_posts import Posts, post_time, read_posts
from tests.fakes.clock import START, Clock
from tests.fakes.x_api import make_post, post_id

INCLUDES: dict[str, Any] = {
    "users": [
        {"id": "7", "username": "ann", "location": "Leeds, UK"},
        {"id": "8", "username": "Bob_B"},
    ],
    "places": [{"id": "p1", "country_code": "gb"}],
    "tweets": [{"id": "55", "text": "the whole of a long post & more", "author_id": "8"}],
}


def read(*records: Any, includes: Any = INCLUDES, **more: Any) -> Posts:
    answer = {"data": list(records), "includes": includes, **more}
    return read_posts(answer, Origin("x_search", "e1", Clock()))


def test_a_post_becomes_a_message_with_its_author_and_place() -> None:
    record = make_post(START, "good &amp; new", geo={"place_id": "p1"})
    (message,) = read(record).messages
    assert message.id == f"x:{record['id']}"
    assert message.text == "good &amp; new"
    assert message.created_at == START
    assert (message.source, message.author, message.lang) == ("x", "ann", "en")
    assert (message.location, message.country) == ("Leeds, UK", "GB")
    assert message.url == f"https://x.com/ann/status/{record['id']}"
    assert message.supersedes == ()


def test_a_post_without_author_place_and_language_stands() -> None:
    record = {"id": post_id(START), "text": "hello"}
    (message,) = read(record, includes=None).messages
    assert (message.author, message.location, message.country, message.lang) == (None, None, None, None)
    assert message.created_at == START  # the id holds it
    assert message.url == f"https://x.com/i/status/{record['id']}"


def test_the_whole_text_of_a_long_post_is_taken() -> None:
    (message,) = read(make_post(START, "cut…", note_tweet={"text": "not cut at all"})).messages
    assert message.text == "not cut at all"


def test_an_edit_supersedes_the_earlier_revisions() -> None:
    own = post_id(START)
    record = make_post(START, "second thoughts", edit_history_tweet_ids=["11", "12", own])
    (message,) = read(record).messages
    assert message.id == f"x:{own}"
    assert message.supersedes == ("x:11", "x:12")


def test_the_first_of_several_revisions_supersedes_nothing() -> None:
    own = post_id(START)
    (message,) = read(make_post(START, "first", edit_history_tweet_ids=[own, own + "9"])).messages
    assert message.supersedes == ()


@pytest.mark.parametrize(
    ("includes", "expected"),
    [
        (INCLUDES, "RT @Bob_B: the whole of a long post & more"),
        ({"tweets": INCLUDES["tweets"]}, "RT @bobby: the whole of a long post & more"),
        ({}, "RT @bobby: the whole of a lo…"),
    ],
    ids=["whole post and author", "whole post", "neither"],
)
def test_a_retweet_carries_the_text_it_repeats(includes: Any, expected: str) -> None:
    references = [{"type": "quoted", "id": "1"}, {"type": "retweeted", "id": "55"}]
    record = make_post(START, "RT @bobby: the whole of a lo…", referenced_tweets=references)
    (message,) = read(record, includes=includes).messages
    assert message.text == expected


def test_a_quoting_post_keeps_its_own_text() -> None:
    (message,) = read(make_post(START, "so true", referenced_tweets=[{"type": "quoted", "id": "55"}])).messages
    assert message.text == "so true"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("a text", "not a post object"),
        ({"text": "no id"}, "no id"),
        ({"id": "abc", "text": "hello"}, "not a post id: 'abc'"),
        ({"id": post_id(START)}, "no text"),
        ({"id": post_id(START), "text": " "}, "no text"),
        ({"id": "123", "text": "hello"}, "no time"),
        ({"id": post_id(START), "text": "hello", "created_at": "yesterday"}, "not a time: 'yesterday'"),
    ],
)
def test_a_bad_post_is_a_dead_letter_and_the_others_stand(record: Any, reason: str) -> None:
    posts = read(make_post(START, "fine"), record)
    assert [message.text for message in posts.messages] == ["fine"]
    (letter,) = posts.dead_letters
    assert (letter.stage, letter.reason, letter.source, letter.event_id) == ("parse", reason, "x_search", "e1")


def test_withheld_and_deleted_posts_are_counted_with_their_reason() -> None:
    problem = {"title": "Not Found Error", "detail": "Could not find tweet with id: [456].", "resource_id": "456"}
    (letter,) = read(errors=[problem]).dead_letters
    assert letter.stage == "fetch"
    assert letter.reason == "Not Found Error: Could not find tweet with id: [456]."
    assert '"456"' in letter.payload


def test_a_dead_letter_is_not_larger_than_needed() -> None:
    (letter,) = read({"id": "x" * 100_000}).dead_letters
    assert len(letter.payload) == MAX_PAYLOAD_CHARS


def test_messages_are_oldest_first() -> None:
    records = [make_post(START + timedelta(seconds=second), str(second)) for second in (3, 2, 1)]
    assert [message.text for message in read(*records).messages] == ["1", "2", "3"]


def test_the_time_in_an_id() -> None:
    # The id and time of a recorded answer: tests of tweepy, 2022-10-07 22:42:12.637103 by its text.
    at = post_time("1578516068309794817")
    assert at is not None
    assert abs(at - datetime(2022, 10, 7, 22, 42, 12, 637103, tzinfo=UTC)) < timedelta(seconds=1)
    assert post_time("123") is None
    assert post_time("gop2015-00012") is None
    assert post_time("9" * 40) is None
