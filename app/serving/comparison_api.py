"""Comparison over HTTP: two to six windows, and before and after a moment."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from app.core.types import JSON
from app.services.before_after import Around, BeforeAfter
from app.services.comparison import Comparison, ComparisonDraft
from app.serving.parameters import JSON_ONLY, Asked, Country, EventId, Source
from app.serving.schemas import answers

comparison_routes = APIRouter(tags=["numbers"])

At = Annotated[
    AwareDatetime | None, Query(description="The moment, in whole minutes.", examples=["2026-11-23T11:00:00Z"])
]
Marked = Annotated[
    str | None,
    Query(alias="annotation", min_length=1, max_length=200, description="Or the annotation that marks it."),
]
Length = Annotated[
    float, Query(gt=0, description="How long before and after; less where less is known after it.", examples=[24])
]

_TOLD: Final[dict[str, JSON]] = {
    "value": 0.11,
    "low": 0.02,
    "high": 0.21,
    "verdict": "higher",
    "corrected": True,
}


_COUNTS: Final[dict[str, JSON]] = {
    "negative": {"raw": 12, "distinct": 10},
    "neutral": {"raw": 20, "distinct": 18},
    "positive": {"raw": 15, "distinct": 12},
    "unscored": {"raw": 1, "distinct": 1},
}


def _side(name: str, start: str, end: str, **other: JSON) -> dict[str, JSON]:
    return {
        "name": name,
        "event_id": "apple-vision-pro-launch",
        "start": start,
        "end": end,
        "source": None,
        "country": None,
        "counts": _COUNTS,
        "shares": {"negative": {"value": 0.21, "low": 0.006, "high": 0.482, "n": 40}},
        "classified": {"negative": {"value": 0.25, "low": 0.142, "high": 0.402, "n": 40}},
        "correction": {
            "corrected": True,
            "models": ["minilm-tweeteval-1"],
            "evaluation_sets": ["tweeteval-validation", "semeval2016-devtest"],
            "evaluated": 3977,
            "labelled": 34,
            "reason": None,
        },
        "per_hour": 41.0,
        "voice": {"value": 0.5, "low": 0.394, "high": 0.606, "n": 82},
        "differences": {},
        "sentence": f"{name}: negative share 21 % (1-48), n = 40.",
        "buckets": [{"offset_s": 0, "start": start, "counts": _COUNTS}],
        "live_to": "2026-11-23T12:00:00Z",
        "sources_down": ["newsapi"],
        **other,
    }


_BEFORE: Final = _side("Before", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z")
_AFTER: Final = _side(
    "After",
    "2026-11-23T11:00:00Z",
    "2026-11-23T12:00:00Z",
    differences={"negative": _TOLD},
    sentence="After: negative share 32 % (8-56), n = 40; higher than Before, by 2 to 21 points.",
)
_WARNING: Final = 'Newsapi has messages in some sides only: 12 in "Before", none in "After"'
COMPARISON_EXAMPLES: Final[dict[str, dict[str, JSON]]] = {
    "comparison": {"sides": [_BEFORE, _AFTER], "step_s": 60, "align": "start", "warnings": [_WARNING]},
}
COMPARISON_EXAMPLES["before_after"] = {
    "event_id": "apple-vision-pro-launch",
    "at": "2026-11-23T11:00:00Z",
    "annotation": {
        "event_id": "apple-vision-pro-launch",
        "id": "5f0c41b2",
        "at": "2026-11-23T11:00:00Z",
        "until": None,
        "kind": "statement",
        "text": "Our statement",
        "times": None,
        "created_at": "2026-11-23T11:02:00Z",
    },
    "hours": 1.0,
    "comparison": COMPARISON_EXAMPLES["comparison"],
    "trend": {**_TOLD, "value": 0.01, "low": -0.07, "high": 0.08, "verdict": "can't tell"},
    "sentence": "Negative share 32 % (8-56) in the 1 h after, 21 % before: higher, by 2 to 21 points (n = 40).",
    "warnings": [_WARNING],
}


@comparison_routes.post(
    "/compare", responses=answers(COMPARISON_EXAMPLES["comparison"], 404, 413, 415, 422), dependencies=JSON_ONLY
)
def compare(service: Asked, asked: ComparisonDraft) -> Comparison:
    """Two to six windows: aligned timelines, shares of voice, and how each one differs from the first."""
    return service.comparisons.compare(asked)


@comparison_routes.get(
    "/events/{event_id}/before-after", responses=answers(COMPARISON_EXAMPLES["before_after"], 404, 422)
)
def get_before_after(
    service: Asked,
    event_id: EventId,
    at: At = None,
    annotation: Marked = None,
    hours: Length = 24.0,
    source: Source = None,
    country: Country = None,
) -> BeforeAfter:
    """Whether the shares changed at a moment, a statement for example, and what else may have changed them."""
    asked = Around(at, annotation, hours, source, country and country.upper())
    return service.before_after.around(event_id, asked)
