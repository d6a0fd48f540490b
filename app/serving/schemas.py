"""The JSON of the API where it is not a record of `app.views` as it stands, and an example of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.adapters.database import storable
from app.adapters.records import MessagePage, StoredMessage
from app.core.feedback import HumanLabel
from app.core.types import CLASSES, JSON, Label, Prediction
from app.views import EventSummary


def _unicode(text: str) -> str:
    if not storable(text.replace("\0", "")):
        raise ValueError("this is no valid Unicode: half of a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(_unicode)]
"""A text without lone surrogates, which JSON can write (\\ud800) and nothing else can hold."""

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassifyRequest(_Wire):
    """Texts to classify: either `texts` or `text`.

    `ids` name the messages, one a text: while the weights of the arms stay, the same id is answered by the same arm.
    `deadline_s` is how many seconds the answer is worth waiting for; the server has a limit of its own.
    """

    texts: list[Text] | None = Field(default=None, examples=[["I love it", "The queue was endless"]])
    text: Text | None = Field(default=None, examples=["I love it"])
    ids: list[Annotated[Text, Field(max_length=200)]] | None = Field(default=None, examples=[["post-1", "post-2"]])
    deadline_s: float | None = Field(default=None, gt=0, le=300, examples=[5])


class QueryRequest(_Wire):
    """A query to check, with the languages that the event would be restricted to."""

    query: Text = Field(examples=['"Vision Pro" OR #VisionPro -giveaway'])
    languages: tuple[Language, ...] = Field(default=(), max_length=20, examples=[["en"]])


class PredictionAnswer(_Wire):
    """What the model said of a text, and who said it. `confidence` is the probability of the label."""

    label: Label
    confidence: float
    probabilities: dict[Label, float]
    model: str
    backend: str
    arm: str

    @classmethod
    def of(cls, said: Prediction) -> PredictionAnswer:
        """A prediction as JSON."""
        return cls(
            label=said.label,
            confidence=said.confidence,
            probabilities=dict(zip(CLASSES, said.probabilities, strict=True)),
            model=said.model,
            backend=said.backend,
            arm=said.arm,
        )


class Predictions(_Wire):
    """One prediction a text, in the order of the texts."""

    predictions: list[PredictionAnswer]


class EventList(_Wire):
    """All events, the newest first."""

    items: list[EventSummary]


class MessageAnswer(_Wire):
    """A message. `prediction` is null where `label` is unscored: a language the model was not trained for.

    `feedback` is what people make of it, null for nothing; `label` and all counts stay the model's.
    """

    id: str
    text: str
    created_at: datetime
    source: str
    author: str | None
    lang: str | None
    location: str | None
    country: str | None
    url: str | None
    publisher: str | None
    duplicate_of: str | None
    copies: int
    label: Label
    prediction: PredictionAnswer | None
    feedback: HumanLabel | None
    fetched_at: datetime
    stored_at: datetime

    @classmethod
    def of(cls, stored: StoredMessage) -> MessageAnswer:
        """A stored message as JSON."""
        said = stored.message
        return cls(
            id=said.id,
            text=said.text,
            created_at=said.created_at,
            source=said.source,
            author=said.author,
            lang=said.lang,
            location=said.location,
            country=said.country,
            url=said.url,
            publisher=said.publisher,
            duplicate_of=said.duplicate_of,
            copies=stored.copies,
            label=stored.label,
            prediction=PredictionAnswer.of(stored.prediction) if stored.prediction else None,
            feedback=stored.feedback,
            fetched_at=stored.fetched_at,
            stored_at=stored.stored_at,
        )


class Messages(_Wire):
    """A page of messages, newest first. `next` is the `after` of the next page, null on the last."""

    items: list[MessageAnswer]
    next: str | None

    @classmethod
    def of(cls, page: MessagePage) -> Messages:
        """A page as JSON."""
        return cls(items=[MessageAnswer.of(stored) for stored in page.items], next=page.next)


class Alive(_Wire):
    """The process answers."""

    status: str
    version: str


class ErrorDetail(_Wire):
    """What went wrong. `field` is the input that is refused; `position` points into it, counted from 0."""

    code: str
    message: str
    field: str | None
    position: int | None


class ErrorAnswer(_Wire):
    """Every error of the API has this shape."""

    error: ErrorDetail


_EVENT: Final[dict[str, JSON]] = {
    "id": "apple-vision-pro-launch",
    "name": "Apple Vision Pro launch",
    "query": '"Vision Pro" OR #VisionPro -giveaway',
    "languages": ["en"],
    "countries": ["US", "GB"],
    "starts_at": None,
    "ends_at": None,
    "read_budget": 5000,
    "created_at": "2026-11-23T09:00:00Z",
}
_PREDICTION: Final[dict[str, JSON]] = {
    "label": "positive",
    "confidence": 0.94,
    "probabilities": {"negative": 0.01, "neutral": 0.05, "positive": 0.94},
    "model": "minilm-tweeteval-1",
    "backend": "onnx-int8",
    "arm": "champion",
}
_MESSAGE: Final[dict[str, JSON]] = {
    "id": "x:1860000000000000000",
    "text": "The Vision Pro is gorgeous",
    "created_at": "2026-11-23T11:59:30Z",
    "source": "x",
    "author": "somebody",
    "lang": "en",
    "location": "London",
    "country": "GB",
    "url": "https://x.com/somebody/status/1860000000000000000",
    "publisher": None,
    "duplicate_of": None,
    "copies": 2,
    "label": "positive",
    "prediction": _PREDICTION,
    "feedback": {
        "verdict": "neutral",
        "who": "ann",
        "at": "2026-11-23T12:01:00Z",
        "people": 1,
        "disputed": False,
    },
    "fetched_at": "2026-11-23T11:59:40Z",
    "stored_at": "2026-11-23T11:59:41Z",
}
_COUNTS: Final[dict[str, JSON]] = {
    "negative": {"raw": 12, "distinct": 10},
    "neutral": {"raw": 20, "distinct": 18},
    "positive": {"raw": 15, "distinct": 12},
    "unscored": {"raw": 1, "distinct": 1},
}
_CORRECTION: Final[dict[str, JSON]] = {
    "corrected": True,
    "models": ["minilm-tweeteval-1"],
    "evaluation_sets": ["tweeteval-validation", "semeval2016-devtest"],
    "evaluated": 3977,
    "labelled": 34,
    "reason": None,
}
_SOURCE: Final[dict[str, JSON]] = {
    "event_id": "apple-vision-pro-launch",
    "source": "x",
    "state": "live",
    "detail": "",
    "live_to": "2026-11-23T12:00:00Z",
    "lag_s": 12.5,
    "reads": 60,
    "billed_reads": 60,
    "unmatched": 12,
    "errors": 0,
    "dead_letters": 0,
    "updated_at": "2026-11-23T12:00:12Z",
}

EXAMPLES: Final[Mapping[str, JSON]] = {
    "classify": {"predictions": [_PREDICTION]},
    "events": {
        "items": [{"event": _EVENT, "raw": 48, "distinct": 41, "live_to": "2026-11-23T12:00:00Z", "version": 7}]
    },
    "event": _EVENT,
    "check": {
        "ok": True,
        "canonical": '"Vision Pro" OR #visionpro -giveaway',
        "error": None,
        "position": None,
        "dialects": [{"dialect": "X search", "text": '"Vision Pro" OR (#visionpro -giveaway)', "problems": []}],
    },
    "overview": {
        "event": _EVENT,
        "start": "2026-11-22T12:01:00Z",
        "end": "2026-11-23T12:01:00Z",
        "counts": _COUNTS,
        "shares": {"negative": {"value": 0.21, "low": 0.006, "high": 0.482, "n": 40}},
        "classified": {"negative": {"value": 0.25, "low": 0.142, "high": 0.402, "n": 40}},
        "correction": _CORRECTION,
        "previous_negative": {"value": 0.17, "low": 0.003, "high": 0.44, "n": 40},
        "change": {"value": 0.05, "low": -0.18, "high": 0.29},
        "basis": {
            "raw": 48,
            "distinct": 41,
            "unscored": 1,
            "models": ["minilm-tweeteval-1"],
            "live_to": "2026-11-23T12:00:00Z",
            "sources_down": ["newsapi"],
        },
        "version": 7,
    },
    "timeline": {
        "event_id": "apple-vision-pro-launch",
        "start": "2026-11-23T11:00:00Z",
        "end": "2026-11-23T12:01:00Z",
        "step_s": 60,
        "buckets": [{"start": "2026-11-23T11:59:00Z", "counts": _COUNTS}],
        "live_to": "2026-11-23T12:00:00Z",
        "version": 7,
    },
    "facets": {"sources": {"x": {"raw": 48, "distinct": 41}}, "countries": {"??": {"raw": 48, "distinct": 41}}},
    "message": _MESSAGE,
    "messages": {"items": [_MESSAGE], "next": "WzE3NjM4OTkxNzAwMDAwMDAsICJ4OjE4NiJd"},
    "sources": {"sources": [_SOURCE], "dead_letters": 0},
    "dead_letters": {
        "items": [
            {
                "stage": "parse",
                "reason": "created_at is missing",
                "payload": '{"id": "1"}',
                "source": "x",
                "event_id": "apple-vision-pro-launch",
                "at": "2026-11-23T11:58:00Z",
            }
        ],
        "next": None,
    },
    "health": {"status": "ok", "version": "0.1.0"},
    "ready": {"ready": True, "parts": {"store": None, "model": None}},
}

_ERRORS: Final[Mapping[int, tuple[str, str, str]]] = {
    401: ("The token is missing or wrong.", "unauthorized", "this API asks for a token"),
    404: ("There is no such event.", "not_found", "there is no event 'x'"),
    413: ("The body is too large.", "too_large", "the body has more than 4,000,000 bytes"),
    415: ("The body is not declared as JSON.", "unsupported_media_type", "send JSON"),
    422: ("An input is refused; `field` names it.", "invalid_query", "this quote is not closed (at position 13)"),
    500: ("Something that nobody expected.", "internal", "something went wrong; the log has it under 0f3a"),
    503: ("Busy, or a part is not there; Retry-After says when to come back.", "overloaded", "the queue is full"),
}


def answers(
    example: str | Mapping[str, JSON] | None, *errors: int, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its example and its errors. A token, the database and bugs concern every route.

    `example` is an answer, or the name of one in `EXAMPLES`.
    """
    made: dict[int | str, dict[str, Any]] = {}
    if example is not None:
        answer = EXAMPLES[example] if isinstance(example, str) else example
        made[status] = {"content": {"application/json": {"example": answer}}}
    for code in sorted({401, 500, 503, *errors}):
        description, name, message = _ERRORS[code]
        refused = {"field": "query", "position": 12} if code == 422 else {"field": None, "position": None}
        made[code] = {
            "model": ErrorAnswer,
            "description": description,
            "content": {"application/json": {"example": {"error": {"code": name, "message": message} | refused}}},
        }
    return made
