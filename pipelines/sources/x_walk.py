"""Reading a window of X's recent search to its end, page by page, newest first.

Shared by `x_search`, which polls, and `x_stream`, which fills the holes that a lost connection leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pipelines.sources.allowance import Allowance
from pipelines.sources.base import Cursor
from pipelines.sources.parsing import JsonObject, Origin, as_object, text_or_none, time_or_none
from pipelines.sources.x_api import InvalidRequest, XApi
from pipelines.sources.x_posts import SEARCH_FIELDS, Posts, post_time, read_posts

# Recent search reaches back 7 days and refuses requests beyond; the minutes are for the time that a walk takes.
REACH = timedelta(days=7) - timedelta(minutes=10)
# Without an end, recent search gives posts up to 30 s ago; what is younger may not be in its index yet.
SETTLE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a window has been read. Its lower end is `since_id` (exclusive) or else `start`, its upper one `end`.

    `token` is X's name for the next page; None before the first. `newest_id` is the highest post id so far, and
    everything from `oldest` on has been read.
    """

    since_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    token: str | None = None
    newest_id: str | None = None
    oldest: datetime | None = None

    def params(self) -> dict[str, Any]:
        """The window in tweepy's parameters, without those that are not set."""
        params = {
            "since_id": self.since_id,
            # X takes one of the two.
            "start_time": None if self.since_id else self.start,
            "end_time": self.end,
            "next_token": self.token,
        }
        return {name: value for name, value in params.items() if value is not None}

    def within_reach(self, now: datetime) -> Walk:
        """The part of the window that recent search still has: it refuses an older start, or an older since_id."""
        seen = post_time(self.since_id) if self.since_id else None
        since_id = self.since_id if seen is not None and seen >= now - REACH else None
        return replace(self, since_id=since_id, start=max(self.start, now - REACH) if self.start else None)

    def again(self, now: datetime) -> Walk:
        """What is left of the window, to be read without the token."""
        start = self.start or (post_time(self.since_id) if self.since_id else None)
        end = self.oldest + timedelta(seconds=1) if self.oldest else self.end
        return Walk(start=start, end=end, newest_id=self.newest_id, oldest=self.oldest).within_reach(now)

    @property
    def empty(self) -> bool:
        """There is no time between start and end."""
        return self.start is not None and self.end is not None and self.start >= self.end

    def as_json(self) -> Cursor:
        """For a cursor."""
        return {
            "since_id": self.since_id,
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "token": self.token,
            "newest_id": self.newest_id,
            "oldest": self.oldest.isoformat() if self.oldest else None,
        }

    @classmethod
    def from_json(cls, stored: JsonObject) -> Walk:
        """The walk of a stored cursor."""
        return cls(
            since_id=text_or_none(stored.get("since_id")),
            start=time_or_none(stored.get("start")),
            end=time_or_none(stored.get("end")),
            token=text_or_none(stored.get("token")),
            newest_id=text_or_none(stored.get("newest_id")),
            oldest=time_or_none(stored.get("oldest")),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A page of a walk. `walk` is where the next page goes on; None at the end of the window."""

    posts: Posts
    billed: int
    walk: Walk | None
    newest_id: str | None


@dataclass(frozen=True, slots=True)
class Walker:
    """Reads the pages of walks for one event, within its allowance."""

    api: XApi
    query: str
    origin: Origin
    allowance: Allowance

    def step(self, walk: Walk) -> Step:
        """The next page of `walk`. Raises SourceError; BudgetExhausted before a page that would be too large."""
        if walk.empty:
            return Step(Posts(), 0, None, walk.newest_id)
        try:
            answer = self._page(walk)
        except InvalidRequest:
            if walk.token is None:
                raise
            # A token from before a long pause may be refused: go on below the oldest post that was given.
            walk = walk.again(self.origin.now())
            answer = self._page(walk)
        data = answer.get("data")
        billed = len(data) if isinstance(data, list) else 0
        self.allowance.spend(billed)
        posts = read_posts(answer, self.origin)
        meta = as_object(answer.get("meta"))
        newest = _higher(walk.newest_id, text_or_none(meta.get("newest_id")) or posts.newest_id)
        oldest = posts.messages[0].created_at if posts.messages else walk.oldest
        token = text_or_none(meta.get("next_token"))
        following = replace(walk, token=token, newest_id=newest, oldest=oldest) if token else None
        return Step(posts, billed, following, newest)

    def _page(self, walk: Walk) -> JsonObject:
        size = self.allowance.page_size()
        return self.api.search(self.query, {**SEARCH_FIELDS, **walk.params(), "max_results": size})


def _higher(one: str | None, other: str | None) -> str | None:
    ids = [item for item in (one, other) if item is not None and item.isascii() and item.isdigit()]
    return max(ids, key=int, default=None)
