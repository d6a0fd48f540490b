"""Incidents, their rules, annotations and time to insight over HTTP."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.core.annotations import Annotation
from app.core.types import JSON
from app.services.annotations import AnnotationDraft
from app.services.incidents import (
    DryRun,
    EventState,
    IncidentCard,
    IncidentPage,
    RuleDraft,
    RuleView,
    SeverityName,
    Verdict,
)
from app.services.insight import InsightReport, InsightStep
from app.serving.parameters import JSON_ONLY, After, Asked, End, EventId, Limit, Start
from app.serving.schemas import Text, answers

incident_routes = APIRouter(tags=["incidents"])

Number = Annotated[int, Path(ge=1, le=2**53, description="The number of the incident in its event.", examples=[3])]
AnnotationId = Annotated[str, Path(max_length=200, description="The id of the annotation.", examples=["5f0c41b2"])]
Severities = Annotated[SeverityName, Query(description="Only incidents of this severity or a higher one.")]
State = Annotated[Literal["open", "closed"] | None, Query(description="Only incidents that go on, or that are over.")]


class VerdictRequest(BaseModel):
    """What an analyst makes of an incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict = Field(examples=["real"])
    note: Text = Field(default="", max_length=2_000, examples=["the strap recall"])


class StepRequest(BaseModel):
    """What a person has just seen of an incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Literal["shown", "evidence"] = Field(examples=["shown"])


class States(BaseModel):
    """How every event is doing."""

    items: list[EventState]


class AnnotationList(BaseModel):
    """The annotations of a window, in order of time."""

    items: list[Annotation]


_EVENT_ID: Final = "lumen-watch-launch"
_INCIDENT: Final[dict[str, JSON]] = {
    "event_id": _EVENT_ID,
    "event_name": "Lumen Watch launch",
    "number": 3,
    "kind": "negative_share",
    "kinds": ["negative_share", "volume"],
    "severity": "high",
    "is_open": True,
    "in_history": False,
    "is_collection": False,
    "started_at": "2026-11-23T14:00:00Z",
    "opened_at": "2026-11-23T14:10:00Z",
    "updated_at": "2026-11-23T14:35:00Z",
    "ended_at": None,
    "revision": 2,
    "reopened": 0,
    "headline": "Negative share 34 % (31-37), up from 18 %; 1,204 messages since 14:00 UTC, 812 distinct.",
    "raw": 1204,
    "distinct": 812,
    "negative": {"value": 0.34, "low": 0.308, "high": 0.373, "n": 803},
    "negative_before": {"value": 0.18, "low": 0.164, "high": 0.197, "n": 2115},
    "findings": [
        {
            "kind": "negative_share",
            "source": "x",
            "since": "2026-11-23T14:00:00Z",
            "observed": 0.41,
            "expected": 0.18,
            "surprise": 7.2,
            "text": "x: 41 % counted as negative from 14:00 UTC on, where 18 % is usual",
        }
    ],
    "verdict": {"verdict": "real", "note": "the strap recall", "at": "2026-11-23T14:21:00Z"},
    "change": {"value": 0.16, "low": 0.11, "high": 0.21},
    "classified": {"value": 0.36, "low": 0.328, "high": 0.394, "n": 803},
    "correction": {
        "corrected": True,
        "models": ["minilm-tweeteval-95119fd7"],
        "evaluation_sets": ["tweeteval", "airlines"],
        "evaluated": 4000,
        "labelled": 0,
        "reason": None,
    },
}
_CARD: Final[dict[str, JSON]] = {
    "incident": _INCIDENT,
    "changes": [
        {
            "revision": 1,
            "change": "opened",
            "severity": "watch",
            "at": "2026-11-23T14:10:00Z",
            "told_at": "2026-11-23T14:10:02Z",
            "text": "opened as watch: negative share",
        },
        {
            "revision": 2,
            "change": "raised",
            "severity": "high",
            "at": "2026-11-23T14:35:00Z",
            "told_at": "2026-11-23T14:35:01Z",
            "text": "raised from watch to high",
        },
    ],
    "verdicts": [{"verdict": "real", "note": "the strap recall", "at": "2026-11-23T14:21:00Z"}],
    "offer": None,
}
_STATE: Final[dict[str, JSON]] = {
    "event_id": _EVENT_ID,
    "state": "incident",
    "text": "incident 3",
    "incident": _INCIDENT,
    "live_to": "2026-11-23T14:36:12Z",
    "tested_to": "2026-11-23T14:35:00Z",
}
_RULE: Final[dict[str, JSON]] = {
    "event_id": _EVENT_ID,
    "rule": {
        "enabled": True,
        "alarms_per_week": 1.0,
        "kinds": ["negative_share", "negative_count", "volume", "source_switched_on"],
        "least_size": 10.0,
        "calm_minutes": 60.0,
        "cooldown_hours": 24.0,
    },
    "is_default": True,
    "effective": 0.316,
    "tuned_at": "2026-11-23T04:00:00Z",
    "note": "",
}
_DRY_RUN: Final[dict[str, JSON]] = {
    "event_id": _EVENT_ID,
    "text": "This rule would have fired once in the last 30 days: 14:10 UTC (negative share; high).",
    "days": 30.0,
    "fired": 1,
    "incidents": [
        {
            "kinds": ["negative_share"],
            "severity": "high",
            "started_at": "2026-11-23T14:00:00Z",
            "opened_at": "2026-11-23T14:10:00Z",
            "ended_at": None,
            "text": "14:10 UTC (negative share; high)",
        }
    ],
}
_ANNOTATION: Final[dict[str, JSON]] = {
    "event_id": _EVENT_ID,
    "id": "5f0c41b2a6d3e871",
    "at": "2026-11-23T15:10:00Z",
    "until": None,
    "kind": "statement",
    "text": "Our statement",
    "times": None,
    "created_at": "2026-11-23T15:11:30Z",
}
_INSIGHT: Final[dict[str, JSON]] = {
    "event_id": None,
    "stretches": [{"start": "began", "end": "noticed", "incidents": 12, "median_s": 312.0, "p95_s": 604.0}],
}
INCIDENT_EXAMPLES: Final[dict[str, dict[str, JSON]]] = {
    "incidents": {"items": [_INCIDENT], "next": "1795443000000000/3/lumen-watch-launch"},
    "incident": _CARD,
    "state": _STATE,
    "states": {"items": [_STATE]},
    "rule": _RULE,
    "dry_run": _DRY_RUN,
    "annotation": _ANNOTATION,
    "annotations": {"items": [_ANNOTATION]},
    "insight": _INSIGHT,
}


@incident_routes.get("/incidents", responses=answers(INCIDENT_EXAMPLES["incidents"], 422))
def list_all_incidents(
    service: Asked,
    state: State = None,
    severity: Severities = "watch",
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
    after: After = None,
) -> IncidentPage:
    """The incidents of all events, the latest opened first; with `start` or `end` those that touch that time."""
    is_open = None if state is None else state == "open"
    return service.incidents.find(
        is_open=is_open, least_severity=severity, start=start, end=end, limit=limit, after=after
    )


@incident_routes.get("/states", responses=answers(INCIDENT_EXAMPLES["states"]))
def list_states(service: Asked) -> States:
    """Is anything wrong now? Every event: calm, watch, incident, or no data, which is never called calm."""
    return States(items=list(service.incidents.states().values()))


@incident_routes.get("/events/{event_id}/state", responses=answers(INCIDENT_EXAMPLES["state"], 404, 422))
def get_state(service: Asked, event_id: EventId) -> EventState:
    """How an event is doing."""
    return service.incidents.state(event_id)


@incident_routes.get("/events/{event_id}/incidents", responses=answers(INCIDENT_EXAMPLES["incidents"], 404, 422))
def list_incidents(
    service: Asked,
    event_id: EventId,
    state: State = None,
    severity: Severities = "watch",
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
    after: After = None,
) -> IncidentPage:
    """The incidents of an event, the latest opened first; with `start` or `end` those that touch that time."""
    is_open = None if state is None else state == "open"
    return service.incidents.find(
        event_id=event_id, is_open=is_open, least_severity=severity, start=start, end=end, limit=limit, after=after
    )


@incident_routes.get(
    "/events/{event_id}/incidents/{number}", responses=answers(INCIDENT_EXAMPLES["incident"], 404, 422)
)
def get_incident(service: Asked, event_id: EventId, number: Number) -> IncidentCard:
    """One incident with the history of its changes and verdicts."""
    return service.incidents.get(event_id, number)


@incident_routes.post(
    "/events/{event_id}/incidents/{number}/verdict",
    responses=answers(INCIDENT_EXAMPLES["incident"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def give_verdict(service: Asked, event_id: EventId, number: Number, asked: VerdictRequest) -> IncidentCard:
    """Say what an incident was. A false alarm makes the event's rule stricter; an expected one offers a moment."""
    return service.incidents.give_verdict(event_id, number, asked.verdict, asked.note)


@incident_routes.delete(
    "/events/{event_id}/incidents/{number}/verdict",
    responses=answers(INCIDENT_EXAMPLES["incident"], 404, 422),
)
def withdraw_verdict(service: Asked, event_id: EventId, number: Number) -> IncidentCard:
    """Take the verdict back. The log of verdicts keeps both."""
    return service.incidents.withdraw_verdict(event_id, number)


@incident_routes.post(
    "/events/{event_id}/incidents/{number}/steps",
    status_code=204,
    responses=answers(None, 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def record_step(service: Asked, event_id: EventId, number: Number, asked: StepRequest) -> None:
    """Note that a person has seen an incident or opened its evidence; the first time counts for the time to insight."""
    service.insight.record(event_id, number, InsightStep(asked.step))


@incident_routes.get("/events/{event_id}/rule", responses=answers(INCIDENT_EXAMPLES["rule"], 404, 422))
def get_rule(service: Asked, event_id: EventId) -> RuleView:
    """The rule of an event, and what the verdicts made of it."""
    return service.incidents.rule(event_id)


@incident_routes.put(
    "/events/{event_id}/rule",
    responses=answers(INCIDENT_EXAMPLES["rule"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def put_rule(service: Asked, event_id: EventId, draft: RuleDraft) -> RuleView:
    """Set the rule: `alarms_per_week` is how many false alarms the event may raise in a week of its usual chatter."""
    return service.incidents.put_rule(event_id, draft)


@incident_routes.post(
    "/events/{event_id}/rule/dry-run",
    responses=answers(INCIDENT_EXAMPLES["dry_run"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def try_rule(
    service: Asked,
    event_id: EventId,
    draft: RuleDraft,
    days: Annotated[int, Query(ge=1, le=30, description="How far back to try it.")] = 30,
) -> DryRun:
    """What a rule would have done in the event's own last days. Nothing is changed."""
    return service.incidents.dry_run(event_id, draft, days=days)


@incident_routes.get("/events/{event_id}/annotations", responses=answers(INCIDENT_EXAMPLES["annotations"], 404, 422))
def list_annotations(service: Asked, event_id: EventId, start: Start = None, end: End = None) -> AnnotationList:
    """The annotations that touch a window, in order of time."""
    return AnnotationList(items=list(service.annotations.find(event_id, start, end)))


@incident_routes.post(
    "/events/{event_id}/annotations",
    status_code=201,
    responses=answers(INCIDENT_EXAMPLES["annotation"], 404, 413, 415, 422, status=201),
    dependencies=JSON_ONLY,
)
def add_annotation(
    service: Asked, event_id: EventId, draft: AnnotationDraft, request: Request, response: Response
) -> Annotation:
    """Flag a moment. An `expected` one foresees so many `times` the usual volume: it does not alarm for that alone."""
    made = service.annotations.add(event_id, draft)
    response.headers["Location"] = f"{request.url.path}/{made.id}"
    return made


@incident_routes.put(
    "/events/{event_id}/annotations/{annotation_id}",
    responses=answers(INCIDENT_EXAMPLES["annotation"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def change_annotation(
    service: Asked, event_id: EventId, annotation_id: AnnotationId, draft: AnnotationDraft
) -> Annotation:
    """Replace what an annotation says."""
    return service.annotations.change(event_id, annotation_id, draft)


@incident_routes.delete(
    "/events/{event_id}/annotations/{annotation_id}", status_code=204, responses=answers(None, 404, 422)
)
def delete_annotation(service: Asked, event_id: EventId, annotation_id: AnnotationId) -> None:
    """Remove an annotation."""
    service.annotations.delete(event_id, annotation_id)


@incident_routes.get("/insight", responses=answers(INCIDENT_EXAMPLES["insight"], 404, 422))
def get_insight(
    service: Asked,
    event_id: Annotated[str | None, Query(max_length=200, description="Only this event.")] = None,
) -> InsightReport:
    """How long it takes from the spike in the input to the incident, to eyes on it, to its evidence, to a verdict."""
    return service.insight.report(event_id)
