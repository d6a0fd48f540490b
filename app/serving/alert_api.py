"""Alerts over HTTP: the channels, what was delivered, and the feed of an event's incidents."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from app.core.alerts import DeliveryState
from app.core.types import JSON
from app.services.alerts import ChannelDraft, ChannelView, DeliveryPage, Trial
from app.serving.parameters import JSON_ONLY, After, Asked, EventId, Limit
from app.serving.schemas import answers

alert_routes = APIRouter(tags=["alerts"])

ChannelId = Annotated[str, Path(max_length=200, description="The id of the channel.", examples=["5f0c41b2a9e3"])]


class ChannelList(BaseModel):
    """All channels, the oldest first."""

    model_config = ConfigDict(frozen=True)

    items: tuple[ChannelView, ...]


_CHANNEL: Final[dict[str, JSON]] = {
    "id": "5f0c41b2a9e3",
    "name": "Press office",
    "kind": "webhook",
    "target": "https://hooks.example.com/…",
    "signed": True,
    "event_id": None,
    "least_severity": "high",
    "digest_minutes": 0,
    "enabled": True,
    "created_at": "2026-11-23T09:00:00Z",
    "waiting": 0,
    "sent": 12,
    "failed": 1,
    "last_sent_at": "2026-11-23T11:58:02Z",
    "error": "",
}

ALERT_EXAMPLES: Final[dict[str, dict[str, JSON]]] = {
    "channels": {"items": [_CHANNEL]},
    "channel": _CHANNEL,
    "trial": {"delivered": False, "error": "HTTP 404"},
    "deliveries": {
        "items": [
            {
                "channel_id": "5f0c41b2a9e3",
                "channel": "Press office",
                "event_id": "apple-vision-pro-launch",
                "number": 3,
                "revision": 1,
                "change": "opened",
                "severity": "high",
                "state": "sent",
                "attempts": 1,
                "created_at": "2026-11-23T11:58:01Z",
                "due_at": "2026-11-23T11:58:01Z",
                "sent_at": "2026-11-23T11:58:02Z",
                "message": "msg_0b6c5f5dd5f34d8b8f0a3f6a2f0e4c11",
                "error": "",
            }
        ],
        "next": None,
    },
}


@alert_routes.get("/alerts/channels", responses=answers(ALERT_EXAMPLES["channels"]))
def list_alert_channels(service: Asked) -> ChannelList:
    """All channels, with what became of their alerts. Secrets and the paths of URLs are not told."""
    return ChannelList(items=service.alerts.channels())


@alert_routes.post(
    "/alerts/channels",
    status_code=201,
    responses=answers(ALERT_EXAMPLES["channel"], 404, 413, 415, 422, status=201),
    dependencies=JSON_ONLY,
)
def create_alert_channel(service: Asked, draft: ChannelDraft, request: Request, response: Response) -> ChannelView:
    """Add a channel. Its URL is refused when it leads into a private network."""
    made = service.alerts.create(draft)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/alerts/channels/{made.id}"
    return made


@alert_routes.put(
    "/alerts/channels/{channel_id}",
    responses=answers(ALERT_EXAMPLES["channel"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def update_alert_channel(service: Asked, channel_id: ChannelId, draft: ChannelDraft) -> ChannelView:
    """Replace a channel's description. Without `target` and `secret` those stay."""
    return service.alerts.update(channel_id, draft)


@alert_routes.delete("/alerts/channels/{channel_id}", status_code=204, responses=answers(None, 404, 422))
def delete_alert_channel(service: Asked, channel_id: ChannelId) -> None:
    """Remove a channel with its deliveries."""
    service.alerts.delete(channel_id)


@alert_routes.post("/alerts/channels/{channel_id}/test", responses=answers(ALERT_EXAMPLES["trial"], 404, 422))
def try_alert_channel(service: Asked, channel_id: ChannelId) -> Trial:
    """Send a test message now. What the receiver makes of it is the answer, not an error."""
    return service.alerts.test(channel_id)


@alert_routes.get("/alerts/deliveries", responses=answers(ALERT_EXAMPLES["deliveries"], 422))
def list_alert_deliveries(
    service: Asked,
    channel_id: Annotated[str | None, Query(max_length=200, description="Only this channel.")] = None,
    event_id: Annotated[str | None, Query(max_length=200, description="Only this event.")] = None,
    state: Annotated[DeliveryState | None, Query(description="Only what is in this state.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> DeliveryPage:
    """Which incident change went to which channel, the latest first."""
    return service.alerts.deliveries(channel_id=channel_id, event_id=event_id, state=state, limit=limit, after=after)


_FEED_EXAMPLE: Final = (
    '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel><title>Apple Vision Pro launch: incidents'
    "</title><link>http://127.0.0.1:8000/incidents?event=apple-vision-pro-launch</link></channel></rss>"
)
_FEED_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "RSS 2.0, the latest incident first.",
        "content": {"application/rss+xml": {"schema": {"type": "string"}, "example": _FEED_EXAMPLE}},
    },
    **answers(None, 404, 422),
}


@alert_routes.get("/events/{event_id}/incidents.rss", response_class=Response, responses=_FEED_ANSWERS)
def get_incident_feed(
    service: Asked,
    event_id: EventId,
    key: Annotated[
        str | None, Query(max_length=100, description="Opens this feed where a token is asked for; see /feed.")
    ] = None,
) -> Response:
    """The incidents as a feed."""
    return Response(service.alerts.feed(event_id), media_type="application/rss+xml")


class FeedAddress(BaseModel):
    """Where a feed is, below the address of this API, with the key that opens it."""

    model_config = ConfigDict(frozen=True)

    path: str


@alert_routes.get(
    "/events/{event_id}/feed",
    responses=answers({"path": "/events/apple-vision-pro-launch/incidents.rss?key=4be1…"}, 404, 422),
)
def get_feed_address(service: Asked, event_id: EventId) -> FeedAddress:
    """The address of the feed for a feed reader. Its key opens nothing else, and changes with the token."""
    service.event(event_id)
    return FeedAddress(path=service.alerts.feed_path(event_id))
