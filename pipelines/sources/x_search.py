"""X recent search, polled: the last seven days, and then what is new at every poll.

Search gives the newest page first. `since_id` therefore moves only when a walk has been followed to its last page:
a crash in the middle goes on at the stored page, and posts that arrive meanwhile belong to the next walk.

Cursor: {"since_id", "live_to", "started", "walk": {...} or null}.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.sources.allowance import Allowance
from pipelines.sources.base import Cursor, Feed, Page, not_begun
from pipelines.sources.parsing import Origin, as_object, text_or_none, time_or_none
from pipelines.sources.x_api import XApi
from pipelines.sources.x_walk import REACH, SETTLE, Step, Walk, Walker


@dataclass(frozen=True, slots=True)
class _State:
    """`since_id` and `live_to` are of the last whole walk; `started` is when the present one began."""

    since_id: str | None = None
    live_to: datetime | None = None
    started: datetime | None = None
    walk: Walk | None = None

    def as_cursor(self) -> Cursor:
        return {
            "since_id": self.since_id,
            "live_to": self.live_to.isoformat() if self.live_to else None,
            "started": self.started.isoformat() if self.started else None,
            "walk": self.walk.as_json() if self.walk else None,
        }

    @classmethod
    def of(cls, cursor: Cursor | None) -> _State:
        stored = cursor or {}
        walk = as_object(stored.get("walk"))
        return cls(
            since_id=text_or_none(stored.get("since_id")),
            live_to=time_or_none(stored.get("live_to")),
            started=time_or_none(stored.get("started")),
            walk=Walk.from_json(walk) if walk else None,
        )


class XSearch:
    """A Source over X recent search. Ends (`finished`) where `feed.until` is set and has been reached.

    `remaining` is how many posts may still be read for money, None without limit; `poll_s` are the seconds between
    two walks. The API is closed with the source.
    """

    name = "x_search"

    def __init__(self, api: XApi, feed: Feed, *, poll_s: float, remaining: int | None = None) -> None:
        self._api = api
        self._feed = feed
        self._poll_s = poll_s
        origin = Origin(self.name, feed.event_id, feed.now)
        self._walker = Walker(api, feed.query, origin, Allowance(remaining))

    def fetch(self, cursor: Cursor | None) -> Page:
        """The next page of search, as `Source.fetch`. Raises SourceError."""
        # Search refuses a window that begins within the seconds that its index needs.
        if waiting := not_begun(self._feed, cursor, SETTLE.total_seconds() + 1.0):
            return waiting
        state, note = _State.of(cursor), ""
        if self._done(state):
            return Page(messages=(), cursor=state.as_cursor(), live_to=state.live_to, finished=True)
        if state.walk is None:
            state, note = self._begin(state)
        step = self._walker.step(state.walk or Walk())
        after = self._after(state, step)
        complete = step.walk is None
        done = self._done(after)
        return Page(
            messages=tuple(step.posts.messages),
            cursor=after.as_cursor(),
            live_to=after.live_to,
            wait_s=self._poll_s if complete and not done else 0.0,
            billed=step.billed,
            dead_letters=tuple(step.posts.dead_letters),
            finished=done,
            note=note,
        )

    def close(self) -> None:
        """Lets go of the connections."""
        self._api.close()

    def _done(self, state: _State) -> bool:
        until = self._feed.until
        return until is not None and state.live_to is not None and state.live_to >= until

    def _begin(self, state: _State) -> tuple[_State, str]:
        """A new walk, from where the last one ended as far as X still has it."""
        now, until = self._feed.now(), self._feed.until
        start, note = state.live_to or self._feed.since, ""
        if start is not None and start < now - REACH:
            note = f"X has no posts from before {now - REACH:%Y-%m-%d %H:%M} UTC; asked for {start:%Y-%m-%d %H:%M}"
        end = until if until is not None and until <= now - SETTLE else None
        # With an end both bounds are times; X does not say what since_id and end_time mean together.
        walk = Walk(since_id=None if end else state.since_id, start=start, end=end)
        return _State(state.since_id, state.live_to, now, walk.within_reach(now)), note

    def _after(self, state: _State, step: Step) -> _State:
        if step.walk is not None:
            return _State(state.since_id, state.live_to, state.started, step.walk)
        end = state.walk.end if state.walk else None
        live_to = end or (state.started or self._feed.now()) - SETTLE
        return _State(step.newest_id or state.since_id, live_to)
