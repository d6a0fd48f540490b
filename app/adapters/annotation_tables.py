"""Annotations of the time line of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select

from app.adapters import event_tables
from app.adapters.database import Database, insert, micros, moment, storable
from app.adapters.schema import notes as table
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput, NotFound


class AnnotationStore:
    """The annotations of a `Store`, as `store.annotations`. Raises StoreError like the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, annotation: Annotation) -> None:
        """Add an annotation, or replace the one of that id. Raises NotFound without its event, or InvalidInput."""
        with self._database.write() as connection:
            event_tables.touch(connection, annotation.event_id)
            put(connection, annotation)

    def one(self, event_id: str, annotation_id: str) -> Annotation:
        """One annotation. Raises NotFound."""
        with self._database.read() as connection:
            return one(connection, event_id, annotation_id)

    def between(
        self, event_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[Annotation, ...]:
        """The annotations that touch [start, end), in order of time; None is open."""
        with self._database.read() as connection:
            return between(connection, event_id, start, end)

    def delete(self, event_id: str, annotation_id: str) -> None:
        """Remove an annotation. Raises NotFound."""
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            gone = delete(table).where(table.c.event_id == event_id, table.c.id == annotation_id)
            if not storable(annotation_id) or connection.execute(gone).rowcount == 0:
                raise _missing(event_id, annotation_id)


def put(connection: Connection, annotation: Annotation) -> None:
    """Insert or replace. The event must be locked. Raises InvalidInput for what cannot be stored."""
    if not annotation.id or not storable(annotation.id + annotation.text):
        raise InvalidInput("the annotation has characters that cannot be stored", field="text")
    row = {
        "event_id": annotation.event_id,
        "id": annotation.id,
        "at": micros(annotation.at),
        "until": None if annotation.until is None else micros(annotation.until),
        "kind": annotation.kind.value,
        "text": annotation.text,
        "times": annotation.times,
        "created_at": micros(annotation.created_at or annotation.at),
    }
    statement = insert(connection.dialect.name, table).values(row)
    kept = ("event_id", "id", "created_at")
    changes = {name: value for name, value in row.items() if name not in kept}
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes))


def one(connection: Connection, event_id: str, annotation_id: str) -> Annotation:
    """One annotation. Raises NotFound."""
    row = connection.execute(
        select(table).where(table.c.event_id == event_id, table.c.id == annotation_id)
    ).one_or_none()
    if row is None:
        raise _missing(event_id, annotation_id)
    return _annotation(row)


def between(
    connection: Connection, event_id: str, start: datetime | None, end: datetime | None
) -> tuple[Annotation, ...]:
    """See `AnnotationStore.between`."""
    query = select(table).where(table.c.event_id == event_id).order_by(table.c.at, table.c.id)
    if start is not None:
        query = query.where(or_(table.c.at >= micros(start), table.c.until > micros(start)))
    if end is not None:
        query = query.where(table.c.at < micros(end))
    return tuple(_annotation(row) for row in connection.execute(query))


def _annotation(row: Row[*tuple[Any, ...]]) -> Annotation:
    return Annotation(
        event_id=row.event_id,
        id=row.id,
        at=moment(row.at),
        until=None if row.until is None else moment(row.until),
        kind=AnnotationKind(row.kind),
        text=row.text,
        times=row.times,
        created_at=moment(row.created_at),
    )


def _missing(event_id: str, annotation_id: str) -> NotFound:
    return NotFound(f"event {event_id!r} has no annotation {annotation_id!r}", field="annotation_id")
