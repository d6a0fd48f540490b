"""How an event is doing, in one word: calm, watch, incident n, or no data. No data is never called calm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.adapters.detector_input import OUT
from app.core.types import SourceState, SourceStatus
from app.services.incident_views import EventState, IncidentView, StateName
from app.services.windows import live_to
from app.services.words import at

STALE: Final = timedelta(minutes=30)
"""A source that has not reported for so long is not being read; what is polled reports every quarter of an hour."""

_UNTESTED: Final = timedelta(hours=1)


def state(
    event_id: str,
    statuses: Sequence[SourceStatus],
    tested_to: datetime | None,
    incident: IncidentView | None,
    now: datetime,
) -> EventState:
    """The state of an event with these sources and, perhaps, an open incident."""
    edge = live_to(statuses)
    trouble = _trouble(statuses, edge, tested_to, now)
    if incident is not None:
        name = StateName.WATCH if incident.severity == "watch" else StateName.INCIDENT
        text = f"incident {incident.number}" if name is StateName.INCIDENT else f"watch: incident {incident.number}"
        text += f"; no data: {trouble}" if trouble else ""
    elif trouble:
        name, text = StateName.NO_DATA, f"no data: {trouble}"
    else:
        name, text = StateName.CALM, "calm"
    return EventState(event_id, name, text, incident, edge, tested_to)


def _trouble(
    statuses: Sequence[SourceStatus], edge: datetime | None, tested_to: datetime | None, now: datetime
) -> str | None:
    """Why nothing can be said of the present; None when something can."""
    live = [status for status in statuses if not status.source.startswith("batch:")]
    if not live:
        return "no source is followed"
    since = f" since {at(edge, now)}" if edge else ""
    if all(status.state in OUT for status in live):
        return "; ".join(f"{status.source} is {status.state.value.replace('_', ' ')}" for status in live) + since
    read = [status for status in live if status.state not in OUT]
    if not any(_reports(status, now) for status in read):
        return f"nothing has been read{since}" if edge else "nothing has been read yet"
    if edge is None:
        return "nothing has been read yet"
    if tested_to is not None and edge - tested_to > _UNTESTED:
        return f"nothing has been tested since {at(tested_to, now)}"
    return None


def _reports(status: SourceStatus, now: datetime) -> bool:
    if status.state is SourceState.FINISHED:
        return True
    return status.updated_at is not None and now - status.updated_at <= STALE
