"""What is stored of incidents, beyond `app.core.incidents`. All frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core.annotations import Annotation
from app.core.dial import Verdict
from app.core.incidents import Change, Incident, Update
from app.core.types import Event, SourceStatus
from app.core.watch import Rule


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """An incident of an event. `in_history`: it was over before it was noticed, and nobody was told."""

    event_id: str
    incident: Incident
    in_history: bool


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change of an incident with the incident as it was after it. `at` is in the time of the messages."""

    change: Change
    at: datetime
    told_at: datetime
    incident: Incident


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A line of the log of verdicts; None is a withdrawal."""

    number: int
    verdict: Verdict | None
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents. None means any; with `start` and `end` those that touch [start, end)."""

    event_id: str | None = None
    is_open: bool | None = None
    least_severity: int = 1
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentRows:
    """A page of incidents, the latest opened first. `next` is the `after` of the next page."""

    items: tuple[StoredIncident, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class StoredRule:
    """The rule of an event, and whether it is on. `updated_at` is None for the default, which nobody has set."""

    rule: Rule = field(default_factory=Rule)
    enabled: bool = True
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DetectorState:
    """Where the detector of an event stands; `revision` 0 is one that has not begun."""

    state: Mapping[str, Any]
    tested_to: datetime
    updated_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Watched:
    """All that the detector needs to know of an event before it looks at counts, as of one moment.

    `last_steps` is by source the step of its newest message; `verdicts` is how many lines their log has.
    """

    event: Event
    statuses: Sequence[SourceStatus]
    annotations: Sequence[Annotation]
    last_steps: Mapping[str, int]
    detector: DetectorState | None
    rule: StoredRule
    verdicts: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run of the detector found, to be stored with its new state in one transaction.

    `updates` are told. `past` are the changes of incidents that were over before they were noticed: kept, not told.
    `current` is the open incident with its latest figures.
    """

    updates: tuple[Update, ...] = ()
    past: tuple[Update, ...] = ()
    current: Incident | None = None
