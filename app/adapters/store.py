"""The store: events, messages, predictions, counts, source cursors and dead letters in one database.

SQLite (a file in WAL mode) by default, PostgreSQL by URL; the same code and the same guarantees on both. A Store may
be used from several threads, and several processes may each have their own on the same database.

    with Store(settings.database) as store:
        store.migrate()
        store.put_event(event)
        store.put_page(event.id, "replay", records, Progress(cursor=page.cursor, reads=len(records)))
        store.timeline(event.id, "minute", start, end)

What always holds: `put_page` keeps everything of a page or nothing; a message is counted once, however often it is
delivered; the roll-ups equal a recount of the messages (`check`). All times are timezone-aware and exact to the
microsecond; buckets are in UTC. Every method raises StoreError when the database refuses (disk full, locked, no
connection, not migrated); nothing of that call is kept then. Reading about an event that does not exist gives
nothing (empty, zero, None), except where NotFound is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from app.adapters import event_tables, message_reads, page_writes, rollups, source_tables
from app.adapters.alerts import AlertStore
from app.adapters.annotation_tables import AnnotationStore
from app.adapters.database import Database
from app.adapters.feedback import FeedbackStore
from app.adapters.incidents import IncidentStore
from app.adapters.records import (
    UNRESOLVED,
    Cell,
    DeadLetterPage,
    Facets,
    MessageFilter,
    MessagePage,
    Progress,
    PutResult,
    Record,
    StoredMessage,
)
from app.adapters.window_reads import WindowReads
from app.core.types import JSON, Bucket, Count, Event, Grain, Label, SourceState, SourceStatus

__all__ = [
    "UNRESOLVED",
    "Cell",
    "DeadLetterPage",
    "Facets",
    "MessageFilter",
    "MessagePage",
    "Progress",
    "PutResult",
    "Record",
    "Store",
    "StoredMessage",
]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """A database of EventPulse. Opens no connection before it is used; `close` may be called twice."""

    def __init__(self, url: str, *, now: Callable[[], datetime] = _utc_now) -> None:
        """`url` is an SQLAlchemy URL: sqlite:///path or postgresql://user@host/name.

        Raises ConfigError for any other kind of URL, an SQLite database in memory included.
        """
        self._database = Database(url)
        self._now = now
        self.alerts = AlertStore(self._database, now)
        self.annotations = AnnotationStore(self._database)
        self.feedback = FeedbackStore(self._database, now)
        self.incidents = IncidentStore(self._database, now)
        self.windows = WindowReads(self._database)

    def __enter__(self) -> Self:
        """The store itself, closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for maintenance and for tests that make statements fail."""
        return self._database.engine

    def migrate(self) -> None:
        """Create the tables or bring them to the present revision, and the SQLite file's folder where it is missing.

        Does nothing on a database that is up to date; processes that migrate at once wait for each other.
        """
        self._database.migrate()

    def close(self) -> None:
        """Let go of the connections."""
        self._database.close()

    # Writing

    def put_page(self, event_id: str, connector: str, records: Sequence[Record], progress: Progress) -> PutResult:
        """Store a page: messages, predictions, counts, dead letters, cursor and status, in one transaction.

        Idempotent on (event, message id): a page delivered twice changes no message and no count, but its reads are
        added twice (they cost twice). Ids in `message.supersedes` are removed like by `delete_messages`. A message
        whose `duplicate_of` names a text of which nothing is stored becomes the first of its copies; so the distinct
        counts do not depend on the order in which pages arrive. An empty page only stores the progress.
        Raises NotFound when there is no such event, StoreError naming the message's id for a record that cannot be
        stored (NUL or lone surrogates in a text, a time without zone, an empty source).
        """
        now = self._now()
        page = page_writes.prepare(event_id, records, now)
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            result = page_writes.put(connection, event_id, page, now)
            source_tables.advance(connection, event_id, connector, progress, now)
        return result

    def delete_messages(self, event_id: str, ids: Collection[str]) -> int:
        """Remove messages and their counts; return how many were there. They are not stored again when redelivered.

        When the first of several copies goes, the oldest that remains takes its place in the distinct counts.
        Raises NotFound when there is no such event.
        """
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            return page_writes.delete_messages(connection, event_id, ids, self._now())

    # Counts

    def timeline(
        self,
        event_id: str,
        grain: Grain,
        start: datetime,
        end: datetime,
        *,
        source: str | None = None,
        country: str | None = None,
        step_s: int | None = None,
    ) -> list[Bucket]:
        """The buckets with messages that begin in [start, end), in order; `start` is rounded down to the grain.

        With `step_s`, whole grains, they are added up in the database to steps of so many seconds, counted from 1970.
        A label without messages is not in a bucket's counts. `country` may be UNRESOLVED. The cost grows with the
        number of buckets, not of messages.
        """
        with self._database.read() as connection:
            return rollups.timeline(connection, rollups.Cut(event_id, source, country), grain, (start, end), step_s)

    def totals(
        self,
        event_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        source: str | None = None,
        country: str | None = None,
    ) -> dict[Label, Count]:
        """The counts in [start, end) of every label that has messages; None is open.

        Whole minutes are counted: `start` is rounded down, `end` up. Made of days, hours and minutes, so a long
        range costs about as much as a short one.
        """
        with self._database.read() as connection:
            return rollups.totals(connection, rollups.Cut(event_id, source, country), start, end)

    def by_place(self, event_id: str, start: datetime, end: datetime) -> dict[tuple[str, str], dict[Label, Count]]:
        """The counts in [start, end) by (source, country); the country may be UNRESOLVED. Minutes as in `totals`.

        The cost grows with the number of sources and countries, not of messages.
        """
        with self._database.read() as connection:
            return rollups.by_place(connection, event_id, start, end)

    def span(self, event_id: str) -> tuple[datetime, datetime] | None:
        """The times of the first and the last message; None without messages."""
        with self._database.read() as connection:
            return message_reads.span(connection, event_id)

    def facets(self, event_id: str) -> Facets:
        """The sources and the countries of all messages of an event, with their counts."""
        with self._database.read() as connection:
            return rollups.facets(connection, event_id)

    # Messages

    def messages(
        self, event_id: str, where: MessageFilter | None = None, *, limit: int = 50, after: str | None = None
    ) -> MessagePage:
        """A page of at most `limit` messages, newest first; `after` is the `next` of the page before.

        Every filter finds its messages by an index, except `text`, which reads all messages that fit the rest until
        the page is full.
        Going on to the last page visits each message once, however many new ones arrive in between.
        Raises InvalidInput for a limit below 1, an `after` that is none, or a filter that cannot be searched for.
        """
        with self._database.read() as connection:
            return message_reads.page(connection, event_id, where or MessageFilter(), limit, after)

    def message(self, event_id: str, message_id: str) -> StoredMessage:
        """One message. Raises NotFound."""
        with self._database.read() as connection:
            return message_reads.one(connection, event_id, message_id)

    def some(self, event_id: str, ids: Collection[str]) -> dict[str, StoredMessage]:
        """These messages by id, as far as they are stored."""
        with self._database.read() as connection:
            return message_reads.some(connection, event_id, ids)

    def models(self, event_id: str, start: datetime, end: datetime) -> tuple[str, ...]:
        """The models that scored the messages in [start, end), in order of their names.

        Some messages at five places spread evenly over the window are looked at, its end among them: a model that
        scored few may be missed, and one that took over from another is not.
        """
        with self._database.read() as connection:
            return message_reads.models(connection, event_id, start, end)

    def firsts(self, event_id: str, limit: int) -> list[tuple[str, str]]:
        """(id, text) of the latest `limit` messages that are no copies, oldest first: to rebuild a duplicate index."""
        with self._database.read() as connection:
            return message_reads.firsts(connection, event_id, limit)

    # Events

    def events(self) -> list[Event]:
        """All events, the newest first."""
        with self._database.read() as connection:
            return event_tables.events(connection)

    def event(self, event_id: str) -> Event:
        """One event. Raises NotFound."""
        with self._database.read() as connection:
            return event_tables.event(connection, event_id)

    def put_event(self, event: Event) -> Event:
        """Create an event, or replace its description and keep its messages and counts; return it as stored.

        The first `created_at` stays; when it is None it is now. Raises InvalidInput (with `field`) for an empty id or
        text that cannot be stored.
        """
        with self._database.write() as connection:
            return event_tables.put_event(connection, event, self._now())

    def delete_event(self, event_id: str) -> None:
        """Remove an event and everything that belongs to it. Raises NotFound."""
        with self._database.write() as connection:
            event_tables.delete_event(connection, event_id)

    def version(self, event_id: str) -> int:
        """A number that grows with every write that touches the event: unchanged means nothing has changed.

        Raises NotFound.
        """
        with self._database.read() as connection:
            return event_tables.version(connection, event_id)

    def versions(self) -> dict[str, int]:
        """The versions of all events by id, in one cheap query."""
        with self._database.read() as connection:
            return event_tables.versions(connection)

    # Sources

    def cursor(self, event_id: str, connector: str) -> dict[str, JSON] | None:
        """The cursor stored with the last page of a connector; None is the beginning."""
        with self._database.read() as connection:
            return source_tables.cursor(connection, event_id, connector)

    def set_status(self, event_id: str, connector: str, state: SourceState, detail: str = "") -> None:
        """Change what a source is doing, and nothing else of it. Raises NotFound when there is no such event.

        To count reads or errors without messages, use `put_page` with no records.
        """
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            source_tables.set_status(connection, SourceStatus(event_id, connector, state, detail), self._now())

    def statuses(self, event_id: str | None = None) -> list[SourceStatus]:
        """The status of each connector of an event (None: of all events), ordered by event and name."""
        with self._database.read() as connection:
            return source_tables.statuses(connection, event_id)

    def dead_letters(self, event_id: str | None = None, *, limit: int = 50, after: str | None = None) -> DeadLetterPage:
        """A page of the dead letters of an event (None: of all), the latest first. Raises InvalidInput like `messages`.

        Characters that no database holds (NUL, lone surrogates) have become U+FFFD.
        """
        with self._database.read() as connection:
            return source_tables.dead_letters(connection, event_id, limit, after)

    # Self-checks

    def recount(self, event_id: str) -> dict[Cell, Count]:
        """The roll-ups as they should be, counted from the messages. The cost grows with the messages."""
        with self._database.snapshot() as connection:
            return rollups.recount(connection, event_id)

    def check(self, event_id: str) -> list[str]:
        """What is wrong with the stored counts of an event, in plain words; empty when all is well."""
        with self._database.snapshot() as connection:
            return rollups.check(connection, event_id)
