"""Reading messages: one, a page by filters, the first of each text."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    select,
    tuple_,
    union,
)

from app.adapters import feedback_tables
from app.adapters.database import among, contains, micros, moment, storable
from app.adapters.records import UNRESOLVED, MessageFilter, MessagePage, StoredMessage
from app.adapters.schema import families, messages, predictions
from app.core.errors import InvalidInput, NotFound
from app.core.feedback import HumanLabel
from app.core.types import Label, Message, Prediction

_Row: TypeAlias = Row[*tuple[Any, ...]]
_M = messages.c
_P = predictions.c
_F = families.c
_NEWEST = (_M.created_at.desc(), _M.id.desc())
_LONGEST_SEARCH = 500  # characters
_MOST_IDS = 1_000
_LOOKS, _LOOKED_AT = 5, 10  # places of a window at which so many messages are asked for their model
_MOST_MICROS = 10**18  # the year 33658: any number that both databases hold


def page(connection: Connection, event_id: str, where: MessageFilter, limit: int, after: str | None) -> MessagePage:
    """A page of messages, newest first; see `Store.messages`."""
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    # By an expression where few are asked for by id: SQLite would else walk along all times to find them in order.
    time = _M.created_at if where.ids is None else _M.created_at + 0
    place = None if after is None else _place(after)
    if place is not None and where.end is not None and place[0] < micros(where.end):
        where = replace(where, end=None)  # SQLite uses one of two bounds to begin at, and would begin at this one
    query = _with_predictions().where(_M.event_id == event_id, *conditions(connection.dialect.name, where))
    query = query.order_by(time.desc(), _M.id.desc()).limit(limit + 1)
    if place is not None:
        query = query.where(tuple_(time, _M.id) < tuple_(*place))
    values = {}
    if where.ids is not None:
        query = query.where(among(connection.dialect.name, _M.id, "ids"))
        values["ids"] = [id_ for id_ in where.ids if storable(id_)]
    rows = connection.execute(query, values).all()
    items = _stored(connection, event_id, rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return MessagePage(tuple(items), None if last is None else _cursor(last.created_at, last.id))


def one(connection: Connection, event_id: str, message_id: str) -> StoredMessage:
    """One message. Raises NotFound."""
    query = _with_predictions().where(_M.event_id == event_id, _M.id == message_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"event {event_id!r} has no message {message_id!r}", field="message_id")
    return _stored(connection, event_id, [row])[0]


def some(connection: Connection, event_id: str, ids: Collection[str]) -> dict[str, StoredMessage]:
    """These messages by id, as far as they are stored."""
    query = _with_predictions().where(_M.event_id == event_id, among(connection.dialect.name, _M.id, "ids"))
    rows = connection.execute(query, {"ids": sorted(ids)}).all()
    return {item.message.id: item for item in _stored(connection, event_id, rows)}


def span(connection: Connection, event_id: str) -> tuple[datetime, datetime] | None:
    """The times of the first and the last message: two looks into the index."""
    times = select(_M.created_at).where(_M.event_id == event_id).limit(1)
    first = connection.scalar(times.order_by(_M.created_at))
    last = connection.scalar(times.order_by(_M.created_at.desc()))
    return None if first is None or last is None else (moment(first), moment(last))


def models(connection: Connection, event_id: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """The models of some messages of a window; see `Store.models`."""
    untils = {f"until{part}": micros(start + (end - start) * (_LOOKS - part) / _LOOKS) for part in range(_LOOKS)}
    return tuple(sorted(connection.scalars(_models(), {"event": event_id, "start": micros(start)} | untils)))


@cache
def _models() -> CompoundSelect[tuple[str]]:
    """The models of the newest messages before each `until`, of those from `start` on."""
    event, start = bindparam("event", type_=_M.event_id.type), bindparam("start", type_=_M.created_at.type)
    looks = []
    for part in range(_LOOKS):
        until = bindparam(f"until{part}", type_=_M.created_at.type)
        some = (
            select(_M.id)
            .where(_M.event_id == event, _M.created_at >= start, _M.created_at < until)
            .order_by(*_NEWEST)
            .limit(_LOOKED_AT)
            .subquery()
        )
        looks.append(select(_P.model).where(_P.event_id == event, _P.message_id.in_(select(some.c.id))))
    return union(*looks)


def firsts(connection: Connection, event_id: str, limit: int) -> list[tuple[str, str]]:
    """(id, text) of the latest messages that are no copies, oldest first."""
    query = select(_M.id, _M.text).where(_M.event_id == event_id, _M.is_first).order_by(*_NEWEST).limit(max(limit, 0))
    return [(message_id, text) for message_id, text in reversed(connection.execute(query).all())]


def _with_predictions() -> Select[*tuple[Any, ...]]:
    joined = messages.outerjoin(predictions, and_(_P.event_id == _M.event_id, _P.message_id == _M.id))
    said = (_P.arm, _P.label.label("said"), _P.negative, _P.neutral, _P.positive, _P.model, _P.backend)
    return select(*messages.c, *said).select_from(joined)


def conditions(dialect: str, where: MessageFilter) -> list[ColumnElement[bool]]:
    """What a message must fulfil to fit a filter, apart from its event and `ids`. Raises InvalidInput."""
    for field in ("source", "country", "text"):
        if not storable(getattr(where, field) or ""):
            raise InvalidInput(f"{field} has characters that no message has", field=field)
    if len(where.text or "") > _LONGEST_SEARCH:
        raise InvalidInput(f"text must have at most {_LONGEST_SEARCH} characters", field="text")
    if len(where.ids or ()) > _MOST_IDS:
        raise InvalidInput(f"ids must be at most {_MOST_IDS}", field="ids")
    needed: list[ColumnElement[bool]] = []
    if where.start is not None:
        needed.append(_M.created_at >= micros(where.start))
    if where.end is not None:
        needed.append(_M.created_at < micros(where.end))
    if where.label is not None:
        needed.append(_M.label == where.label.value)
    if where.source is not None:
        needed.append(_M.source == where.source)
    if where.country is not None:
        needed.append(_M.country == where.country)
    if where.text:
        needed.append(contains(dialect, _M.text, where.text))
    if where.distinct_only:
        needed.append(_M.is_first)
    return needed


def _cursor(created_at: int, message_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([created_at, message_id]).encode()).decode()


def _place(after: str) -> tuple[int, str]:
    try:
        match json.loads(base64.b64decode(after.encode(), altchars=b"-_", validate=True)):
            case [bool(), _]:  # an int in Python, not in JSON or SQL
                pass
            case [int(created_at), str(message_id)] if abs(created_at) < _MOST_MICROS and storable(message_id):
                return created_at, message_id
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise InvalidInput("not a place in a list of messages", field="after")


class _Family(NamedTuple):
    copies: int  # how many stored messages repeat the original
    heir: str | None  # the copy that stands in for an original that is not stored


def _stored(connection: Connection, event_id: str, rows: Sequence[_Row]) -> list[StoredMessage]:
    keys = {row.duplicate_of or row.id for row in rows}
    heirs = and_(_M.event_id == _F.event_id, _M.duplicate_of == _F.id, _M.is_first)
    query = (
        select(_F.id, _F.copies, _M.id)
        .select_from(families.outerjoin(messages, heirs))
        .where(_F.event_id == event_id, among(connection.dialect.name, _F.id, "keys"))
    )
    found = connection.execute(query, {"keys": list(keys)})
    known = {key: _Family(copies, heir) for key, copies, heir in found}
    family_of = {row.id: known.get(row.duplicate_of or row.id, _Family(0, None)) for row in rows}
    firsts = {row.id: family_of[row.id].heir or row.duplicate_of or row.id for row in rows}
    judged = feedback_tables.labels(connection, event_id, {*firsts, *firsts.values()})
    return [_message(row, family_of[row.id], judged.get(row.id) or judged.get(firsts[row.id])) for row in rows]


def _message(row: _Row, family: _Family, feedback: HumanLabel | None) -> StoredMessage:
    message = Message(
        id=row.id,
        text=row.text,
        created_at=moment(row.created_at),
        source=row.source,
        author=row.author,
        lang=row.lang,
        location=row.location,
        country=None if row.country == UNRESOLVED else row.country,
        url=row.url,
        publisher=row.publisher,
        duplicate_of=None if row.is_first else family.heir or row.duplicate_of,
    )
    prediction = None
    if row.arm is not None:
        probabilities = (row.negative, row.neutral, row.positive)
        prediction = Prediction(Label(row.said), probabilities, row.model, row.backend, row.arm)
    return StoredMessage(
        message=message,
        prediction=prediction,
        # With an heir the original is not among the stored ones, and the heir is no copy of itself.
        copies=family.copies - (family.heir is not None),
        content_hash=row.content_hash,
        fetched_at=moment(row.fetched_at),
        stored_at=moment(row.stored_at),
        feedback=feedback,
    )
