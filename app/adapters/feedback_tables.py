"""The log of what people say of messages. No text is kept: a message that is deleted takes its text along."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, func, insert, select

from app.adapters.database import among, micros, moment, storable
from app.adapters.schema import feedback as table
from app.adapters.schema import messages, predictions
from app.core.errors import InvalidInput, NotFound
from app.core.feedback import HumanLabel, Judgement, MessageVerdict, Stratum, cases
from app.core.types import Label

LONGEST_NAME: Final = 60
_T = table.c
_M = messages.c
# Asked for each window that is shown: made once, for that takes longer than the answer.
_LATEST: Final = select(func.max(_T.id))


@dataclass(frozen=True, slots=True)
class JudgementPage:
    """A page of the log, the latest first. `next` is the `after` of the next page; None on the last."""

    items: tuple[Judgement, ...]
    next: str | None


def append(
    connection: Connection, key: tuple[str, str], verdict: MessageVerdict, stratum: Stratum, who: str, now: datetime
) -> Judgement:
    """Append a verdict on the message `key` (event, message), or return the row where the same one stands already.

    The event must be locked. Raises NotFound without the message.
    """
    event_id, message_id = key
    said = _said(connection, event_id, message_id)
    last = _last(connection, event_id, who, message_id)
    if last is not None and (last.verdict, last.stratum) == (verdict, stratum):
        return last
    row = {
        "event_id": event_id,
        "message_id": message_id,
        "verdict": verdict.value,
        "stratum": stratum.value,
        "label": said.label,
        "model": said.model or "",
        "who": who,
        "at": micros(now),
        "undoes": None,
    }
    return _add(connection, row)


def undo(connection: Connection, event_id: str, who: str, message_id: str | None, now: datetime) -> Judgement:
    """Take back somebody's latest verdict, on one message or (None) on any; gives the row that is taken back.

    The event must be locked. Raises NotFound where nothing stands.
    """
    last = _last(connection, event_id, who, message_id)
    if last is None:
        on = "" if message_id is None else f" on message {message_id!r}"
        raise NotFound(f"{who!r} has no verdict{on} to take back", field="message_id" if message_id else "who")
    row = {
        "event_id": event_id,
        "message_id": last.message_id,
        "verdict": MessageVerdict.UNDONE.value,
        "stratum": last.stratum.value,
        "label": last.said.value,
        "model": last.model,
        "who": who,
        "at": micros(now),
        "undoes": last.id,
    }
    _add(connection, row)
    return last


def name(who: str) -> str:
    """A person's name as it is stored. Raises InvalidInput."""
    trimmed = " ".join(who.split())
    if not 1 <= len(trimmed) <= LONGEST_NAME or not storable(trimmed):
        raise InvalidInput(f"a name has 1 to {LONGEST_NAME} characters", field="who")
    return trimmed


def log(connection: Connection, event_id: str | None = None) -> list[Judgement]:
    """The whole log of an event (None: of all), the oldest first."""
    query = select(table).order_by(_T.id)
    if event_id is not None:
        query = query.where(_T.event_id == event_id)
    return [_judgement(row) for row in connection.execute(query)]


def newest(connection: Connection) -> int:
    """The id of the latest row of all events, 0 where there is none: it grows with each row."""
    return int(connection.scalar(_LATEST) or 0)


def page(connection: Connection, event_id: str, limit: int, after: str | None) -> JudgementPage:
    """A page of the log of an event. Raises InvalidInput for a limit below 1 or an `after` that is none."""
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    query = select(table).where(_T.event_id == event_id).order_by(_T.id.desc()).limit(limit + 1)
    if after is not None:
        if not (after.isascii() and after.isdigit() and len(after) <= 18):
            raise InvalidInput("not a place in the feedback", field="after")
        query = query.where(_T.id < int(after))
    rows = [_judgement(row) for row in connection.execute(query)]
    return JudgementPage(tuple(rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else None)


def labels(connection: Connection, event_id: str, ids: Collection[str]) -> dict[str, HumanLabel]:
    """What people make of messages, by their ids; those that nobody judged are left out."""
    if not ids:
        return {}
    chosen = among(connection.dialect.name, _T.message_id, "ids")
    query = select(table).where(_T.event_id == event_id, chosen)
    judged = cases(_judgement(row) for row in connection.execute(query, {"ids": sorted(ids)}))
    return {message_id: case.label for (_, message_id), case in judged.items() if case.label is not None}


def _said(connection: Connection, event_id: str, message_id: str) -> Row[tuple[str, str | None]]:
    joined = messages.outerjoin(
        predictions, and_(predictions.c.event_id == _M.event_id, predictions.c.message_id == _M.id)
    )
    query: Select[tuple[str, str | None]] = select(_M.label, predictions.c.model).select_from(joined)
    found = None
    if storable(message_id):
        found = connection.execute(query.where(_M.event_id == event_id, _M.id == message_id)).one_or_none()
    if found is None:
        raise NotFound(f"event {event_id!r} has no message {message_id!r}", field="message_id")
    return found


def _last(connection: Connection, event_id: str, who: str, message_id: str | None) -> Judgement | None:
    """Somebody's latest row that was not taken back."""
    later = table.alias("later")
    undone = select(later.c.id).where(later.c.event_id == event_id, later.c.undoes == _T.id)
    if message_id is not None:
        undone = undone.where(later.c.message_id == message_id)
    query = select(table).where(
        _T.event_id == event_id, _T.who == who, _T.verdict != MessageVerdict.UNDONE.value, ~undone.exists()
    )
    if message_id is not None:
        query = query.where(_T.message_id == message_id)
    row = connection.execute(query.order_by(_T.id.desc()).limit(1)).one_or_none()
    return None if row is None else _judgement(row)


def _add(connection: Connection, row: dict[str, Any]) -> Judgement:
    return _judgement(connection.execute(insert(table).values(row).returning(*table.c)).one())


def _judgement(row: Row[*tuple[Any, ...]]) -> Judgement:
    return Judgement(
        id=row.id,
        event_id=row.event_id,
        message_id=row.message_id,
        verdict=MessageVerdict(row.verdict),
        stratum=Stratum(row.stratum),
        said=Label(row.label),
        model=row.model,
        who=row.who,
        at=moment(row.at),
        undoes=row.undoes,
    )
