"""What analysts take along: reports as one HTML file, and tables as CSV or Parquet."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from app.adapters.records import MessageFilter
from app.services.exports import (
    File,
    Format,
    every_message,
    incidents_table,
    messages_table,
    table_file,
    timeline_table,
)
from app.services.incidents import IncidentView
from app.serving.parameters import Asked, EventId, Selected, message_filter
from app.serving.schemas import answers

_MOST_MESSAGES: Final = 100_000
_PAGE: Final = 500
_HTML: Final[dict[str, Any]] = {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html><html> ..."}}
_FILE: Final[dict[str, Any]] = {
    "text/csv": {"schema": {"type": "string"}, "example": "start,end,raw_negative ..."},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}, "example": "PAR1 ..."},
}

export_routes = APIRouter(tags=["exports"])

Ending = Annotated[Format, Path(description="The file format.")]


def _answers(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The file.", "content": content}, **answers(None, 404, 422)}


def _sent(file: File) -> Response:
    return Response(file.content, media_type=file.media_type, headers=file.headers)


@export_routes.get("/events/{event_id}/report.html", response_class=Response, responses=_answers(_HTML))
def event_report(service: Asked, event_id: EventId, selection: Selected) -> Response:
    """The report of a window: sentence, chart, shares with intervals, incidents, evidence, coverage, method."""
    return _sent(service.reports.event(event_id, selection))


@export_routes.get(
    "/events/{event_id}/incidents/{number}/report.html", response_class=Response, responses=_answers(_HTML)
)
def incident_report(
    service: Asked, event_id: EventId, number: Annotated[int, Path(ge=1, le=2**53, description="Of the incident.")]
) -> Response:
    """The report of an incident."""
    return _sent(service.reports.incident(event_id, number))


@export_routes.get("/events/{event_id}/timeline.{form}", response_class=Response, responses=_answers(_FILE))
def export_timeline(service: Asked, event_id: EventId, selection: Selected, form: Ending) -> Response:
    """The counts of the chart, a row a step."""
    return _sent(table_file(timeline_table(service.timeline(event_id, selection)), form, f"{event_id}-timeline"))


@export_routes.get("/events/{event_id}/messages.{form}", response_class=Response, responses=_answers(_FILE))
def export_messages(
    service: Asked,
    event_id: EventId,
    where: Annotated[MessageFilter, Depends(message_filter)],
    form: Ending,
    most: Annotated[int, Query(ge=1, le=_MOST_MESSAGES, description="At most so many, the newest.")] = 10_000,
) -> Response:
    """The messages of the filter, newest first. Of X only ids, times and what was made of them: its terms."""
    found = every_message(lambda limit, after: service.messages(event_id, where, limit=limit, after=after), most)
    return _sent(table_file(messages_table(found), form, f"{event_id}-messages"))


@export_routes.get("/events/{event_id}/incidents.{form}", response_class=Response, responses=_answers(_FILE))
def export_incidents(service: Asked, event_id: EventId, selection: Selected, form: Ending) -> Response:
    """The incidents of the window, the latest first."""
    window = service.overview(event_id, selection)
    incidents: list[IncidentView] = []
    after: str | None = None
    while True:
        page = service.incidents.find(event_id=event_id, start=window.start, end=window.end, limit=_PAGE, after=after)
        incidents += page.items
        after = page.next
        if after is None:
            return _sent(table_file(incidents_table(incidents), form, f"{event_id}-incidents"))
