"""X API v2 post objects as messages, the same for recent search and the filtered stream.

A message's id is "x:<post id>", so that both give the same post the same id. An edit is a post with an id of its own:
it supersedes the earlier ids of its edit history. A retweet carries the whole text of the post it repeats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.core.types import DeadLetter, Message
from pipelines.sources.parsing import (
    JsonObject,
    Origin,
    Unreadable,
    as_object,
    objects,
    required_text,
    text_or_none,
    utc_time,
)

# What a request asks for, in tweepy's spelling. note_tweet is the whole text of posts beyond 280 characters.
SEARCH_FIELDS: dict[str, list[str]] = {
    "tweet_fields": ["author_id", "created_at", "edit_history_tweet_ids", "geo", "lang", "note_tweet"],
    "expansions": ["author_id", "geo.place_id"],
    "user_fields": ["location", "username"],
    "place_fields": ["country_code"],
}
# Only the stream still has retweets, so only there the posts they refer to are asked for.
STREAM_FIELDS: dict[str, list[str]] = SEARCH_FIELDS | {
    "tweet_fields": [*SEARCH_FIELDS["tweet_fields"], "referenced_tweets"],
    "expansions": [*SEARCH_FIELDS["expansions"], "referenced_tweets.id", "referenced_tweets.id.author_id"],
}

# Post ids hold their time: milliseconds since this moment, shifted by 22 bits (Snowflake, from November 2010 on).
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
_SNOWFLAKE_SHIFT = 22
_FIRST_SNOWFLAKE = 29_700_000_000

_RETWEET_OF = re.compile(r"^RT @(\w+):")


def post_time(post_id: str) -> datetime | None:
    """When the post with this id was made, exact to the millisecond; None for an id older than Snowflake."""
    if not (post_id.isascii() and post_id.isdigit()) or int(post_id) < _FIRST_SNOWFLAKE:
        return None
    try:
        return _SNOWFLAKE_EPOCH + timedelta(milliseconds=int(post_id) >> _SNOWFLAKE_SHIFT)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Includes:
    """The objects that an answer's posts refer to, by id."""

    users: dict[str, JsonObject] = field(default_factory=dict)
    places: dict[str, JsonObject] = field(default_factory=dict)
    posts: dict[str, JsonObject] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: JsonObject) -> Includes:
        """The includes of an answer; what lacks an id is left out."""
        includes = as_object(answer.get("includes"))
        return cls(*({str(item.get("id")): item for item in objects(includes.get(kind))} for kind in _KINDS))

    def username(self, post: JsonObject) -> str | None:
        """The handle of the post's author, without the @."""
        return text_or_none(self.users.get(str(post.get("author_id")), {}).get("username"))


_KINDS = ("users", "places", "tweets")


@dataclass(slots=True)
class Posts:
    """What an answer's posts became."""

    messages: list[Message] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)

    @property
    def newest_id(self) -> str | None:
        """The highest post id of the messages."""
        return max((message.id.removeprefix("x:") for message in self.messages), key=int, default=None)


def read_posts(answer: JsonObject, origin: Origin) -> Posts:
    """The messages of an answer (search: a list of posts, stream: one), oldest first.

    A post that can't be read, and each of the `errors` that X sends with a 200 (withheld, deleted), is a dead letter.
    """
    data = answer.get("data")
    records = data if isinstance(data, list) else [] if data is None else [data]
    includes = Includes.of(answer)
    posts = Posts()
    for record in records:
        try:
            posts.messages.append(_message(record, includes))
        except Unreadable as error:
            posts.dead_letters.append(origin.dead_letter(record, str(error)))
    for problem in objects(answer.get("errors")):
        reason = f"{problem.get('title') or 'error'}: {problem.get('detail') or 'no detail'}"
        posts.dead_letters.append(origin.dead_letter(problem, reason, stage="fetch"))
    posts.messages.sort(key=lambda message: message.created_at)
    return posts


def _message(record: object, includes: Includes) -> Message:
    if not isinstance(record, dict):
        raise Unreadable("not a post object")
    post_id = required_text(record, "id")
    if not (post_id.isascii() and post_id.isdigit()):
        raise Unreadable(f"not a post id: {post_id[:40]!r}")
    text = required_text({"text": _text(record, includes)}, "text")
    place = includes.places.get(str(as_object(record.get("geo")).get("place_id")), {})
    author = includes.username(record)
    user = includes.users.get(str(record.get("author_id")), {})
    country = text_or_none(place.get("country_code"))
    return Message(
        id=f"x:{post_id}",
        text=text,
        created_at=_created_at(record, post_id),
        source="x",
        author=author,
        lang=text_or_none(record.get("lang")),
        location=text_or_none(user.get("location")),
        country=country.upper() if country else None,
        url=f"https://x.com/{author or 'i'}/status/{post_id}",
        supersedes=_earlier(record.get("edit_history_tweet_ids"), post_id),
    )


def _created_at(record: JsonObject, post_id: str) -> datetime:
    if record.get("created_at") is None and (told_by_id := post_time(post_id)):
        return told_by_id
    return utc_time(record.get("created_at"))


def _earlier(history: object, post_id: str) -> tuple[str, ...]:
    """The ids of the revisions before this one; the history is oldest first and holds the post itself."""
    ids = [item for item in history if isinstance(item, str)] if isinstance(history, list) else []
    return tuple(f"x:{item}" for item in ids[: ids.index(post_id)]) if post_id in ids else ()


def _text(record: JsonObject, includes: Includes) -> str | None:
    original = _retweeted(record, includes)
    if original is None:
        return _own_text(record)
    own, full = _own_text(record), _own_text(original)
    match = _RETWEET_OF.match(own or "")
    author = includes.username(original) or (match.group(1) if match else None)
    # X cuts the text of a retweet to 140 characters; the whole text lets it count as a copy of what it repeats.
    return f"RT @{author}: {full}" if author and full else own


def _retweeted(record: JsonObject, includes: Includes) -> JsonObject | None:
    for reference in objects(record.get("referenced_tweets")):
        if reference.get("type") == "retweeted":
            return includes.posts.get(str(reference.get("id")))
    return None


def _own_text(record: JsonObject) -> str | None:
    return text_or_none(as_object(record.get("note_tweet")).get("text")) or text_or_none(record.get("text"))
