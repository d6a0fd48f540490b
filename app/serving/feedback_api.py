"""Feedback over HTTP: what is to be judged, what people said, and what that says of the model."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app.adapters.feedback_tables import LONGEST_NAME, JudgementPage
from app.core.feedback import Stratum
from app.core.types import JSON
from app.services.feedback import MOST, FeedbackSummary, Judged, Queue, UndoDraft, VerdictDraft
from app.serving.parameters import JSON_ONLY, After, Asked, EventId, Limit
from app.serving.schemas import EXAMPLES, MessageAnswer, answers

feedback_routes = APIRouter(tags=["feedback"])

Who = Annotated[str, Query(min_length=1, max_length=LONGEST_NAME, description="Who is to judge.", examples=["ann"])]
QueueLimit = Annotated[int, Query(ge=1, le=MOST, description="Most messages in the queue.", examples=[20])]


class QueueItemAnswer(BaseModel):
    """A message to be judged, and why it is asked for."""

    model_config = ConfigDict(frozen=True)

    message: MessageAnswer
    stratum: Stratum


class QueueAnswer(BaseModel):
    """What somebody is to judge next, in this order. `judged` and `skipped` count what stands of that person."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    who: str
    items: list[QueueItemAnswer]
    judged: int
    skipped: int

    @classmethod
    def of(cls, queue: Queue) -> QueueAnswer:
        """A queue as JSON."""
        items = [QueueItemAnswer(message=MessageAnswer.of(each.message), stratum=each.stratum) for each in queue.items]
        return cls(event_id=queue.event_id, who=queue.who, items=items, judged=queue.judged, skipped=queue.skipped)


_EVENT_ID: Final = "apple-vision-pro-launch"
_ROW: Final[dict[str, JSON]] = {
    "id": 41,
    "event_id": _EVENT_ID,
    "message_id": "x:1860000000000000000",
    "verdict": "neutral",
    "stratum": "random",
    "said": "positive",
    "model": "minilm-tweeteval-1",
    "who": "ann",
    "at": "2026-11-23T12:01:00Z",
    "undoes": None,
}
_LABEL: Final[dict[str, JSON]] = {
    "verdict": "neutral",
    "who": "ann",
    "at": "2026-11-23T12:01:00Z",
    "people": 2,
    "disputed": True,
}
_QUALITY: Final[dict[str, JSON]] = {
    "accuracy": {"value": 0.72, "low": 0.583, "high": 0.825, "n": 50},
    "confusion": [[12, 3, 1], [4, 11, 3], [0, 3, 13]],
    "off_topic": {"value": 0.074, "low": 0.029, "high": 0.175, "n": 54},
    "skipped": 2,
}
_AGREEMENT: Final[dict[str, JSON]] = {
    "same": {"value": 0.8, "low": 0.49, "high": 0.943, "n": 10},
    "alpha": 0.71,
}

FEEDBACK_EXAMPLES: Final[dict[str, dict[str, JSON]]] = {
    "queue": {
        "event_id": _EVENT_ID,
        "who": "ann",
        "items": [{"message": EXAMPLES["message"], "stratum": "uncertain"}],
        "judged": 143,
        "skipped": 4,
    },
    "judged": {"judgement": _ROW, "feedback": _LABEL},
    "summary": {
        "event_id": _EVENT_ID,
        "quality": _QUALITY,
        "overall": _QUALITY,
        "models": [{"model": "minilm-tweeteval-1", "quality": _QUALITY}],
        "messages": 203,
        "people": 2,
        "strata": {"uncertain": 98, "disagreement": 47, "random": 54, "chosen": 4},
        "disputed": 3,
        "agreement": _AGREEMENT,
        "ceiling": _AGREEMENT,
    },
    "rows": {"items": [_ROW], "next": "41"},
}


@feedback_routes.get("/events/{event_id}/feedback/queue", responses=answers(FEEDBACK_EXAMPLES["queue"], 404, 422))
def get_feedback_queue(service: Asked, event_id: EventId, who: Who = "analyst", limit: QueueLimit = 20) -> QueueAnswer:
    """What to judge next: half where the model is unsure, a quarter where models disagree, a quarter by lot."""
    return QueueAnswer.of(service.feedback.queue(event_id, who, limit=limit))


@feedback_routes.post(
    "/events/{event_id}/feedback",
    responses=answers(FEEDBACK_EXAMPLES["judged"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def give_feedback(service: Asked, event_id: EventId, draft: VerdictDraft) -> Judged:
    """Say what a message is. The same verdict again changes nothing; another one stands in for it."""
    return service.feedback.judge(event_id, draft)


@feedback_routes.post(
    "/events/{event_id}/feedback/undo",
    responses=answers(FEEDBACK_EXAMPLES["judged"], 404, 413, 415, 422),
    dependencies=JSON_ONLY,
)
def undo_feedback(service: Asked, event_id: EventId, draft: UndoDraft) -> Judged:
    """Take back somebody's latest verdict; `judgement` is what was taken back. The one before it stands again."""
    return service.feedback.undo(event_id, draft)


@feedback_routes.get("/events/{event_id}/feedback/summary", responses=answers(FEEDBACK_EXAMPLES["summary"], 404, 422))
def get_feedback_summary(service: Asked, event_id: EventId) -> FeedbackSummary:
    """How good the model is by the random part, with intervals, and how far people agree."""
    return service.feedback.summary(event_id)


@feedback_routes.get("/events/{event_id}/feedback", responses=answers(FEEDBACK_EXAMPLES["rows"], 404, 422))
def list_feedback(service: Asked, event_id: EventId, limit: Limit = 50, after: After = None) -> JudgementPage:
    """A page of the log, the latest first: verdicts, and rows that take one back."""
    return service.feedback.rows(event_id, limit=limit, after=after)
