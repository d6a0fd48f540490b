"""The channels that alerts go to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select

from app.adapters.database import insert, micros, moment, storable
from app.adapters.schema import alert_channels as table
from app.core.alerts import Channel, ChannelKind
from app.core.errors import InvalidInput, NotFound
from app.core.incidents import Severity


def channels(connection: Connection) -> list[Channel]:
    """All channels, the oldest first."""
    return [_channel(row) for row in connection.execute(select(table).order_by(table.c.created_at, table.c.id))]


def channel(connection: Connection, channel_id: str) -> Channel:
    """One channel. Raises NotFound."""
    row = connection.execute(select(table).where(table.c.id == channel_id)).one_or_none()
    if row is None:
        raise _missing(channel_id)
    return _channel(row)


def matching(connection: Connection, event_id: str) -> list[Channel]:
    """The channels that are switched on and take alerts of an event."""
    query = select(table).where(table.c.enabled, or_(table.c.event_id.is_(None), table.c.event_id == event_id))
    return [_channel(row) for row in connection.execute(query.order_by(table.c.id))]


def put_channel(connection: Connection, new: Channel) -> None:
    """Insert or replace a channel; the first `created_at` stays. Raises InvalidInput for what cannot be stored."""
    for field in ("name", "target", "secret"):
        if not storable(getattr(new, field) or ""):
            raise InvalidInput(f"the channel's {field} has characters that cannot be stored", field=field)
    described = {
        "name": new.name,
        "kind": new.kind.value,
        "target": new.target,
        "secret": new.secret,
        "event_id": new.event_id,
        "least_severity": int(new.least_severity),
        "digest_minutes": new.digest_minutes,
        "enabled": new.enabled,
    }
    statement = insert(connection.dialect.name, table).values(
        described | {"id": new.id, "created_at": micros(new.created_at)}
    )
    connection.execute(statement.on_conflict_do_update(index_elements=[table.c.id], set_=described))


def delete_channel(connection: Connection, channel_id: str) -> None:
    """Delete a channel with its deliveries. Raises NotFound."""
    if connection.execute(delete(table).where(table.c.id == channel_id)).rowcount == 0:
        raise _missing(channel_id)


def _channel(row: Row[*tuple[Any, ...]]) -> Channel:
    return Channel(
        id=row.id,
        name=row.name,
        kind=ChannelKind(row.kind),
        target=row.target,
        secret=row.secret,
        event_id=row.event_id,
        least_severity=Severity(row.least_severity),
        digest_minutes=row.digest_minutes,
        enabled=row.enabled,
        created_at=moment(row.created_at),
    )


def _missing(channel_id: str) -> NotFound:
    return NotFound(f"there is no channel {channel_id!r}", field="channel_id")
