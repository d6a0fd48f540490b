"""What the routes of the API ask for: the service behind them, and the parameters that several of them share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AwareDatetime

from app.adapters.records import MessageFilter
from app.core.errors import InvalidInput
from app.core.types import Label
from app.service import Service
from app.serving.limits import json_only
from app.views import Selection

JSON_ONLY = [Depends(json_only)]
"""For routes with a body."""


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Asked = Annotated[Service, Depends(_service)]
EventId = Annotated[str, Path(max_length=200, description="The id of the event.", examples=["apple-vision-pro-launch"])]
Source = Annotated[str | None, Query(min_length=1, max_length=200, description="Only this source.", examples=["x"])]
Country = Annotated[
    str | None,
    Query(
        min_length=2, max_length=2, description="Only this country, ISO 3166 alpha-2; ?? is unknown.", examples=["US"]
    ),
]
Start = Annotated[AwareDatetime | None, Query(description="Begin, inclusive.", examples=["2026-11-23T09:00:00Z"])]
End = Annotated[AwareDatetime | None, Query(description="End, exclusive.", examples=["2026-11-23T12:00:00Z"])]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items in the page.", examples=[50])]
After = Annotated[str | None, Query(max_length=4096, description="The `next` of the page before.")]


async def _selection(
    hours: Annotated[float, Query(gt=0, description="Length of the window.", examples=[24])] = 24.0,
    start: Start = None,
    end: End = None,
    source: Source = None,
    country: Country = None,
) -> Selection:
    if (start is None) is not (end is None):
        missing = "start" if start is None else "end"
        raise InvalidInput("start and end go together: give both or neither", field=missing)
    return Selection(hours, start, end, source, country and country.upper())


Selected = Annotated[Selection, Depends(_selection)]


async def message_filter(
    *,
    label: Annotated[Label | None, Query(description="Only messages counted as this.")] = None,
    source: Source = None,
    country: Country = None,
    text: Annotated[str | None, Query(max_length=500, description="Contains this, whatever the case.")] = None,
    distinct: Annotated[bool, Query(description="Leave out messages that repeat the text of another.")] = False,
    start: Start = None,
    end: End = None,
) -> MessageFilter:
    """Which messages of an event are asked for."""
    return MessageFilter(
        start=start,
        end=end,
        label=label,
        source=source,
        country=country and country.upper(),
        text=text,
        distinct_only=distinct,
    )
