"""What every source is: `fetch(cursor) -> Page`. The table of those that exist is `pipelines.sources.registry`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from app.core.types import JSON, DeadLetter, Message

Cursor: TypeAlias = dict[str, JSON]
Clock: TypeAlias = Callable[[], datetime]

_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What a connector reads for an event.

    `query` is in the service's own dialect. `since` (inclusive) and `until` (exclusive) bound the time that is asked
    for; None is as far back as the service goes, and without an end. `now` gives the time in UTC.
    """

    event_id: str
    query: str
    now: Clock
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What one fetch gave.

    `cursor` is where the next fetch goes on *after* the last of `messages`: it is stored together with them, so a
    crash in between repeats the page. `live_to` is the time up to which this source has now given everything.
    `wait_s` is how long the next fetch would have nothing to do. `billed` counts records that cost money, used or
    not. `finished` says that no later fetch can give anything. `note` is for people, for example a gap being filled.
    """

    messages: tuple[Message, ...]
    cursor: Cursor
    live_to: datetime | None = None
    wait_s: float = 0.0
    billed: int = 0
    dead_letters: tuple[DeadLetter, ...] = ()
    finished: bool = False
    note: str = ""


def not_begun(feed: Feed, cursor: Cursor | None, margin_s: float = 0.0) -> Page | None:
    """An empty page while `feed.since`, plus a margin in seconds, is still to come; else None."""
    wait_s = (feed.since - feed.now()).total_seconds() + margin_s if feed.since else 0.0
    if wait_s <= 0:
        return None
    note = f"the event begins at {feed.since:%Y-%m-%d %H:%M:%S} UTC"
    return Page(messages=(), cursor=cursor or {}, wait_s=min(wait_s, _LONGEST_WAIT_S), note=note)


class Source(Protocol):
    """A place that messages come from, bound to one event when it is made.

    Guarantees: `fetch` with a stored cursor loses nothing and may repeat; it returns within seconds, with an empty
    page rather than a long wait; a record it can't read becomes a dead letter and the rest of the page stands. It
    raises only SourceError, and then the cursor has not moved. Messages of a page are oldest first (pages of a search
    are newest first). `close` may be called twice, takes less than two seconds, and ends the source: no fetch after it.
    One thread at a time.
    """

    @property
    def name(self) -> str:
        """The connector's name, for cursors and status: "x_search", "x_stream", "newsapi", "replay"."""

    def fetch(self, cursor: Cursor | None) -> Page:
        """The next page after `cursor`; None is the beginning."""

    def close(self) -> None:
        """Let go of connections and threads."""
