"""Evidence cards over HTTP, and the messages behind each of their statements."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app.core.evidence import Concentration, Contribution, Dimension, Phrase, Story
from app.core.types import JSON, Count, Label
from app.services.evidence import Against, EvidenceCard, Ground
from app.serving.parameters import After, Asked, EventId, Limit, Selected
from app.serving.schemas import EXAMPLES, MessageAnswer, Messages, answers

evidence_routes = APIRouter(tags=["evidence"])

About = Annotated[Label | None, Query(description="Only messages counted as this; without it, all.")]
Compared = Annotated[
    Against, Query(description="What phrases are compared with: `before`, or with a label the `rest` of the window.")
]
Statement = Annotated[
    str, Query(min_length=1, max_length=700, description="A `statement` of the card.", examples=["phrase:refund"])
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class GroundAnswer(_Answer):
    """What one side rests on. Where fewer messages were read than there are, those of some seconds were, always the
    same ones.
    """

    start: datetime
    end: datetime
    messages: int
    read: int

    @classmethod
    def of(cls, ground: Ground) -> GroundAnswer:
        """A side as JSON."""
        return cls(start=ground.start, end=ground.end, messages=ground.messages, read=ground.read)


class PhraseAnswer(_Answer):
    """A phrase that more people use in the window; see `Phrase`. `texts` are the different texts to be opened."""

    statement: str
    text: str
    wordings: tuple[str, ...]
    authors: int
    authors_before: int
    times: float | None
    times_low: float
    times_high: float | None
    z: float
    q: float
    counts: dict[Label, Count]
    texts: int

    @classmethod
    def of(cls, phrase: Phrase) -> PhraseAnswer:
        """A phrase as JSON."""
        return cls(
            statement=f"phrase:{phrase.text}",
            text=phrase.text,
            wordings=phrase.wordings,
            authors=phrase.authors,
            authors_before=phrase.authors_before,
            times=phrase.times,
            times_low=phrase.times_low,
            times_high=phrase.times_high,
            z=phrase.z,
            q=phrase.q,
            counts=dict(phrase.counts),
            texts=len(phrase.ids),
        )


class StoryAnswer(_Answer):
    """What a part of the window is about. `exemplar` and `first` are null where they are no longer stored."""

    statement: str
    phrases: tuple[str, ...]
    counts: dict[Label, Count]
    authors: int
    rise: float
    texts: int
    exemplar: MessageAnswer | None
    first: MessageAnswer | None

    @classmethod
    def of(cls, story: Story, quoted: dict[str, MessageAnswer]) -> StoryAnswer:
        """A story as JSON."""
        return cls(
            statement=f"{Dimension.STORY}:{story.exemplar}",
            phrases=story.phrases,
            counts=dict(story.counts),
            authors=story.authors,
            rise=story.rise,
            texts=len(story.ids),
            exemplar=quoted.get(story.exemplar),
            first=quoted.get(story.first),
        )


class ContributionAnswer(_Answer):
    """A part of the rise. `key` and `statement` are null for all others together; an empty key is "not known"."""

    statement: str | None
    key: str | None
    rate: float
    rate_before: float
    rise: float
    share: float | None
    texts: int

    @classmethod
    def of(cls, by: Dimension, part: Contribution) -> ContributionAnswer:
        """A part as JSON."""
        return cls(
            statement=None if part.key is None else f"{by}:{part.key}",
            key=part.key,
            rate=part.rate,
            rate_before=part.rate_before,
            rise=part.rise,
            share=part.share,
            texts=len(part.ids),
        )


class EvidenceAnswer(_Answer):
    """Why a window differs. Rates are messages an hour; `rate_before` is null where nothing was before.

    Each `statement` opens its messages, asked for with the same parameters and this `start` and `end`.
    """

    event_id: str
    start: datetime | None
    end: datetime | None
    label: Label | None
    against: Against
    window: GroundAnswer
    before: GroundAnswer | None
    rest: GroundAnswer | None
    rate: float
    rate_before: float | None
    counts: dict[Label, Count]
    tested: int
    phrases: list[PhraseAnswer]
    stories: list[StoryAnswer]
    rise: dict[Dimension, list[ContributionAnswer]]
    concentration: Concentration | None
    first: MessageAnswer | None
    version: int

    @classmethod
    def of(cls, card: EvidenceCard) -> EvidenceAnswer:
        """A card as JSON."""
        drivers = card.drivers
        quoted = {id_: MessageAnswer.of(message) for id_, message in card.quoted.items()}
        return cls(
            event_id=card.event_id,
            start=card.selection.start,
            end=card.selection.end,
            label=card.label,
            against=card.against,
            window=GroundAnswer.of(card.window),
            before=card.before and GroundAnswer.of(card.before),
            rest=card.rest and GroundAnswer.of(card.rest),
            rate=drivers.rate,
            rate_before=drivers.rate_before,
            counts=dict(drivers.counts),
            tested=drivers.tested,
            phrases=[PhraseAnswer.of(phrase) for phrase in drivers.phrases],
            stories=[StoryAnswer.of(story, quoted) for story in drivers.stories],
            rise={
                each.by: [ContributionAnswer.of(each.by, part) for part in each.parts] for each in drivers.breakdowns
            },
            concentration=drivers.concentration,
            first=quoted.get(drivers.first or ""),
            version=card.version,
        )


_COUNTS: Final[dict[str, JSON]] = {"negative": {"raw": 66, "distinct": 58}, "neutral": {"raw": 5, "distinct": 4}}
_PART: Final[dict[str, JSON]] = {
    "statement": "source:x",
    "key": "x",
    "rate": 410.0,
    "rate_before": 96.0,
    "rise": 314.0,
    "share": 0.98,
    "texts": 250,
}
_REST: Final[dict[str, JSON]] = {
    "statement": None,
    "key": None,
    "rate": 14.0,
    "rate_before": 8.0,
    "rise": 6.0,
    "share": 0.02,
    "texts": 0,
}
EVIDENCE_EXAMPLES: Final[dict[str, dict[str, JSON]]] = {
    "card": {
        "event_id": "apple-vision-pro-launch",
        "start": "2026-11-23T11:00:00Z",
        "end": "2026-11-23T12:00:00Z",
        "label": None,
        "against": "before",
        "window": {"start": "2026-11-23T11:00:00Z", "end": "2026-11-23T12:00:00Z", "messages": 424, "read": 424},
        "before": {"start": "2026-11-16T11:00:00Z", "end": "2026-11-23T11:00:00Z", "messages": 17472, "read": 17472},
        "rest": None,
        "rate": 424.0,
        "rate_before": 104.0,
        "counts": {"negative": {"raw": 144, "distinct": 121}, "neutral": {"raw": 280, "distinct": 205}},
        "tested": 1604,
        "phrases": [
            {
                "statement": "phrase:screen cracked",
                "text": "screen cracked",
                "wordings": ["cracked after two days"],
                "authors": 62,
                "authors_before": 47,
                "times": 9.1,
                "times_low": 6.3,
                "times_high": 13.1,
                "z": 8.4,
                "q": 2.1e-12,
                "counts": _COUNTS,
                "texts": 62,
            }
        ],
        "stories": [
            {
                "statement": "story:x:1860000000000000000",
                "phrases": ["screen cracked"],
                "counts": _COUNTS,
                "authors": 68,
                "rise": 64.5,
                "texts": 62,
                "exemplar": EXAMPLES["message"],
                "first": EXAMPLES["message"],
            }
        ],
        "rise": {"source": [_PART, _REST]},
        "concentration": {"authors": 0.12, "authors_before": 0.1, "texts": 0.21, "texts_before": 0.08},
        "first": EXAMPLES["message"],
        "version": 7,
    }
}


@evidence_routes.get("/events/{event_id}/evidence", responses=answers(EVIDENCE_EXAMPLES["card"], 404, 422))
def get_evidence(
    service: Asked, event_id: EventId, selection: Selected, label: About = None, against: Compared = Against.BEFORE
) -> EvidenceAnswer:
    """Why the window differs from the seven days before: phrases, stories, and who and what made the rise."""
    return EvidenceAnswer.of(service.evidence.card(event_id, selection, label=label, against=against))


@evidence_routes.get("/events/{event_id}/evidence/messages", responses=answers("messages", 404, 422))
def list_evidence_messages(
    service: Asked,
    event_id: EventId,
    selection: Selected,
    statement: Statement,
    label: About = None,
    against: Compared = Against.BEFORE,
    limit: Limit = 50,
    after: After = None,
) -> Messages:
    """The messages behind a statement of the card, newest first: one of each text, at most 1,000."""
    card = service.evidence.card(event_id, selection, label=label, against=against)
    return Messages.of(service.evidence.messages(card, statement, limit=limit, after=after))
