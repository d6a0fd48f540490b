"""Events and their versions."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from app.adapters.database import insert, micros, moment, storable
from app.adapters.schema import dead_letters, families, messages, predictions, rollups, source_state, tombstones
from app.adapters.schema import events as table
from app.core.errors import InvalidInput, NotFound
from app.core.types import Event

_LONGEST_ID = 200  # bytes; the id is in every key, and PostgreSQL's index entries hold 2,700
_FIELDS = [table.c[field.name] for field in fields(Event)]
# Asked with each question of a page: made once, for that takes longer than the answer.
_ONE = select(*_FIELDS).where(table.c.id == bindparam("id", type_=table.c.id.type))
_VERSION = select(table.c.version).where(table.c.id == bindparam("id", type_=table.c.id.type))


def touch(connection: Connection, event_id: str) -> None:
    """Raise the event's version, first of all in a transaction that writes to it. Raises NotFound.

    On PostgreSQL this row's lock makes the writers of one event wait for each other: what they read afterwards stays
    true until they commit, and their roll-up updates can't deadlock.
    """
    raised = update(table).where(table.c.id == event_id).values(version=table.c.version + 1)
    if not storable(event_id) or connection.execute(raised).rowcount == 0:
        raise _missing(event_id)


def events(connection: Connection) -> list[Event]:
    """All events, the newest first."""
    rows = connection.execute(select(*_FIELDS).order_by(table.c.created_at.desc(), table.c.id))
    return [_event(row) for row in rows]


def event(connection: Connection, event_id: str) -> Event:
    """One event. Raises NotFound."""
    row = connection.execute(_ONE, {"id": event_id}).one_or_none()
    if row is None:
        raise _missing(event_id)
    return _event(row)


def put_event(connection: Connection, new: Event, now: datetime) -> Event:
    """Insert or replace; see `Store.put_event`."""
    _refuse(new)
    described = {
        "name": new.name,
        "query": new.query,
        "languages": json.dumps(new.languages),
        "countries": json.dumps(new.countries),
        "starts_at": micros(new.starts_at) if new.starts_at else None,
        "ends_at": micros(new.ends_at) if new.ends_at else None,
        "read_budget": new.read_budget,
    }
    values = {"id": new.id, "created_at": micros(new.created_at or now), "version": 1}
    statement = insert(connection.dialect.name, table).values(described | values)
    row = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.id], set_=described | {"version": table.c.version + 1}
        ).returning(*_FIELDS)
    ).one()
    return _event(row)


def delete_event(connection: Connection, event_id: str) -> None:
    """Delete an event with all that is its. Raises NotFound."""
    touch(connection, event_id)
    # Table by table is many times faster than the cascade of the foreign keys, row by row.
    for owned in (predictions, messages, families, tombstones, rollups, source_state, dead_letters):
        connection.execute(delete(owned).where(owned.c.event_id == event_id))
    connection.execute(delete(table).where(table.c.id == event_id))


def version(connection: Connection, event_id: str) -> int:
    """The event's version. Raises NotFound."""
    found = connection.scalar(_VERSION, {"id": event_id})
    if found is None:
        raise _missing(event_id)
    return int(found)


def versions(connection: Connection) -> dict[str, int]:
    """The versions of all events."""
    rows = connection.execute(select(table.c.id, table.c.version).order_by(table.c.id))
    return dict(rows.all())


def _refuse(new: Event) -> None:
    if not new.id or len(new.id.encode(errors="replace")) > _LONGEST_ID:
        raise InvalidInput(f"an event's id has 1 to {_LONGEST_ID} bytes", field="id")
    for field in ("id", "name", "query", "languages", "countries"):
        value = getattr(new, field)
        if not all(storable(part) for part in ([value] if isinstance(value, str) else value)):
            raise InvalidInput(f"the event's {field} has characters that cannot be stored", field=field)


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(
        id=row.id,
        name=row.name,
        query=row.query,
        languages=tuple(json.loads(row.languages)),
        countries=tuple(json.loads(row.countries)),
        starts_at=None if row.starts_at is None else moment(row.starts_at),
        ends_at=None if row.ends_at is None else moment(row.ends_at),
        read_budget=row.read_budget,
        created_at=moment(row.created_at),
    )


def _missing(event_id: str) -> NotFound:
    return NotFound(f"there is no event {event_id!r}", field="event_id")
