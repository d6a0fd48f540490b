"""The outbox: which incident change is to go to which channel, and what has become of it.

A row is written in the transaction of the change itself, so that neither is there without the other. A sender claims
rows before it sends them; when it dies in between, they are due again after `LEASE`, in the same message with the
same id. A receiver that looks at the id therefore sees each change once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from app.adapters import channel_tables
from app.adapters.alert_records import DeliveryFilter, DeliveryRows, Parcel, StoredDelivery, Tally
from app.adapters.database import insert, mended, micros, moment
from app.adapters.incident_records import StoredChange
from app.adapters.schema import alert_channels, incident_changes
from app.adapters.schema import deliveries as table
from app.core.alerts import (
    BURST_WINDOW,
    Channel,
    DeliveryState,
    Told,
    Waiting,
    due_at,
    is_urgent,
    next_message,
    parcel_id,
)
from app.core.errors import InvalidInput
from app.core.incidents import Change, Severity, Update, incident_from_json

LEASE: Final = timedelta(seconds=60)
"""How long a sender has for a message before it is taken to be dead."""

_OPEN: Final = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)
_WITH_CHANGE: Final = table.join(
    incident_changes,
    and_(
        incident_changes.c.event_id == table.c.event_id,
        incident_changes.c.number == table.c.number,
        incident_changes.c.revision == table.c.revision,
    ),
)


def enqueue(connection: Connection, event_id: str, updates: Sequence[Update], now: datetime) -> int:
    """Put the changes of incidents into the outbox, a row for each channel that they concern; gives how many.

    To be called in the transaction that stores the changes. What is there already stays as it is.
    """
    channels = channel_tables.matching(connection, event_id) if updates else []
    rows = [
        {
            "channel_id": channel.id,
            "event_id": event_id,
            "number": change.incident.number,
            "revision": change.incident.revision,
            "state": DeliveryState.WAITING.value,
            "attempts": 0,
            "created_at": micros(now),
            "due_at": micros(due_at(change.change, change.incident.severity, channel, now)),
            "error": "",
        }
        for change in updates
        for channel in channels
        if change.incident.severity >= channel.least_severity
    ]
    if rows:
        connection.execute(insert(connection.dialect.name, table).on_conflict_do_nothing(), rows)
    return len(rows)


def is_due(connection: Connection, busy: Collection[str], now: datetime) -> bool:
    """Whether there is anything to claim; cheap, and takes no lock."""
    return connection.scalar(select(table.c.id).where(_due(busy, now)).limit(1)) is not None


def _due(busy: Collection[str], now: datetime) -> ColumnElement[bool]:
    return and_(table.c.state.in_(_OPEN), table.c.due_at <= micros(now), table.c.channel_id.not_in(busy))


def claim(connection: Connection, busy: Collection[str], now: datetime) -> list[Parcel]:
    """Take the next message of each channel that has one due and is not `busy`; at most one sender gets it."""
    due = select(table.c.channel_id).where(_due(busy, now))
    wanted = select(alert_channels.c.id).where(alert_channels.c.id.in_(due))
    # On PostgreSQL a channel that another sender is looking at is left to it.
    locked = connection.scalars(wanted.order_by(alert_channels.c.id).with_for_update(skip_locked=True, key_share=True))
    parcels = [_claim(connection, channel_tables.channel(connection, found), now) for found in locked.all()]
    return [parcel for parcel in parcels if parcel is not None]


def _claim(connection: Connection, channel: Channel, now: datetime) -> Parcel | None:
    query = (
        select(table.c.id, table.c.due_at, table.c.parcel, incident_changes.c.change, incident_changes.c.severity)
        .select_from(_WITH_CHANGE)
        .where(table.c.channel_id == channel.id, table.c.state.in_(_OPEN), table.c.due_at <= micros(now))
    )
    waiting = [_waiting(row, channel) for row in connection.execute(query)]
    if not waiting:
        return None
    chosen = next_message(waiting, _told(connection, channel.id, now), now)
    if isinstance(chosen, datetime):
        held = update(table).where(table.c.id.in_([change.key for change in waiting if change.parcel is None]))
        connection.execute(held.values(due_at=micros(chosen)))
        return None
    return _take(connection, channel, [change.key for change in chosen], now)


def _waiting(row: Row[*tuple[Any, ...]], channel: Channel) -> Waiting:
    severity = Severity(row.severity)
    urgent = is_urgent(Change(row.change), severity, channel.least_severity)
    return Waiting(row.id, severity, moment(row.due_at), channel.digest_minutes > 0 and not urgent, row.parcel)


def _told(connection: Connection, channel_id: str, now: datetime) -> list[Told]:
    rows = connection.execute(
        select(func.max(table.c.sent_at).label("at"), func.max(incident_changes.c.severity).label("severity"))
        .select_from(_WITH_CHANGE)
        .where(table.c.channel_id == channel_id, table.c.sent_at > micros(now - BURST_WINDOW))
        .group_by(table.c.parcel)
    )
    return [Told(moment(row.at), Severity(row.severity)) for row in rows]


def _take(connection: Connection, channel: Channel, keys: Sequence[int], now: datetime) -> Parcel:
    rows = connection.execute(
        select(table, incident_changes.c.change, incident_changes.c.at, incident_changes.c.told_at)
        .add_columns(incident_changes.c.detail)
        .select_from(_WITH_CHANGE)
        .where(table.c.id.in_(keys))
        .order_by(table.c.event_id, table.c.number, table.c.revision)
    ).all()
    id_ = rows[0].parcel or parcel_id(channel.id, [(row.event_id, row.number, row.revision) for row in rows])
    attempt = rows[0].attempts + 1
    taken = {"state": DeliveryState.SENDING.value, "parcel": id_, "attempts": attempt, "due_at": micros(now + LEASE)}
    connection.execute(update(table).where(table.c.id.in_(keys)).values(taken))
    return Parcel(
        id=id_,
        channel=channel,
        changes=tuple(
            (
                row.event_id,
                StoredChange(
                    Change(row.change), moment(row.at), moment(row.told_at), incident_from_json(json.loads(row.detail))
                ),
            )
            for row in rows
        ),
        attempt=attempt,
        created_at=moment(min(row.created_at for row in rows)),
        until=now + LEASE,
    )


def mark_sent(connection: Connection, parcel: Parcel, now: datetime) -> bool:
    """Note that a message was delivered. False: it was no longer this sender's, and nothing is changed."""
    return _mark(connection, parcel, {"state": DeliveryState.SENT.value, "sent_at": micros(now), "error": ""})


def mark_failed(connection: Connection, parcel: Parcel, error: str, again_at: datetime | None) -> bool:
    """Note that a message was not delivered, and when to try again; None is never. False as for `mark_sent`."""
    if again_at is None:
        return _mark(connection, parcel, {"state": DeliveryState.FAILED.value, "error": mended(error)})
    waiting = {"state": DeliveryState.WAITING.value, "due_at": micros(again_at), "error": mended(error)}
    return _mark(connection, parcel, waiting)


def _mark(connection: Connection, parcel: Parcel, values: dict[str, object]) -> bool:
    mine = (
        table.c.channel_id == parcel.channel.id,
        table.c.parcel == parcel.id,
        table.c.attempts == parcel.attempt,
        table.c.state == DeliveryState.SENDING.value,
    )
    return connection.execute(update(table).where(*mine).values(values)).rowcount > 0


def give_up_waiting(connection: Connection, channel_id: str, error: str) -> None:
    """Give up everything that waits for a channel, with the reason."""
    waiting = update(table).where(table.c.channel_id == channel_id, table.c.state == DeliveryState.WAITING.value)
    connection.execute(waiting.values(state=DeliveryState.FAILED.value, error=error))


def find(connection: Connection, where: DeliveryFilter, limit: int, after: str | None) -> DeliveryRows:
    """A page of deliveries, the latest first. Raises InvalidInput for a limit or an `after` that cannot be."""
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    query = (
        select(table, incident_changes.c.change, incident_changes.c.severity)
        .select_from(_WITH_CHANGE)
        .order_by(table.c.id.desc())
        .limit(limit + 1)
    )
    if where.channel_id is not None:
        query = query.where(table.c.channel_id == where.channel_id)
    if where.event_id is not None:
        query = query.where(table.c.event_id == where.event_id)
    if where.state is not None:
        query = query.where(table.c.state == where.state.value)
    if after is not None:
        query = query.where(table.c.id < _place(after))
    rows = connection.execute(query).all()
    return DeliveryRows(
        tuple(_delivery(row) for row in rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else None
    )


def _place(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput("not a place in the deliveries", field="after")
    return int(after)


def _delivery(row: Row[*tuple[Any, ...]]) -> StoredDelivery:
    return StoredDelivery(
        channel_id=row.channel_id,
        event_id=row.event_id,
        number=row.number,
        revision=row.revision,
        change=Change(row.change),
        severity=Severity(row.severity),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=moment(row.created_at),
        due_at=moment(row.due_at),
        sent_at=None if row.sent_at is None else moment(row.sent_at),
        parcel=row.parcel,
        error=row.error,
    )


def tallies(connection: Connection) -> dict[str, Tally]:
    """What became of the changes of each channel that had any."""
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        select(table.c.channel_id, table.c.state, func.count().label("n")).group_by(table.c.channel_id, table.c.state)
    ):
        counts.setdefault(row.channel_id, {})[row.state] = row.n
    return {channel_id: _tally(connection, channel_id, found) for channel_id, found in counts.items()}


def _tally(connection: Connection, channel_id: str, counts: dict[str, int]) -> Tally:
    mine = table.c.channel_id == channel_id
    last_sent_at = connection.scalar(select(func.max(table.c.sent_at)).where(mine))
    last = connection.execute(
        select(table.c.error)
        .where(mine, (table.c.error != "") | (table.c.state == DeliveryState.SENT.value))
        .order_by(table.c.id.desc())
        .limit(1)
    ).one_or_none()
    return Tally(
        waiting=sum(counts.get(state, 0) for state in _OPEN),
        sent=counts.get(DeliveryState.SENT.value, 0),
        failed=counts.get(DeliveryState.FAILED.value, 0),
        last_sent_at=None if last_sent_at is None else moment(last_sent_at),
        error="" if last is None else last.error,
    )
