"""Channels, incidents and their changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.core.alerts import Channel, ChannelKind
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from tests.fakes.clock import START

SECRET = "a secret of some length"


def channel(id_: str = "a", **fields: Any) -> Channel:
    """A webhook for everything; `fields` are those of Channel."""
    values: dict[str, Any] = {
        "name": f"Channel {id_}",
        "kind": ChannelKind.WEBHOOK,
        "target": "https://hooks.example.org/alerts?key=hidden",
        "secret": SECRET,
        "event_id": None,
        "least_severity": Severity.WATCH,
        "digest_minutes": 0,
        "enabled": True,
        "created_at": START,
    }
    return Channel(id_, **(values | fields))


def incident(
    number: int = 1, revision: int = 1, *, severity: Severity = Severity.WATCH, ended_at: datetime | None = None
) -> Incident:
    """More of the messages are negative than usual."""
    signal = Signal(
        kind=Kind.NEGATIVE_SHARE,
        source="x",
        since=START - timedelta(minutes=20),
        observed=0.41,
        expected=0.22,
        size=60.0,
        surprise=7.5,
        threshold=4.0,
        holds=True,
    )
    return Incident(
        number=number,
        kinds=(Kind.NEGATIVE_SHARE,),
        severity=severity,
        started_at=START - timedelta(minutes=20),
        opened_at=START - timedelta(minutes=5),
        updated_at=START,
        ended_at=ended_at,
        revision=revision,
        size=60.0,
        reopened=0,
        evidence=(signal,),
    )


def change(
    number: int = 1,
    revision: int = 1,
    kind: Change = Change.OPENED,
    *,
    severity: Severity = Severity.WATCH,
    at: datetime = START,
) -> Update:
    """A change of `incident`."""
    ended_at = at if kind is Change.CLOSED else None
    return Update(kind, at, incident(number, revision, severity=severity, ended_at=ended_at))
