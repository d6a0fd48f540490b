"""What the spike detector reads and keeps: counts by source and step, its own state, the rules of events."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
    update,
)

from app.adapters.database import insert, micros, moment, to_json
from app.adapters.incident_records import DetectorState, StoredRule
from app.adapters.schema import EVER, EVERY, rollups
from app.adapters.schema import detection_rules as rules
from app.adapters.schema import detector_state as states
from app.core.history import STEP, Counts, StepCount
from app.core.types import CLASSES, Label
from app.core.watch import Rule

_STEP_MICROS: Final = round(STEP.total_seconds() * 1_000_000)
_SCORED: Final = tuple(label.value for label in CLASSES)


def sources(connection: Connection, event_id: str) -> list[str]:
    """The sources that an event has messages of."""
    query = select(rollups.c.source).where(
        rollups.c.event_id == event_id, rollups.c.grain == EVER, rollups.c.source != EVERY, rollups.c.country == EVERY
    )
    return sorted(set(connection.scalars(query.where(rollups.c.raw > 0))))


def step_counts(
    connection: Connection, event_id: str, since: datetime, until: datetime, named: Collection[str]
) -> Counts:
    """The counts of the whole steps from that of `since` on which begin before `until`, of the named sources."""
    low = micros(since) // _STEP_MICROS * _STEP_MICROS
    high = -(-micros(until) // _STEP_MICROS) * _STEP_MICROS
    step = (rollups.c.start // literal_column(str(_STEP_MICROS), BigInteger)).label("step")
    query = (
        select(step, rollups.c.label, func.sum(rollups.c.raw), func.sum(rollups.c["distinct"]))
        .where(rollups.c.start >= low, rollups.c.start < high)
        .group_by(step, rollups.c.label)
    )
    counts: dict[str, dict[int, StepCount]] = {}
    for source in named:
        found = counts.setdefault(source, {})
        for number, label, raw, distinct in connection.execute(query.where(*_line(event_id, source))):
            before = found.get(int(number), StepCount())
            found[int(number)] = StepCount(
                before.total + int(raw),
                before.scored + (int(distinct) if label in _SCORED else 0),
                before.negative + (int(distinct) if label == Label.NEGATIVE else 0),
            )
    return counts


def last_steps(connection: Connection, event_id: str) -> dict[str, int]:
    """By source: the step of its newest message; the last entry of a line of the index."""
    found: dict[str, int] = {}
    for source in sources(connection, event_id):
        newest = select(rollups.c.start).where(*_line(event_id, source)).order_by(rollups.c.start.desc()).limit(1)
        start = connection.scalar(newest)
        if start is not None:
            found[source] = int(start) // _STEP_MICROS
    return found


def _line(event_id: str, source: str) -> tuple[ColumnElement[bool], ...]:
    """The minutes of a source that have messages."""
    return (
        rollups.c.event_id == event_id,
        rollups.c.grain == "minute",
        rollups.c.source == source,
        rollups.c.country == EVERY,
        rollups.c.raw > 0,
    )


def counted_before(connection: Connection, event_id: str, source: str, moment_: datetime) -> int:
    """The messages of a source from before a time (whole minutes), added up from days, hours and minutes."""
    minute = micros(moment_)
    hour, day = (minute // width * width for width in (3_600_000_000, 86_400_000_000))
    asked = {"event": event_id, "source": source, "minute": minute, "hour": hour, "day": day}
    return int(connection.scalar(_counted_before(), asked) or 0)


@cache
def _counted_before() -> Select[int]:
    minute: BindParameter[int] = bindparam("minute")
    hour: BindParameter[int] = bindparam("hour")
    day: BindParameter[int] = bindparam("day")
    start = rollups.c.start
    whose = (rollups.c.event_id == bindparam("event"), rollups.c.source == bindparam("source"))
    line = select(func.sum(rollups.c.raw).label("raw")).where(*whose, rollups.c.country == EVERY)
    # Three ranges of the primary key; as one condition with OR, SQLite would read all that the event has.
    parts = union_all(
        line.where(rollups.c.grain == "day", start < day),
        line.where(rollups.c.grain == "hour", start >= day, start < hour),
        line.where(rollups.c.grain == "minute", start >= hour, start < minute),
    ).subquery()
    return select(func.sum(parts.c.raw))


def state(connection: Connection, event_id: str) -> DetectorState | None:
    """Where the detector of an event stands; None before its first run."""
    row = connection.execute(select(states).where(states.c.event_id == event_id)).one_or_none()
    if row is None:
        return None
    return DetectorState(json.loads(row.state), moment(row.tested_to), moment(row.updated_at), row.revision)


def tested(connection: Connection, event_id: str | None) -> dict[str, datetime]:
    """By event (None: all), the time before which everything has been tested."""
    query = select(states.c.event_id, states.c.tested_to)
    if event_id is not None:
        query = query.where(states.c.event_id == event_id)
    return {name: moment(tested_to) for name, tested_to in connection.execute(query)}


def put_state(
    connection: Connection,
    event_id: str,
    read: int,
    new: Mapping[str, Any],
    tested_to: datetime,
    now: datetime,
) -> bool:
    """Store the detector's state, if it still is at the revision that was `read` (0: there was none)."""
    values = {"state": to_json(new), "tested_to": micros(tested_to), "updated_at": micros(now), "revision": read + 1}
    if read == 0:
        statement = insert(connection.dialect.name, states).values(event_id=event_id, **values)
        return (
            connection.execute(statement.on_conflict_do_nothing().returning(states.c.event_id)).one_or_none()
            is not None
        )
    mine = update(states).where(states.c.event_id == event_id, states.c.revision == read)
    return connection.execute(mine.values(values)).rowcount == 1


def rule(connection: Connection, event_id: str) -> StoredRule:
    """The rule of an event, or the default."""
    row = connection.execute(select(rules).where(rules.c.event_id == event_id)).one_or_none()
    if row is None:
        return StoredRule()
    stored = json.loads(row.rule)
    return StoredRule(Rule.from_json(stored["rule"]), stored["enabled"], moment(row.updated_at))


def put_rule(connection: Connection, event_id: str, new: Rule, enabled: bool, now: datetime) -> None:
    """Set the rule of an event. The event must be locked."""
    row = {
        "event_id": event_id,
        "rule": to_json({"enabled": enabled, "rule": new.as_json()}),
        "updated_at": micros(now),
    }
    statement = insert(connection.dialect.name, rules).values(row)
    changed = {"rule": row["rule"], "updated_at": row["updated_at"]}
    connection.execute(statement.on_conflict_do_update(index_elements=list(rules.primary_key), set_=changed))
