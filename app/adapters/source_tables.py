"""What is kept of each source of an event: cursor, status, counters, dead letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from app.adapters.database import insert, mended, micros, moment, storable, to_json
from app.adapters.records import DeadLetterPage, Progress
from app.adapters.schema import dead_letters as letters
from app.adapters.schema import source_state as table
from app.core.errors import InvalidInput, StoreError
from app.core.types import JSON, DeadLetter, SourceState, SourceStatus

_COUNTERS = ("reads", "billed_reads", "unmatched", "errors", "dead_letters")
_ALL = select(table).order_by(table.c.event_id, table.c.connector)
_OF_EVENT = _ALL.where(table.c.event_id == bindparam("event", type_=table.c.event_id.type))


def advance(connection: Connection, event_id: str, connector: str, progress: Progress, now: datetime) -> None:
    """Add a page's progress to the connector's state, and store its dead letters."""
    row = _row(SourceStatus(event_id, connector, progress.state, progress.detail), now) | {
        "cursor": None if progress.cursor is None else to_json(progress.cursor),
        "live_to": None if progress.live_to is None else micros(progress.live_to),
        "lag_s": progress.lag_s,
        "reads": progress.reads,
        "billed_reads": progress.billed_reads,
        "unmatched": progress.unmatched,
        "errors": progress.errors,
        "dead_letters": len(progress.dead_letters),
    }
    connection.execute(_save(connection.dialect.name, status_only=False), row)
    _bury(connection, event_id, progress.dead_letters, now)


def set_status(connection: Connection, status: SourceStatus, now: datetime) -> None:
    """Set state and detail of a connector; the rest of `status` is not looked at."""
    connection.execute(_save(connection.dialect.name, status_only=True), _row(status, now))


def _row(status: SourceStatus, now: datetime) -> dict[str, object]:
    if not status.source or not storable(status.source):
        raise StoreError(f"a connector cannot be named {status.source!r}")
    return {
        "event_id": status.event_id,
        "connector": status.source,
        "state": status.state.value,
        "detail": mended(status.detail),
        "updated_at": micros(now),
        **dict.fromkeys(_COUNTERS, 0),
    }


@cache
def _save(dialect: str, *, status_only: bool) -> postgresql.Insert | sqlite.Insert:
    statement = insert(dialect, table)
    new = statement.excluded
    changes: dict[str, ColumnElement[Any]] = {name: new[name] for name in ("state", "detail", "updated_at")}
    if not status_only:
        changes["lag_s"] = new.lag_s
        changes |= {name: func.coalesce(new[name], table.c[name]) for name in ("cursor", "live_to")}
        changes |= {name: table.c[name] + new[name] for name in _COUNTERS}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)


def _bury(connection: Connection, event_id: str, dead: Sequence[DeadLetter], now: datetime) -> None:
    rows = [
        {
            "event_id": event_id,
            "stage": mended(letter.stage),
            "reason": mended(letter.reason),
            "payload": mended(letter.payload),
            "source": mended(letter.source),
            "at": micros(letter.at or now),
        }
        for letter in dead
    ]
    if rows:
        connection.execute(letters.insert(), rows)


def cursor(connection: Connection, event_id: str, connector: str) -> dict[str, JSON] | None:
    """The connector's cursor; None when none was stored."""
    query = select(table.c.cursor).where(table.c.event_id == event_id, table.c.connector == connector)
    stored = connection.scalar(query)
    return None if stored is None else cast(dict[str, JSON], json.loads(stored))


def statuses(connection: Connection, event_id: str | None) -> list[SourceStatus]:
    """The status of each connector; see `Store.statuses`."""
    found = connection.execute(_ALL) if event_id is None else connection.execute(_OF_EVENT, {"event": event_id})
    return [
        SourceStatus(
            event_id=row.event_id,
            source=row.connector,
            state=SourceState(row.state),
            detail=row.detail,
            live_to=None if row.live_to is None else moment(row.live_to),
            lag_s=row.lag_s,
            **{name: row._mapping[name] for name in _COUNTERS},
            updated_at=moment(row.updated_at),
        )
        for row in found
    ]


def dead_letters(connection: Connection, event_id: str | None, limit: int, after: str | None) -> DeadLetterPage:
    """A page of dead letters, the latest first; see `Store.dead_letters`."""
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    query = select(letters).order_by(letters.c.id.desc()).limit(limit + 1)
    if event_id is not None:
        query = query.where(letters.c.event_id == event_id)
    if after is not None:
        query = query.where(letters.c.id < _place(after))
    rows = connection.execute(query).all()
    items = tuple(
        DeadLetter(row.stage, row.reason, row.payload, row.source, row.event_id, moment(row.at)) for row in rows[:limit]
    )
    return DeadLetterPage(items, str(rows[limit - 1].id) if len(rows) > limit else None)


def _place(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) <= len(str(2**63)) - 1):
        raise InvalidInput("not a place in the dead letters", field="after")
    return int(after)
