"""Incidents for tests, as the detector would hand them over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from tests.adapters.builders import at


def signal(kind: Kind = Kind.NEGATIVE_SHARE, since: datetime | None = None, **fields: Any) -> Signal:
    values: dict[str, Any] = {
        "source": "x",
        "observed": 0.6,
        "expected": 0.2,
        "size": 40.0,
        "surprise": 7.0,
        "threshold": 5.0,
    }
    return Signal(kind=kind, since=since or at(0), **(values | fields))


def incident(number: int = 1, *, start: float = 0, **fields: Any) -> Incident:
    """An open incident that began at a minute and was noticed five minutes later."""
    values: dict[str, Any] = {
        "kinds": (Kind.NEGATIVE_SHARE,),
        "severity": Severity.WATCH,
        "started_at": at(start),
        "opened_at": at(start + 5),
        "updated_at": at(start + 5),
        "ended_at": None,
        "revision": 1,
        "size": 40.0,
        "reopened": 0,
        "evidence": (signal(since=at(start)),),
    }
    return Incident(number=number, **(values | fields))


def opened(it: Incident) -> Update:
    return Update(Change.OPENED, it.opened_at, it)


def then(it: Incident, change: Change, minutes: float, **fields: Any) -> Update:
    """The next change of an incident, so many minutes after the last."""
    moment = it.updated_at + timedelta(minutes=minutes)
    if change is Change.CLOSED:
        fields.setdefault("ended_at", moment)
    return Update(change, moment, replace(it, revision=it.revision + 1, updated_at=moment, **fields))
