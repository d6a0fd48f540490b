"""What goes into the store and comes out of it, beyond the records of `app.core.types`. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from app.core.feedback import HumanLabel
from app.core.types import JSON, Count, DeadLetter, Label, Message, Prediction, SourceState

UNRESOLVED: Final = "??"
"""The country of a message whose place is not known, in filters, roll-ups and facets."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as it is to be stored.

    `prediction` is None for an unscored message. `content_hash` is `app.core.text.content_hash` of the text.
    `fetched_at` is when the source gave it.
    """

    message: Message
    prediction: Prediction | None
    content_hash: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has come with a page, stored in the same transaction as the page's messages.

    `reads`, `billed_reads`, `unmatched` and `errors` are what this page adds to the counters of `SourceStatus`, not
    their totals; `dead_letters` are stored and counted too. A page delivered twice adds to them twice, because
    reading it twice costs twice. `cursor` and `live_to` replace what is stored; None leaves it as it is. `lag_s` is
    in seconds and always replaces.
    """

    cursor: dict[str, JSON] | None = None
    state: SourceState = SourceState.LIVE
    detail: str = ""
    live_to: datetime | None = None
    lag_s: float | None = None
    reads: int = 0
    billed_reads: int = 0
    unmatched: int = 0
    errors: int = 0
    dead_letters: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of a page: `inserted` + `repeated` is its number of records.

    `repeated` were in the store (or earlier in the page) already, or had been deleted or superseded.
    `superseded` counts stored messages that newer revisions in this page removed.
    """

    inserted: int
    repeated: int
    superseded: int


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages of an event. None means any; `start` is inclusive, `end` exclusive, both exact.

    `country` may be UNRESOLVED. `text` is a substring, whatever the case; it has no wildcards.
    `distinct_only` leaves out messages that repeat the text of another. `ids` are those of at most 1,000 messages.
    """

    start: datetime | None = None
    end: datetime | None = None
    label: Label | None = None
    source: str | None = None
    country: str | None = None
    text: str | None = None
    distinct_only: bool = False
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message with what was said of it.

    `message.duplicate_of` is the stored first message with this text, None when it is this one; `supersedes` is not
    kept and always empty. `copies` is how many other messages of the event carry the same text. `feedback` is what
    people make of it, of a copy what they make of its first unless they judged the copy itself; it changes no count.
    """

    message: Message
    prediction: Prediction | None
    copies: int
    content_hash: str
    fetched_at: datetime
    stored_at: datetime
    feedback: HumanLabel | None = None

    @property
    def label(self) -> Label:
        """What the message is counted as."""
        return self.prediction.label if self.prediction else Label.UNSCORED


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A page of messages, newest first. `next` is the `after` of the next page; None when this is the last."""

    items: tuple[StoredMessage, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """A page of dead letters, latest first. `next` is the `after` of the next page; None when this is the last."""

    items: tuple[DeadLetter, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Facets:
    """The sources and countries of an event's messages, the most frequent (raw) first; UNRESOLVED is a country."""

    sources: Mapping[str, Count] = field(default_factory=dict)
    countries: Mapping[str, Count] = field(default_factory=dict)


class Cell(NamedTuple):
    """One cell of the roll-up cube. `source` and `country` may be EVERY; `start` is 0 for the grain "ever"."""

    grain: str
    start: int  # epoch microseconds
    source: str
    country: str
    label: str
