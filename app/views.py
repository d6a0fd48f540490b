"""What the service answers: plain frozen records, the same for the HTTP API and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.core.prevalence import Difference, Share
from app.core.types import Bucket, Count, Event, Label, SourceStatus


@dataclass(frozen=True, slots=True)
class Selection:
    """What part of an event is asked for.

    The window is `hours` back from the data edge, or `start` to `end` (exclusive) where both are given.
    """

    hours: float = 24.0
    start: datetime | None = None
    end: datetime | None = None
    source: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a number rests on: how many messages, which models, how fresh, and which sources were not there."""

    raw: int
    distinct: int
    unscored: int
    models: tuple[str, ...]
    live_to: datetime | None
    sources_down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """Whether shares were corrected for the errors of the model that scored the messages, and by what.

    Those errors were counted on `evaluated` texts of some labelled sets, and on `labelled` messages of the event that
    were chosen by lot and judged by people. `reason` says why shares were not corrected; None where they were.
    """

    corrected: bool
    models: tuple[str, ...]
    evaluation_sets: tuple[str, ...]
    evaluated: int
    labelled: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The headline of an event: counts and shares in the window, compared with the window before.

    Shares are over distinct scored messages. `shares`, `previous_negative` and `change` are corrected where
    `correction` says so; `classified` are the shares as the model gave them. `change` is of the negative share, and
    None when the window before has nothing to compare with; both windows have the model's errors in common, so it can
    be surer than either share.
    """

    event: Event
    start: datetime
    end: datetime
    counts: dict[Label, Count]
    shares: dict[Label, Share]
    classified: dict[Label, Share]
    correction: Correction
    previous_negative: Share | None
    change: Difference | None
    basis: Basis
    version: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Counts per step of `step_s` seconds. A step without a bucket had no messages, as far as `live_to`;
    after `live_to` nothing is known yet.
    """

    event_id: str
    start: datetime
    end: datetime
    step_s: int
    buckets: tuple[Bucket, ...]
    live_to: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One row of the list of events."""

    event: Event
    raw: int
    distinct: int
    live_to: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class DialectCheck:
    """What a source would be asked; `text` is None when its dialect can't express the query at all."""

    dialect: str
    text: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryCheck:
    """Whether a query is understood, and as what. On an error `position` points at it, counted from 0."""

    ok: bool
    canonical: str | None
    error: str | None
    position: int | None
    dialects: tuple[DialectCheck, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can do its work: each part and its trouble, None when it has none."""

    ready: bool
    parts: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Statuses:
    """All sources of an event and what has been put aside for it."""

    sources: tuple[SourceStatus, ...]
    dead_letters: int
