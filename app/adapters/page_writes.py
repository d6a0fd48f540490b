"""Writing and removing messages with their predictions and counts.

Copies form families: `duplicate_of`, where there is one, else the message's own id, names the family. In each family
one stored message is the first and is counted as distinct: the original where it is stored, else the oldest of the
copies that were there when a first was needed. `_settle` keeps it so after each change, whatever the order of arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, select, update

from app.adapters import rollups
from app.adapters.bulk import insert_rows
from app.adapters.database import among, insert, micros, storable
from app.adapters.records import UNRESOLVED, PutResult, Record
from app.adapters.rollups import Tally
from app.adapters.schema import families as family_table
from app.adapters.schema import messages, predictions, tombstones
from app.core.errors import StoreError
from app.core.types import Label, Message, Prediction

# In UTF-8 bytes; PostgreSQL's index entries hold 2,700, and a key has an event id and two of these at most.
_LONGEST_ID: Final = 500
_LONGEST_NAME: Final = 100

_Row: TypeAlias = Row[*tuple[Any, ...]]
_M = messages.c
_COUNTED = (_M.created_at, _M.source, _M.country, _M.label)


@dataclass(slots=True)
class Prepared:
    """A page's records as rows, by message id: checked, and made before the database is locked."""

    records: int = 0
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    predictions: dict[str, dict[str, Any]] = field(default_factory=dict)
    superseded: set[str] = field(default_factory=set)


def prepare(event_id: str, records: Sequence[Record], now: datetime) -> Prepared:
    """The rows of a page; the first of several records with one id. Raises StoreError naming an unfit record."""
    page = Prepared(records=len(records))
    for record in records:
        message = record.message
        problem = _problem(record)
        if problem:
            raise StoreError(f"message {message.id!r} cannot be stored: {problem}")
        page.superseded.update(id_ for id_ in message.supersedes if id_ != message.id)
        if message.id in page.messages:
            continue
        page.messages[message.id] = _message_row(event_id, record, micros(now))
        if record.prediction is not None:
            page.predictions[message.id] = _prediction_row(event_id, message.id, record.prediction)
    return page


def put(connection: Connection, event_id: str, page: Prepared, now: datetime) -> PutResult:
    """Store a prepared page; see `Store.put_page`. The event must be locked (`event_tables.touch`)."""
    tally = Tally()
    removed, families = _remove(connection, event_id, page.superseded, now, tally)
    fresh = _admit(connection, event_id, page.messages)
    insert_rows(connection, messages, fresh)
    insert_rows(
        connection, predictions, [page.predictions[row["id"]] for row in fresh if row["id"] in page.predictions]
    )
    _count_copies(connection, event_id, Counter(row["duplicate_of"] for row in fresh if row["duplicate_of"]))
    for row in fresh:
        tally.add((row["created_at"], row["source"], row["country"], row["label"]), 1, int(row["is_first"]))
        families.add(row["duplicate_of"] or row["id"])
    _settle(connection, event_id, families, tally)
    rollups.apply(connection, event_id, tally)
    return PutResult(inserted=len(fresh), repeated=page.records - len(fresh), superseded=removed)


def delete_messages(connection: Connection, event_id: str, ids: Collection[str], now: datetime) -> int:
    """Remove messages; see `Store.delete_messages`. The event must be locked."""
    tally = Tally()
    removed, families = _remove(connection, event_id, {id_ for id_ in ids if storable(id_)}, now, tally)
    _settle(connection, event_id, families, tally)
    rollups.apply(connection, event_id, tally)
    return removed


def unfit(message: Message) -> str | None:
    """Why a message cannot be stored; None when it can."""
    texts = [message.id, message.text, message.source, *message.supersedes]
    texts += filter(None, (message.author, message.lang, message.location, message.country, message.url))
    texts += filter(None, (message.publisher, message.duplicate_of))
    if not storable("".join(texts)):
        return "a NUL or a lone surrogate in its texts"
    if message.created_at.tzinfo is None:
        return "a time without zone"
    return _bad_key(message)


def _problem(record: Record) -> str | None:
    said = record.prediction
    if not storable(record.content_hash + (f"{said.model}{said.backend}{said.arm}" if said else "")):
        return "a NUL or a lone surrogate in its texts"
    if record.fetched_at.tzinfo is None:
        return "a time without zone"
    return unfit(record.message)


def _bad_key(message: Message) -> str | None:
    for name, value, longest in (
        ("id", message.id, _LONGEST_ID),
        ("source", message.source, _LONGEST_NAME),
        ("country", message.country or UNRESOLVED, _LONGEST_NAME),
        ("duplicate_of", message.duplicate_of or message.id, _LONGEST_ID),
        *(("supersedes", id_, _LONGEST_ID) for id_ in message.supersedes),
    ):
        if not value or len(value.encode()) > longest:
            return f"its {name} must have 1 to {longest} bytes"
    return None


def _message_row(event_id: str, record: Record, now: int) -> dict[str, Any]:
    message = record.message
    return {
        "event_id": event_id,
        "id": message.id,
        "created_at": micros(message.created_at),
        "stored_at": now,
        "fetched_at": micros(record.fetched_at),
        "source": message.source,
        "author": message.author,
        "lang": message.lang,
        "location": message.location,
        "country": message.country or UNRESOLVED,
        "url": message.url,
        "publisher": message.publisher,
        "text": message.text,
        "content_hash": record.content_hash,
        "duplicate_of": message.duplicate_of or None,
        "is_first": not message.duplicate_of,
        "label": (record.prediction.label if record.prediction else Label.UNSCORED).value,
    }


def _prediction_row(event_id: str, message_id: str, said: Prediction) -> dict[str, Any]:
    negative, neutral, positive = said.probabilities
    return {
        "event_id": event_id,
        "message_id": message_id,
        "arm": said.arm,
        "label": said.label.value,
        "negative": negative,
        "neutral": neutral,
        "positive": positive,
        "model": said.model,
        "backend": said.backend,
    }


def _admit(connection: Connection, event_id: str, rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are not stored and were not removed before, with the family that `duplicate_of` leads to.

    The lock on the event makes this as sure as INSERT OR IGNORE ... RETURNING, which is several times slower.
    """
    asked = rows.keys() | ({row["duplicate_of"] for row in rows.values()} - {None})
    known: dict[str, str | None] = {}
    for table in (tombstones, messages):
        query = _families_of(connection.dialect.name, table)
        known.update(dict(connection.execute(query, {"event": event_id, "ids": list(asked)}).all()))
    fresh = [row for id_, row in rows.items() if id_ not in known]
    for row in fresh:
        family = known.get(row["duplicate_of"]) or row["duplicate_of"]
        row["duplicate_of"] = None if family == row["id"] else family
        row["is_first"] = row["duplicate_of"] is None
        known[row["id"]] = row["duplicate_of"]
    return fresh


@cache
def _families_of(dialect: str, table: Table) -> Select[Any, Any]:
    return select(table.c.id, table.c.duplicate_of).where(
        table.c.event_id == bindparam("event"), among(dialect, table.c.id, "ids")
    )


def _remove(
    connection: Connection, event_id: str, ids: Collection[str], now: datetime, tally: Tally
) -> tuple[int, set[str]]:
    """Delete messages with their predictions, and leave tombstones, also for ids not seen yet.

    Returns how many were there, and the families that lost their first.
    """
    if not ids:
        return 0, set()
    dialect, listed = connection.dialect.name, {"ids": sorted(ids)}
    said = among(dialect, predictions.c.message_id, "ids")
    connection.execute(delete(predictions).where(predictions.c.event_id == event_id, said), listed)
    query = delete(messages).where(_M.event_id == event_id, among(dialect, _M.id, "ids"))
    rows = connection.execute(query.returning(_M.id, _M.duplicate_of, _M.is_first, *_COUNTED), listed).all()
    kin = {row.id: row.duplicate_of for row in rows}
    graves = [{"event_id": event_id, "id": id_, "duplicate_of": kin.get(id_), "at": micros(now)} for id_ in sorted(ids)]
    connection.execute(insert(dialect, tombstones).on_conflict_do_nothing(), graves)
    gone = Counter(row.duplicate_of for row in rows if row.duplicate_of)
    _count_copies(connection, event_id, {family: -copies for family, copies in gone.items()})
    for row in rows:
        _count(tally, row, -1, -int(row.is_first))
    return len(rows), {row.duplicate_of or row.id for row in rows if row.is_first}


def _count_copies(connection: Connection, event_id: str, more: Mapping[str, int]) -> None:
    """Add to the number of copies of each family."""
    rows = [{"event_id": event_id, "id": family, "copies": copies} for family, copies in more.items()]
    insert_rows(connection, family_table, rows, adding=("copies",))


def _settle(connection: Connection, event_id: str, families: Collection[str], tally: Tally) -> None:
    """Give each of the families that has messages exactly one first."""
    if not families:
        return
    dialect, asked = connection.dialect.name, {"event": event_id, "ids": list(families)}
    originals = set(connection.scalars(_originals(dialect), asked))
    heirs = connection.execute(_heirs(dialect), asked).all()
    retired = [row for row in heirs if row.duplicate_of in originals]
    leaderless = set(families) - originals - {row.duplicate_of for row in heirs}
    raised: Sequence[_Row] = []
    if leaderless:
        raised = connection.execute(_oldest(dialect), {"event": event_id, "ids": list(leaderless)}).all()
    for rows, is_first in ((retired, False), (raised, True)):
        if rows:
            changed = update(messages).where(_M.event_id == event_id, among(dialect, _M.id, "ids"))
            connection.execute(changed.values(is_first=is_first), {"ids": [row.id for row in rows]})
        for row in rows:
            _count(tally, row, 0, 1 if is_first else -1)


@cache
def _originals(dialect: str) -> Select[Any]:
    chosen = among(dialect, _M.id, "ids")
    return select(_M.id).where(_M.event_id == bindparam("event"), chosen, _M.duplicate_of.is_(None))


@cache
def _heirs(dialect: str) -> Select[*tuple[Any, ...]]:
    chosen = among(dialect, _M.duplicate_of, "ids")
    return select(_M.id, _M.duplicate_of, *_COUNTED).where(_M.event_id == bindparam("event"), chosen, _M.is_first)


@cache
def _oldest(dialect: str) -> Select[*tuple[Any, ...]]:
    place = func.row_number().over(partition_by=_M.duplicate_of, order_by=(_M.created_at, _M.id)).label("place")
    chosen = among(dialect, _M.duplicate_of, "ids")
    members = select(_M.id, *_COUNTED, place).where(_M.event_id == bindparam("event"), chosen).subquery()
    return select(members).where(members.c.place == 1)


def _count(tally: Tally, row: _Row, raw: int, distinct: int) -> None:
    tally.add((row.created_at, row.source, row.country, row.label), raw, distinct)
