"""The records that travel through EventPulse. All are frozen; all times are timezone-aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


class Label(StrEnum):
    """What a message is counted as. The first three are the model's classes, in the order of its outputs."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"
    UNSCORED = "unscored"  # in a language the model was not trained for: kept and counted, never guessed


CLASSES: tuple[Label, Label, Label] = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE)


@dataclass(frozen=True, slots=True)
class Event:
    """Something whose public reaction is watched.

    `query` is in the language of `app.core.query`; an empty tuple of languages or countries means any.
    `starts_at` and `ends_at` bound the time that is collected; None means open.
    `read_budget` is the number of posts that may be read from billed sources (X); None means no limit.
    """

    id: str
    name: str
    query: str
    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    read_budget: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One post or article, as its source gave it.

    `id` is unique within an event and stable: the same post delivered twice has the same id.
    `text` is the original, for people; `app.core.text.model_text` makes what the model reads.
    `country` is ISO 3166 alpha-2, upper case. `duplicate_of` is the id of the first message with this text.
    `supersedes` are ids of earlier revisions of the same post, which this one replaces.
    """

    id: str
    text: str
    created_at: datetime
    source: str
    author: str | None = None
    lang: str | None = None
    location: str | None = None
    country: str | None = None
    url: str | None = None
    publisher: str | None = None
    duplicate_of: str | None = None
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of a text. The probabilities follow `CLASSES` and sum to 1."""

    label: Label
    probabilities: tuple[float, float, float]
    model: str
    backend: str
    arm: str = "champion"

    @property
    def confidence(self) -> float:
        """The probability of the chosen class."""
        return max(self.probabilities)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, with the reason; nothing is dropped unseen.

    `stage` is where it failed: fetch, parse, clean, classify or store. `payload` is the record as JSON text.
    """

    stage: str
    reason: str
    payload: str
    source: str
    event_id: str | None = None
    at: datetime | None = None


class SourceState(StrEnum):
    """How a source of an event is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"  # rate limited or between polls after an error: `detail` says until when
    NOT_CONNECTED = "not_connected"  # a key is missing: `detail` names the variable
    UNAUTHORIZED = "unauthorized"
    BUDGET_USED = "budget_used"
    FINISHED = "finished"  # a recording that has been read to its end, or an event whose time is over
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source of an event, for people: is it alive, how far has it read, what did it cost.

    `live_to` is the time up to which everything the source has is in the store. `lag_s` is how far that was
    behind at the last report. `reads` counts records read since the event exists, `billed_reads` those that cost.
    """

    event_id: str
    source: str
    state: SourceState
    detail: str = ""
    live_to: datetime | None = None
    lag_s: float | None = None
    reads: int = 0
    billed_reads: int = 0
    unmatched: int = 0
    errors: int = 0
    dead_letters: int = 0
    updated_at: datetime | None = None


Grain: TypeAlias = Literal["minute", "hour", "day"]


@dataclass(frozen=True, slots=True)
class Count:
    """Messages, raw and distinct (duplicates left out)."""

    raw: int = 0
    distinct: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.raw + other.raw, self.distinct + other.distinct)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a timeline: the counts of each label from `start` on."""

    start: datetime
    counts: dict[Label, Count] = field(default_factory=dict)

    @property
    def total(self) -> Count:
        """The counts of all labels together, unscored ones included."""
        return sum(self.counts.values(), Count())
