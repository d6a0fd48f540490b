"""X filtered stream for one event: a view of the shared connection, with its holes filled by recent search.

X repeats nothing after a lost connection. The stream is trusted up to the time that was given on; when a connection
begins later than that (an interruption, a restart, a crash), the time between is a hole, kept in the cursor until
recent search has read it to the end. Until then `live_to` stays at the beginning of the first hole.

Cursor: {"seen_to", "holes": [walks], "given"}. `given` counts messages: no two pages have the same cursor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.core.errors import BudgetExhausted, RateLimited, SourceError
from app.core.types import DeadLetter, Message
from pipelines.sources.allowance import Allowance
from pipelines.sources.base import Cursor, Feed, Page, not_begun
from pipelines.sources.parsing import Origin, objects, time_or_none
from pipelines.sources.x_api import XApi
from pipelines.sources.x_hub import Item, Taken, XHub
from pipelines.sources.x_posts import read_posts
from pipelines.sources.x_walk import REACH, SETTLE, Walk, Walker

# The hole is read a little beyond the moment of connection: X's clock is not ours.
_OVERLAP = timedelta(seconds=5)
_MAX_HOLES = 16
# A fetch waits this long for a first post, so that posts are passed on promptly; then the caller may look elsewhere.
LINGER_S = 0.1
_POLL_S = 0.5
_FILL_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class _State:
    seen_to: datetime | None = None
    holes: tuple[Walk, ...] = ()
    given: int = 0

    @property
    def live_to(self) -> datetime | None:
        starts = [hole.start for hole in self.holes if hole.start]
        return min([*starts, self.seen_to]) if self.seen_to else None

    def as_cursor(self) -> Cursor:
        return {
            "seen_to": self.seen_to.isoformat() if self.seen_to else None,
            "holes": [hole.as_json() for hole in self.holes],
            "given": self.given,
        }

    @classmethod
    def of(cls, cursor: Cursor | None) -> _State:
        stored = cursor or {}
        holes = (Walk.from_json(hole) for hole in objects(stored.get("holes")))
        given = stored.get("given")
        return cls(
            seen_to=time_or_none(stored.get("seen_to")),
            holes=tuple(hole for hole in holes if hole.start and hole.end),
            given=given if isinstance(given, int) else 0,
        )

    def reached(self, start: datetime | None, end: datetime, seen_to: datetime) -> _State:
        """Seen up to `seen_to`, with a hole from `start` to `end`."""
        holes = self.holes
        if start is not None and start < end:
            holes = (*holes, Walk(start=start, end=end))
        if len(holes) > _MAX_HOLES:  # a connection that never lasts: one large hole instead of ever more small ones
            holes = (Walk(start=holes[0].start, end=holes[1].end), *holes[2:])
        return replace(self, holes=holes, seen_to=seen_to)


class XStream:
    """A Source over an event's part of the filtered stream. Ends (`finished`) when `feed.until` has passed.

    `rule` is the query for the stream, `feed.query` the one for recent search; where search can't be asked it, that
    is empty and holes are only reported. `api` is for recent search and is closed with the source; the hub is not.
    `remaining` is how many posts may still be read for money, None without limit.
    """

    name = "x_stream"

    def __init__(self, hub: XHub, api: XApi, feed: Feed, *, rule: str, remaining: int | None = None) -> None:
        self._hub = hub
        self._api = api
        self._feed = feed
        self._allowance = Allowance(remaining)
        self._origin = Origin(self.name, feed.event_id, feed.now)
        self._walker = Walker(api, feed.query, self._origin, self._allowance)
        self._lane = hub.join(feed.event_id, rule, self._allowance)
        self._serial: int | None = None  # the connection that the cursor has been told of
        self._given_to: datetime | None = None
        self._asked: Cursor | None = None
        self._answered: Page | None = None
        self._fill_after: datetime | None = None
        self._fill_trouble = ""
        self._filled = False
        self._lost = ""

    def fetch(self, cursor: Cursor | None) -> Page:
        """The next page of the stream or of a hole, as `Source.fetch`. Raises SourceError."""
        if waiting := not_begun(self._feed, cursor):
            return waiting
        last, resumed = self._answered, cursor
        if last is not None and cursor != last.cursor:
            if cursor != self._asked:
                self._serial = None  # from further back: what was given since then is a hole again
            elif last.messages or last.dead_letters:
                return last  # it could not be stored, and the stream itself would not repeat it
            else:
                resumed = last.cursor  # the caller keeps only the cursors of pages that have something in them
        page = self._page(_State.of(resumed))
        self._asked, self._answered = cursor, page
        return page

    def close(self) -> None:
        """Leaves the stream and lets go of the connections; the event's rule ends with it."""
        self._hub.leave(self._lane)
        self._api.close()

    def _page(self, state: _State) -> Page:
        trouble = self._tend()
        if trouble is None and not self._over() and not self._due(state):
            self._hub.wait(self._lane, self._serial, LINGER_S)
        if self._due(state) and not self._filled:
            filled = self._fill(state)
            if filled is not None:
                return filled
        self._filled = False
        taken = self._hub.take(self._lane, 100)
        if not taken.items and not self._over():
            if self._allowance.used_up:
                self._hub.leave(self._lane)
                raise BudgetExhausted("the event's read budget is used up")
            if trouble is not None:
                raise trouble
        return self._stream_page(state, taken, str(trouble or ""))

    def _tend(self) -> SourceError | None:
        if self._over() or self._allowance.used_up:
            return None
        try:
            self._hub.tend(self._lane)
        except SourceError as error:
            return error
        return None

    def _over(self) -> bool:
        return self._feed.until is not None and self._feed.now() >= self._feed.until

    def _stream_page(self, state: _State, taken: Taken, trouble: str) -> Page:
        messages, dead_letters = self._read(taken.items)
        state = self._account(replace(state, given=state.given + len(messages) + len(dead_letters)), taken)
        if self._over() and not taken.items:
            state = self._end(state)
        finished = self._over() and not taken.items and not state.holes
        return Page(
            messages=tuple(messages),
            cursor=state.as_cursor(),
            live_to=state.live_to,
            wait_s=0.0 if taken.items or finished or self._due(state) else _POLL_S,
            billed=sum(item.billed for item in taken.items),
            dead_letters=tuple(dead_letters),
            finished=finished,
            note="; ".join(filter(None, (trouble or taken.status, self._lost, self._gap_note(state)))),
        )

    def _read(self, items: tuple[Item, ...]) -> tuple[list[Message], list[DeadLetter]]:
        messages: list[Message] = []
        dead_letters: list[DeadLetter] = []
        for item in items:
            if not item.answer:
                dead_letters.append(self._origin.dead_letter(item.raw, "not a JSON object"))
                continue
            posts = read_posts(item.answer, self._origin)
            messages += posts.messages
            dead_letters += posts.dead_letters
        return sorted(messages, key=lambda message: message.created_at), dead_letters

    def _account(self, state: _State, taken: Taken) -> _State:
        """The state after what was taken; a connection that is new to the cursor leaves a hole before it."""
        if taken.serial is None or taken.since is None or taken.given_to is None:
            return state
        if taken.serial == self._serial:
            self._given_to = taken.given_to
            return replace(state, seen_to=max(state.seen_to or taken.given_to, taken.given_to))
        # An older cursor came back within a connection: what was given since then is part of the hole.
        again = self._given_to if self._serial is None else None
        end = max(taken.since, again or taken.since) + _OVERLAP
        self._serial, self._given_to = taken.serial, taken.given_to
        return self._reached(state, end, max(taken.since, taken.given_to))

    def _end(self, state: _State) -> _State:
        """The event's time is over: what the stream had not brought by then is the last hole."""
        self._hub.leave(self._lane)
        until = self._feed.until
        start = state.seen_to or self._feed.since
        if until is None or (start is not None and start >= until):
            return state
        return self._reached(state, until, until)

    def _reached(self, state: _State, end: datetime, seen_to: datetime) -> _State:
        start = state.seen_to or self._feed.since
        if start is not None and not self._feed.query:
            self._lost = f"posts from {start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC are lost: search can't be asked"
            return replace(state, seen_to=seen_to)
        return state.reached(start, end, seen_to)

    def _due(self, state: _State) -> bool:
        """A hole can be filled now: recent search has settled, and the last attempt is long enough ago."""
        now = self._feed.now()
        if self._fill_after is not None and now < self._fill_after:
            return False
        return bool(state.holes) and (state.holes[0].end or now) + SETTLE <= now

    def _fill(self, state: _State) -> Page | None:
        """A page of the first hole; None where X does not give it now, which must not keep the stream waiting."""
        now, hole, note = self._feed.now(), state.holes[0], self._gap_note(state)
        if hole.start and hole.start < now - REACH and hole.token is None:
            note = f"posts from before {now - REACH:%Y-%m-%d %H:%M} UTC are lost: X has them for 7 days"
            hole = hole.within_reach(now)
        try:
            step = self._walker.step(hole)
        except SourceError as error:
            if isinstance(error, BudgetExhausted) and self._over():  # nothing else will come
                raise
            wait_s = error.retry_after if isinstance(error, RateLimited) else _FILL_RETRY_S
            self._fill_after = self._feed.now() + timedelta(seconds=wait_s)
            self._fill_trouble = str(error)
            return None
        self._filled, self._fill_trouble = True, ""
        given = state.given + len(step.posts.messages) + len(step.posts.dead_letters)
        state = replace(state, holes=(*([step.walk] if step.walk else []), *state.holes[1:]), given=given)
        return Page(
            messages=tuple(step.posts.messages),
            cursor=state.as_cursor(),
            live_to=state.live_to,
            billed=step.billed,
            dead_letters=tuple(step.posts.dead_letters),
            note=note if state.holes else f"{note}: done",
        )

    def _gap_note(self, state: _State) -> str:
        if not state.holes or not state.holes[0].start or not state.holes[0].end:
            return ""
        note = f"filling the gap from {state.holes[0].start:%Y-%m-%d %H:%M:%S} to {state.holes[0].end:%H:%M:%S} UTC"
        return f"{note} ({self._fill_trouble})" if self._fill_trouble else note
