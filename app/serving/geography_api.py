"""Where the messages come from, over HTTP."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from app.core.types import JSON
from app.services.geography import Geography
from app.serving.parameters import Asked, EventId, Selected
from app.serving.schemas import answers

geography_routes = APIRouter(tags=["numbers"])

_SHARE: Final[dict[str, JSON]] = {"value": 0.31, "low": 0.24, "high": 0.39, "n": 210}
_PLACE: Final[dict[str, JSON]] = {
    "country": "US",
    "counts": {"negative": {"raw": 84, "distinct": 71}, "positive": {"raw": 150, "distinct": 139}},
    "shares": {"negative": _SHARE},
    "classified": {"negative": {"value": 0.34, "low": 0.28, "high": 0.4, "n": 210}},
    "negative": 0.31,
    "positive": 0.66,
    "small": False,
    "against": {"value": 0.06, "low": 0.02, "high": 0.11},
}
_SMALL: Final[dict[str, JSON]] = {
    "country": "IS",
    "counts": {"negative": {"raw": 3, "distinct": 3}},
    "shares": {"negative": {"value": 0.92, "low": 0.38, "high": 1.0, "n": 3}},
    "classified": {"negative": {"value": 1.0, "low": 0.44, "high": 1.0, "n": 3}},
    "negative": 0.36,
    "positive": 0.6,
    "small": True,
    "against": None,
}
_NONE: Final[dict[str, JSON]] = {
    "country": "??",
    "counts": {},
    "shares": {},
    "classified": {},
    "negative": None,
    "positive": None,
    "small": True,
    "against": None,
}
GEOGRAPHY_EXAMPLE: Final[dict[str, JSON]] = {
    "event_id": "apple-vision-pro-launch",
    "start": "2026-11-22T12:01:00Z",
    "end": "2026-11-23T12:01:00Z",
    "authors": {
        "all": _PLACE | {"country": "", "against": None},
        "countries": [_PLACE, _SMALL],
        "unresolved": _NONE | {"counts": {"negative": {"raw": 40, "distinct": 36}}},
        "worth": 38.0,
    },
    "publishers": {"all": _NONE | {"country": ""}, "countries": [], "unresolved": _NONE, "worth": 100.0},
    "correction": {
        "corrected": True,
        "models": ["minilm-tweeteval-1"],
        "evaluation_sets": ["tweeteval-validation", "semeval2016-devtest"],
        "evaluated": 3977,
        "labelled": 34,
        "reason": None,
    },
    "live_to": "2026-11-23T12:00:00Z",
    "version": 7,
}


@geography_routes.get("/events/{event_id}/geography", responses=answers(GEOGRAPHY_EXAMPLE, 404, 422))
def get_geography(service: Asked, event_id: EventId, selection: Selected) -> Geography:
    """Counts and shares by country: `authors` of posts, and apart from them `publishers` of articles.

    `negative` and `positive` are the shares to compare countries by, drawn towards those of all where a country is
    `small`; they mean nothing for one author. A `country` of the selection bars none.
    """
    return service.geography.of(event_id, selection)
