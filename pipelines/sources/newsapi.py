"""NewsAPI "everything", polled: articles about an event, newest first.

A free key sees articles only when they are 24 hours old, at most 100 of a query, and makes 100 requests a day. So a
poll does not begin where the clock was at the last one but a little before the newest article seen, and `live_to` is
the time of that article, or a day ago.

Cursor: {"since", "live_to", "polled_at", "walk": {"from", "to", "asked_at", "page", "newest"} or null}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from newsapi import NewsApiClient, const
from newsapi.newsapi_exception import NewsAPIException

from app.core.errors import BadResponse, RateLimited, SourceError, Unauthorized
from app.core.types import DeadLetter, Message
from pipelines.sources.articles import read_article
from pipelines.sources.base import Cursor, Feed, Page, not_begun
from pipelines.sources.http import Refusal, Service, shown
from pipelines.sources.parsing import (
    JsonObject,
    Origin,
    Unreadable,
    as_object,
    text_or_none,
    time_or_none,
    utc_time,
)

KEY_VARIABLE = "EVENTPULSE_NEWSAPI_KEY"
PAGE_SIZE = 100
FREE_DELAY = timedelta(hours=24)
_CLIENT_HOST = "https://newsapi.org"
_UNAUTHORIZED, _TOO_MANY = (401, 403), 429
# Articles reach the index in another order than they are published.
_OVERLAP = timedelta(hours=1)
# The window in the message is 12 or 24 hours long, and rolls; an hour loses little of it.
_RATE_LIMIT_WAIT_S = 3600.0
_EARLIEST = re.compile(r"as far back as (\d{4}-\d{2}-\d{2})")


class _PlanLimit(BadResponse):
    """More results were asked for than the plan gives of one query."""


class _TooFarBack(BadResponse):
    """The plan does not reach back to `from`; `earliest` is what it allows, where it says so."""

    def __init__(self, message: str, earliest: datetime | None) -> None:
        super().__init__(message)
        self.earliest = earliest


@dataclass(frozen=True, slots=True)
class _Walk:
    """The pages of the poll of `asked_at`: articles from `start` to `end`; `newest` is the latest of them so far."""

    start: datetime | None
    end: datetime
    asked_at: datetime
    page: int = 1
    newest: datetime | None = None

    def as_json(self) -> Cursor:
        return {
            "from": _iso(self.start),
            "to": _iso(self.end),
            "asked_at": _iso(self.asked_at),
            "page": self.page,
            "newest": _iso(self.newest),
        }

    @classmethod
    def from_json(cls, stored: JsonObject) -> _Walk | None:
        """The walk of a stored cursor; None where there is none."""
        end, page = time_or_none(stored.get("to")), stored.get("page")
        if end is None:
            return None
        asked_at, newest = time_or_none(stored.get("asked_at")), time_or_none(stored.get("newest"))
        return cls(time_or_none(stored.get("from")), end, asked_at or end, page if isinstance(page, int) else 1, newest)


@dataclass(frozen=True, slots=True)
class _State:
    since: datetime | None = None
    live_to: datetime | None = None
    polled_at: datetime | None = None
    walk: _Walk | None = None

    def as_cursor(self) -> Cursor:
        return {
            "since": _iso(self.since),
            "live_to": _iso(self.live_to),
            "polled_at": _iso(self.polled_at),
            "walk": self.walk.as_json() if self.walk else None,
        }

    @classmethod
    def of(cls, cursor: Cursor | None) -> _State:
        stored = cursor or {}
        return cls(
            since=time_or_none(stored.get("since")),
            live_to=time_or_none(stored.get("live_to")),
            polled_at=time_or_none(stored.get("polled_at")),
            walk=_Walk.from_json(as_object(stored.get("walk"))),
        )


class NewsApi:
    """A Source over NewsAPI. Ends (`finished`) when everything up to `feed.until` has been given.

    `poll_s` are the seconds between two polls, also across restarts, because requests are few; None polls once and
    ends. `language` (ISO 639-1) is asked for and noted in the messages; NewsAPI takes one that it knows or none, and
    does not say the language of an article.
    """

    name = "newsapi"

    def __init__(
        self, key: str, feed: Feed, *, base_url: str, poll_s: float | None, language: str | None = None
    ) -> None:
        self._key = key
        self._origin = Origin(self.name, feed.event_id, feed.now)
        self._feed = feed
        self._poll_s = poll_s
        self._language = language if language in const.languages else None
        self._service = Service("NewsAPI", _CLIENT_HOST, base_url)
        self._session = self._service.session(self._error)
        self._client: Any = NewsApiClient(api_key=key, session=self._session)
        self._plan_limit: int | None = None

    def fetch(self, cursor: Cursor | None) -> Page:
        """The next page of articles, as `Source.fetch`. Raises SourceError."""
        if waiting := not_begun(self._feed, cursor):
            return waiting
        state, notes = _State.of(cursor), list[str]()
        if self._done(state):
            return self._page(state, finished=True)
        wait_s = self._wait_s(state)
        if wait_s > 0:
            return self._page(state, wait_s=wait_s)
        walk = state.walk or _Walk(state.since or self._feed.since, self._end(), self._feed.now())
        try:
            answer, walk = self._read(walk, notes)
        except _PlanLimit as error:
            self._plan_limit = max(1, walk.page - 1) * PAGE_SIZE
            notes.append(f"older articles of this poll are left out: {error}")
            answer = {}
        return self._given(state, walk, answer, notes)

    def close(self) -> None:
        """Lets go of the connections."""
        self._session.close()

    def _done(self, state: _State) -> bool:
        if state.walk is not None or state.live_to is None:
            return False
        until = self._feed.until
        return self._poll_s is None or (until is not None and state.live_to >= until)

    def _wait_s(self, state: _State) -> float:
        if state.walk is not None or state.polled_at is None or self._poll_s is None:
            return 0.0
        return self._poll_s - (self._feed.now() - state.polled_at).total_seconds()

    def _end(self) -> datetime:
        now, until = self._feed.now(), self._feed.until
        return min(now, until) if until else now

    def _read(self, walk: _Walk, notes: list[str]) -> tuple[JsonObject, _Walk]:
        """A page of articles; a `from` that the plan does not reach is moved once."""
        try:
            return self._request(walk), walk
        except _TooFarBack as error:
            earliest = error.earliest
            if walk.start is None or earliest is None or earliest <= walk.start:
                raise
            notes.append(f"the NewsAPI plan reaches back to {earliest:%Y-%m-%d}; asked for {walk.start:%Y-%m-%d}")
            walk = replace(walk, start=earliest, end=max(earliest, walk.end))
            return self._request(walk), walk

    def _request(self, walk: _Walk) -> JsonObject:
        try:
            with self._service.transport_errors():
                answer = self._client.get_everything(
                    q=self._feed.query,
                    from_param=_naive(walk.start),
                    to=_naive(walk.end),
                    language=self._language,
                    sort_by="publishedAt",
                    page=walk.page,
                    page_size=PAGE_SIZE,
                )
        except NewsAPIException:
            raise BadResponse("NewsAPI answered something that is not what it documents") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("articles"), list):
            raise BadResponse("NewsAPI answered without a list of articles")
        return answer

    def _given(self, state: _State, walk: _Walk, answer: JsonObject, notes: list[str]) -> Page:
        records = answer.get("articles")
        records = records if isinstance(records, list) else []
        messages, dead_letters = self._messages(records)
        walk = replace(walk, newest=max((*[m.created_at for m in messages], *_some(walk.newest)), default=None))
        total = answer.get("totalResults")
        given = walk.page * PAGE_SIZE
        more = len(records) >= PAGE_SIZE and isinstance(total, int) and total > given
        if more and self._plan_limit is not None and given >= self._plan_limit:
            notes.append(f"older articles of this poll are left out: the plan gives {self._plan_limit} of {total}")
            more = False
        after = replace(state, walk=replace(walk, page=walk.page + 1)) if more else self._complete(state, walk)
        done = self._done(after)
        wait_s = 0.0 if more or done or self._poll_s is None else self._poll_s
        page = self._page(after, wait_s=wait_s, finished=done, note="; ".join(notes))
        return replace(page, messages=tuple(messages), dead_letters=tuple(dead_letters))

    def _complete(self, state: _State, walk: _Walk) -> _State:
        live_to = max((min(walk.asked_at - FREE_DELAY, walk.end), *_some(state.live_to), *_some(walk.newest)))
        # Not from the clock: what a free key will see tomorrow is older than today's poll.
        begin = walk.newest - _OVERLAP if walk.newest else None
        since = max((*_some(state.since), *_some(walk.start), *_some(begin)), default=None)
        return _State(since=since, live_to=live_to, polled_at=walk.asked_at)

    def _page(self, state: _State, *, wait_s: float = 0.0, finished: bool = False, note: str = "") -> Page:
        return Page((), state.as_cursor(), live_to=state.live_to, wait_s=wait_s, finished=finished, note=note)

    def _messages(self, records: list[Any]) -> tuple[list[Message], list[DeadLetter]]:
        messages: list[Message] = []
        dead_letters: list[DeadLetter] = []
        for record in records:
            try:
                messages.append(read_article(record, self._language))
            except Unreadable as error:
                dead_letters.append(self._origin.dead_letter(record, str(error)))
        return sorted(messages, key=lambda message: message.created_at), dead_letters

    def _error(self, refusal: Refusal) -> SourceError:
        code = text_or_none(refusal.body.get("code")) or ""
        said = shown(refusal.body.get("message") or code or "no reason given", self._key)
        if code == "maximumResultsReached":
            return _PlanLimit(said)
        if code == "parameterInvalid" and "too far in the past" in said:
            match = _EARLIEST.search(said)
            return _TooFarBack(said, utc_time(match.group(1)) if match else None)
        if refusal.status in _UNAUTHORIZED:
            return Unauthorized(f"NewsAPI refused the key ({said}): check {KEY_VARIABLE}")
        if refusal.status == _TOO_MANY:
            return RateLimited(f"NewsAPI asks to wait ({said})", retry_after=self._retry_after(refusal, code))
        return BadResponse(f"NewsAPI answered {refusal.status} ({said})")

    def _retry_after(self, refusal: Refusal, code: str) -> float:
        asked = refusal.headers.get("retry-after", "")
        if asked.isdigit():
            return float(asked)
        # An exhausted key is filled up by the day, which the next poll finds out.
        poll_s = self._poll_s or 0.0
        return poll_s if code == "apiKeyExhausted" and poll_s else max(poll_s, _RATE_LIMIT_WAIT_S)


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _naive(time: datetime | None) -> datetime | None:
    """newsapi-python writes a datetime without its zone, and NewsAPI takes that for UTC."""
    return time.replace(tzinfo=None, microsecond=0) if time else None


def _some(time: datetime | None) -> tuple[datetime, ...]:
    return (time,) if time else ()
