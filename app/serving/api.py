"""The HTTP API: routes relative to where it is mounted, one shape of error, no knowledge of Ray.

Endpoints that ask the store are plain functions: FastAPI runs them in threads, so that the event loop serves others.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline

from app.adapters.records import DeadLetterPage, Facets, MessageFilter
from app.classification import Classification, Classify
from app.core.types import Event
from app.service import EventDraft, Service
from app.serving.alert_api import alert_routes
from app.serving.comparison_api import comparison_routes
from app.serving.evidence_api import evidence_routes
from app.serving.export_api import export_routes
from app.serving.feedback_api import feedback_routes
from app.serving.geography_api import geography_routes
from app.serving.incident_api import incident_routes
from app.serving.limits import guard
from app.serving.model_api import classify_routes
from app.serving.parameters import JSON_ONLY, After, Asked, EventId, Limit, Selected, message_filter
from app.serving.schemas import (
    Alive,
    EventList,
    Messages,
    QueryRequest,
    answers,
)
from app.serving.stream import HEADERS, updates
from app.settings import Settings
from app.views import Health, Overview, QueryCheck, Statuses, Timeline

_DESCRIPTION = """Watches public reaction to named events. Every error has the shape of `ErrorAnswer`.

All times are ISO 8601 with a zone (in an address, write `+` as `%2B`, or use `Z`). A window is `hours` back from the
newest data, or `start` to `end` (exclusive)."""
_TAGS = [
    {"name": "model", "description": "Classify texts."},
    {"name": "events", "description": "What is watched."},
    {"name": "numbers", "description": "Exact counts of an event."},
    {"name": "messages", "description": "The messages of an event, where they come from, and what was put aside."},
    {"name": "incidents", "description": "What stood out, what was made of it, and the rules and notes behind that."},
    {
        "name": "evidence",
        "description": "Why a window differs from what was before; each statement opens its messages.",
    },
    {"name": "feedback", "description": "What people say of messages, and what that says of the model."},
    {"name": "exports", "description": "Reports and tables to take along."},
    {"name": "alerts", "description": "Who is told of incidents, what was delivered, and incidents as a feed."},
    {"name": "process", "description": "Is it there? No token is asked for."},
]

event_routes = APIRouter(tags=["events"])
number_routes = APIRouter(tags=["numbers"])
message_routes = APIRouter(tags=["messages"])
process_routes = APIRouter(tags=["process"])


@event_routes.get("/events", responses=answers("events"))
def list_events(service: Asked) -> EventList:
    """All events, the newest first, with their counts."""
    return EventList(items=service.events())


@event_routes.post(
    "/events", status_code=201, responses=answers("event", 413, 415, 422, status=201), dependencies=JSON_ONLY
)
def create_event(service: Asked, draft: EventDraft, request: Request, response: Response) -> Event:
    """Begin to watch an event. Its id is made of its name."""
    made = service.create_event(draft)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/events/{quote(made.id, safe='')}"
    return made


@event_routes.get("/events/{event_id}", responses=answers("event", 404, 422))
def get_event(service: Asked, event_id: EventId) -> Event:
    """One event."""
    return service.event(event_id)


@event_routes.put("/events/{event_id}", responses=answers("event", 404, 413, 415, 422), dependencies=JSON_ONLY)
def update_event(service: Asked, event_id: EventId, draft: EventDraft) -> Event:
    """Replace what an event is described by. Its id and its messages stay."""
    return service.update_event(event_id, draft)


@event_routes.delete("/events/{event_id}", status_code=204, responses=answers(None, 404, 422))
def delete_event(service: Asked, event_id: EventId) -> None:
    """Forget an event and all its messages."""
    service.delete_event(event_id)


@event_routes.post("/query/check", responses=answers("check", 413, 415, 422), dependencies=JSON_ONLY)
def check_query(service: Asked, asked: QueryRequest) -> QueryCheck:
    """Whether a query is understood, and what each source would be asked. A bad query is an answer, not an error."""
    return service.check_query(asked.query, asked.languages)


@number_routes.get("/events/{event_id}/overview", responses=answers("overview", 404, 422))
def get_overview(service: Asked, event_id: EventId, selection: Selected) -> Overview:
    """Counts and shares in the window, compared with the window before, and what they rest on."""
    return service.overview(event_id, selection)


@number_routes.get("/events/{event_id}/timeline", responses=answers("timeline", 404, 422))
def get_timeline(
    service: Asked,
    event_id: EventId,
    selection: Selected,
    step_s: Annotated[
        int | None,
        Query(ge=60, le=86_400, description="60, 300, 900, 3600, 21600 or 86400; without it, what stays readable."),
    ] = None,
) -> Timeline:
    """Counts per step. A step that is not listed had no messages."""
    return service.timeline(event_id, selection, step_s)


@number_routes.get("/events/{event_id}/facets", responses=answers("facets", 404, 422))
def get_facets(service: Asked, event_id: EventId) -> Facets:
    """The sources and countries that can be selected, the most frequent first."""
    return service.facets(event_id)


_STREAM_EXAMPLE = (
    'event: update\ndata: {"event_id": "apple-vision-pro-launch", "version": 7, "raw": 48, "distinct": 41, '
    '"live_to": "2026-11-23T12:00:00Z"}\n\n'
    ': keep-alive\n\nevent: gone\ndata: {"event_id": "apple-vision-pro-launch"}\n\n'
)
_STREAM_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An `update` now and whenever the version changes; `gone` when the event is deleted.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM_EXAMPLE}},
    },
    **answers(None, 404, 422),
}


@number_routes.get("/events/{event_id}/stream", response_class=StreamingResponse, responses=_STREAM_ANSWERS)
async def stream_event(service: Asked, event_id: EventId) -> StreamingResponse:
    """Server-sent events for as long as the client stays."""
    await to_thread.run_sync(service.version, event_id)
    return StreamingResponse(updates(service, event_id), media_type="text/event-stream", headers=HEADERS)


@message_routes.get("/events/{event_id}/messages", responses=answers("messages", 404, 422))
def list_messages(
    service: Asked,
    event_id: EventId,
    where: Annotated[MessageFilter, Depends(message_filter)],
    limit: Limit = 50,
    after: After = None,
) -> Messages:
    """A page of messages, newest first."""
    return Messages.of(service.messages(event_id, where, limit=limit, after=after))


@message_routes.get("/events/{event_id}/sources", responses=answers("sources", 404, 422))
def list_sources(service: Asked, event_id: EventId) -> Statuses:
    """How each source of the event is doing."""
    return service.sources(event_id)


@message_routes.get("/events/{event_id}/dead-letters", responses=answers("dead_letters", 404, 422))
def list_dead_letters(service: Asked, event_id: EventId, limit: Limit = 50, after: After = None) -> DeadLetterPage:
    """Records that could not be used, the latest first."""
    return service.dead_letters(event_id, limit=limit, after=after)


@process_routes.get("/health", responses=answers("health"))
async def health() -> Alive:
    """The process lives. Always 200."""
    return Alive(status="ok", version=_version())


_READY_ANSWERS: dict[int | str, dict[str, Any]] = {
    **answers("ready"),
    503: {
        "model": Health,
        "description": "A part does not work; `parts` says which.",
        "content": {
            "application/json": {"example": {"ready": False, "parts": {"store": None, "model": "the queue is full"}}}
        },
    },
}


@process_routes.get("/ready", responses=_READY_ANSWERS)
async def ready(service: Asked, request: Request, response: Response) -> Health:
    """Whether requests can be answered: the database answers and the model classifies."""
    found = await service.health()
    if not found.ready:
        response.status_code = 503
    if not request.app.state.guarded:
        return found
    # Who has no token is not told where the database is.
    return Health(found.ready, {part: trouble and "does not work" for part, trouble in found.parts.items()})


def _version() -> str:
    try:
        return version("eventpulse")
    except PackageNotFoundError:
        return "0.1.0"


def _operation_id(route: APIRoute) -> str:
    return route.name


def build_api(service: Service, classify: Classify, settings: Settings) -> FastAPI:
    """The API on a service and a model. Raises ConfigError for a token that is set but empty."""
    app = FastAPIOffline(
        title="EventPulse",
        summary="Public reaction to named events, counted exactly.",
        description=_DESCRIPTION,
        version=_version(),
        openapi_tags=_TAGS,
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.service = service
    app.state.classification = Classification(classify, settings)
    app.state.guarded = settings.api_token is not None
    guarded = [Depends(HTTPBearer(auto_error=False))] if app.state.guarded else []  # for the page /docs
    for router in (
        classify_routes("/classify"),
        event_routes,
        number_routes,
        comparison_routes,
        geography_routes,
        message_routes,
        incident_routes,
        evidence_routes,
        feedback_routes,
        alert_routes,  # incidents.rss, before incidents.{form}
        export_routes,
    ):
        app.include_router(router, dependencies=guarded)
    app.include_router(process_routes)
    guard(app, settings)
    return app
