"""Which incidents are listed, by the query of the Incidents page: beyond a view `every`, `state` and `severity`."""

from __future__ import annotations

from typing import Final

from app.dashboard.live import Query
from app.service import Service
from app.services.incident_views import IncidentPage, SeverityName

_STATES: Final = {"open": True, "closed": False}
_SEVERITIES: Final[dict[str, SeverityName]] = {"high": "high", "critical": "critical"}


def find(service: Service, query: Query, *, limit: int, after: str | None = None) -> IncidentPage:
    """The latest incidents of the event of the query, or of all: where it names none, or `every` is 1."""
    return service.incidents.find(
        event_id=None if query.get("every") == "1" else query.get("event") or None,
        is_open=_STATES.get(query.get("state", "")),
        least_severity=_SEVERITIES.get(query.get("severity", ""), "watch"),
        limit=limit,
        after=after,
    )
