"""Incidents, their changes, the verdicts on them, and the steps from the spike to the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, or_, select

from app.adapters.database import insert, micros, moment, storable, to_json
from app.adapters.incident_records import (
    IncidentFilter,
    IncidentRows,
    StoredChange,
    StoredIncident,
    StoredVerdict,
)
from app.adapters.schema import incident_changes as changes
from app.adapters.schema import incident_steps as steps
from app.adapters.schema import incident_verdicts as verdicts
from app.adapters.schema import incidents as table
from app.adapters.schema import messages
from app.core.dial import Verdict
from app.core.errors import InvalidInput, NotFound
from app.core.incidents import Change, Incident, Update, incident_from_json, incident_json

BEGAN: Final = "began"
NOTICED: Final = "noticed"
VERDICT: Final = "verdict"

_WITHDRAWN: Final = "withdrawn"
_NEWEST: Final = (table.c.opened_at.desc(), table.c.event_id, table.c.number.desc())
# Asked for each incident that is shown: made once, for that takes longer than the answer.
_ALARMS: Final = select(table.c.event_id, table.c.number, table.c.severity).where(table.c.state == "open")
_VERDICTS: Final = select(verdicts).where(verdicts.c.event_id == bindparam("event")).order_by(verdicts.c.id)
_VERDICTS_OF_ONE: Final = _VERDICTS.where(verdicts.c.number == bindparam("number"))


def put_changes(
    connection: Connection, event_id: str, updates: Sequence[Update], now: datetime, *, in_history: bool
) -> None:
    """Store changes with the incidents as they are after them. The event must be locked.

    A change that is stored already is an error of the database's (its key is taken), and nothing is kept.
    """
    for change in updates:
        put_incident(connection, event_id, change.incident, in_history=in_history)
        connection.execute(
            changes.insert(),
            {
                "event_id": event_id,
                "number": change.incident.number,
                "revision": change.incident.revision,
                "at": micros(change.at),
                "told_at": micros(now),
                "change": change.change.value,
                "severity": int(change.incident.severity),
                "detail": to_json(incident_json(change.incident)),
            },
        )
        if change.change is Change.OPENED and not in_history:
            number = change.incident.number
            put_step(connection, event_id, number, BEGAN, _first_stored(connection, event_id, change.incident) or now)
            put_step(connection, event_id, number, NOTICED, now)


def put_incident(connection: Connection, event_id: str, incident: Incident, *, in_history: bool) -> None:
    """Store an incident as it is now; whether it was found in history stays as it was first stored."""
    row = {
        "event_id": event_id,
        "number": incident.number,
        "kind": incident.kind.value,
        "severity": int(incident.severity),
        "state": "open" if incident.is_open else "closed",
        "started_at": micros(incident.started_at),
        "opened_at": micros(incident.opened_at),
        "updated_at": micros(incident.updated_at),
        "ended_at": None if incident.ended_at is None else micros(incident.ended_at),
        "revision": incident.revision,
        "in_history": in_history,
        "detail": to_json(incident_json(incident)),
    }
    kept = ("event_id", "number", "in_history")
    statement = insert(connection.dialect.name, table).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={key: row[key] for key in row if key not in kept}
        )
    )


def _first_stored(connection: Connection, event_id: str, incident: Incident) -> datetime | None:
    """When the first message of an incident came in, by the clock; its own time says when it was written."""
    query = (
        select(messages.c.stored_at)
        .where(messages.c.event_id == event_id, messages.c.created_at >= micros(incident.started_at))
        .order_by(messages.c.created_at, messages.c.id)
        .limit(1)
    )
    found = connection.scalar(query)
    return None if found is None else moment(found)


def one(connection: Connection, event_id: str, number: int) -> StoredIncident:
    """One incident. Raises NotFound."""
    query = select(table).where(table.c.event_id == event_id, table.c.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"event {event_id!r} has no incident {number}", field="number")
    return _incident(row)


def find(connection: Connection, where: IncidentFilter, limit: int, after: str | None) -> IncidentRows:
    """A page of incidents, the latest opened first. Raises InvalidInput for a limit or an `after` that cannot be."""
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    query = select(table).where(*_conditions(where)).order_by(*_NEWEST).limit(limit + 1)
    if after is not None:
        query = query.where(_behind(after))
    rows = connection.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    next_ = None if last is None else f"{last.opened_at}/{last.number}/{last.event_id}"
    return IncidentRows(tuple(_incident(row) for row in rows[:limit]), next_)


def _conditions(where: IncidentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [table.c.severity >= where.least_severity]
    if where.event_id is not None:
        found.append(table.c.event_id == where.event_id)
    if where.is_open is not None:
        found.append(table.c.state == ("open" if where.is_open else "closed"))
    if where.start is not None:
        found.append(or_(table.c.ended_at.is_(None), table.c.ended_at >= micros(where.start)))
    if where.end is not None:
        found.append(table.c.started_at < micros(where.end))
    return found


def _behind(after: str) -> ColumnElement[bool]:
    opened, _, rest = after.partition("/")
    number, _, event_id = rest.partition("/")
    if not (_is_place(opened.removeprefix("-")) and _is_place(number) and event_id and storable(event_id)):
        raise InvalidInput("not a place in the incidents", field="after")
    same_time = table.c.opened_at == int(opened)
    return or_(
        table.c.opened_at < int(opened),
        and_(same_time, table.c.event_id > event_id),
        and_(same_time, table.c.event_id == event_id, table.c.number < int(number)),
    )


def _is_place(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def _incident(row: Row[*tuple[Any, ...]]) -> StoredIncident:
    return StoredIncident(row.event_id, incident_from_json(json.loads(row.detail)), row.in_history)


def history_of(connection: Connection, event_id: str, number: int) -> tuple[StoredChange, ...]:
    """The changes of an incident, the oldest first."""
    query = select(changes).where(changes.c.event_id == event_id, changes.c.number == number)
    return tuple(
        StoredChange(
            Change(row.change), moment(row.at), moment(row.told_at), incident_from_json(json.loads(row.detail))
        )
        for row in connection.execute(query.order_by(changes.c.revision))
    )


def stretches(connection: Connection, event_id: str) -> list[tuple[int, datetime, datetime | None]]:
    """(number, started_at, ended_at) of all incidents of an event; None while it is open."""
    rows = connection.execute(
        select(table.c.number, table.c.started_at, table.c.ended_at)
        .where(table.c.event_id == event_id)
        .order_by(table.c.number)
    )
    return [(number, moment(start), None if end is None else moment(end)) for number, start, end in rows]


def put_verdict(
    connection: Connection, event_id: str, number: int, verdict: Verdict | None, note: str, now: datetime
) -> None:
    """Append a line to the log of verdicts; None withdraws. The event must be locked. Raises InvalidInput."""
    if not storable(note):
        raise InvalidInput("the note has characters that cannot be stored", field="note")
    connection.execute(
        verdicts.insert(),
        {
            "event_id": event_id,
            "number": number,
            "verdict": _WITHDRAWN if verdict is None else verdict.value,
            "note": note,
            "at": micros(now),
        },
    )
    if verdict is not None:
        put_step(connection, event_id, number, VERDICT, now)


def verdicts_of(connection: Connection, event_id: str, number: int | None = None) -> tuple[StoredVerdict, ...]:
    """The log of the verdicts of an event or of one incident, the oldest first."""
    query = _VERDICTS if number is None else _VERDICTS_OF_ONE
    values = {"event": event_id, "number": number}
    return tuple(
        StoredVerdict(row.number, None if row.verdict == _WITHDRAWN else Verdict(row.verdict), row.note, moment(row.at))
        for row in connection.execute(query, values)
    )


def alarms(connection: Connection) -> frozenset[tuple[str, int, int]]:
    """Event, number and severity of all open incidents."""
    return frozenset((row.event_id, row.number, row.severity) for row in connection.execute(_ALARMS))


def count_verdicts(connection: Connection, event_id: str) -> int:
    """How many lines the log of the verdicts of an event has."""
    query = select(func.count()).select_from(verdicts).where(verdicts.c.event_id == event_id)
    return int(connection.scalar(query) or 0)


def put_step(connection: Connection, event_id: str, number: int, step: str, at: datetime) -> bool:
    """Note the first time of a step; says whether it was the first."""
    statement = insert(connection.dialect.name, steps).values(
        event_id=event_id, number=number, step=step, at=micros(at)
    )
    return connection.execute(statement.on_conflict_do_nothing().returning(steps.c.number)).one_or_none() is not None


def steps_of(connection: Connection, event_id: str | None) -> Mapping[tuple[str, int], Mapping[str, datetime]]:
    """The steps of the incidents of an event (None: of all), by event and number."""
    query = select(steps)
    if event_id is not None:
        query = query.where(steps.c.event_id == event_id)
    found: dict[tuple[str, int], dict[str, datetime]] = {}
    for row in connection.execute(query):
        found.setdefault((row.event_id, row.number), {})[row.step] = moment(row.at)
    return found
