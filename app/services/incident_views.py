"""What is said of incidents: plain frozen records, the same for the HTTP API and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from app.core.dial import Verdict
from app.core.incidents import Change, Kind
from app.core.prevalence import Difference, Share
from app.core.watch import Rule
from app.views import Correction

SeverityName: TypeAlias = Literal["watch", "high", "critical"]
"""The severities by name, the least first."""


@dataclass(frozen=True, slots=True)
class GivenVerdict:
    """The verdict that stands."""

    verdict: Verdict
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One test that stood out, at its strongest: `text` says it in a sentence.

    `observed` and `expected` are messages, negative messages, or the negative share (0..1), by `kind`.
    """

    kind: Kind
    source: str
    since: datetime
    observed: float
    expected: float
    surprise: float
    text: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident as it is now. Times are UTC.

    `headline` is the whole of it in one sentence. `raw`, `distinct` and `negative` (the share among distinct scored
    messages) are counted in [started_at, ended_at or now), of the incident's source where that is one;
    `negative_before` in as long a stretch before, of a day at least, and `change` is between the two. They are
    corrected as `correction` says; `classified` is `negative` as the model counted it.
    `in_history` marks one that was over before it was noticed: it was found in older messages and told to nobody.
    `is_collection` marks a source that was switched on: not public reaction.
    """

    event_id: str
    event_name: str
    number: int
    kind: Kind
    kinds: tuple[Kind, ...]
    severity: SeverityName
    is_open: bool
    in_history: bool
    is_collection: bool
    started_at: datetime
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    revision: int
    reopened: int
    headline: str
    raw: int
    distinct: int
    negative: Share | None
    negative_before: Share | None
    findings: tuple[Finding, ...]
    verdict: GivenVerdict | None
    change: Difference | None = None
    classified: Share | None = None
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """A page of incidents, the latest opened first. `next` is the `after` of the next page; None on the last."""

    items: tuple[IncidentView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change that was told. `at` is in the time of the messages, `told_at` by the clock."""

    revision: int
    change: Change
    severity: SeverityName
    at: datetime
    told_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class VerdictEntry:
    """A line of the verdicts' log; `verdict` None is a withdrawal."""

    verdict: Verdict | None
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """An expected moment that an analyst may add as an annotation, so that the like does not alarm again."""

    at: datetime
    until: datetime
    times: float
    text: str


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """One incident with its history: its changes and all verdicts, the oldest first.

    `offer` is there when the verdict is EXPECTED and nothing is foreseen for that time yet.
    """

    incident: IncidentView
    changes: tuple[ChangeView, ...]
    verdicts: tuple[VerdictEntry, ...]
    offer: Offer | None


class StateName(StrEnum):
    """How an event is doing, the least concern first."""

    CALM = "calm"
    NO_DATA = "no data"
    WATCH = "watch"  # an open incident of the lowest severity
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True)
class EventState:
    """How an event is doing. `text` says it for people: "calm", "incident 3", "no data: x_stream is down since ..."."""

    event_id: str
    state: StateName
    text: str
    incident: IncidentView | None
    live_to: datetime | None
    tested_to: datetime | None


_USUAL = Rule()


class RuleDraft(BaseModel):
    """What an analyst sets for an event; see `RuleView`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    alarms_per_week: float = Field(default=_USUAL.alarms_per_week, ge=0.01, le=100, examples=[1.0])
    kinds: tuple[Kind, ...] = Field(default=_USUAL.kinds, max_length=len(Kind))
    least_size: float = Field(default=_USUAL.least_size, ge=1, le=1_000_000, examples=[10])
    calm_minutes: float = Field(default=_USUAL.calm_minutes, ge=5, le=10_080, examples=[60])
    cooldown_hours: float = Field(default=_USUAL.cooldown_hours, ge=0, le=720, examples=[18])


@dataclass(frozen=True, slots=True)
class RuleView:
    """The rule of an event and what the detector made of it.

    `alarms_per_week` is what the analyst asked for; `effective` is what the tests run at after the verdicts
    (`false alarm` makes them stricter, `real` bounds that). `tuned_at` is when the event's history was last replayed.
    """

    event_id: str
    rule: RuleDraft
    is_default: bool
    effective: float
    tuned_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class WouldBe:
    """An incident that the rule would have opened."""

    kinds: tuple[Kind, ...]
    severity: SeverityName
    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a rule would have done. `text`: "This rule would have fired 3 times in the last 30 days: ..."

    `days` is how much history there was to replay, at most as much as was asked for.
    """

    event_id: str
    text: str
    days: float
    fired: int
    incidents: tuple[WouldBe, ...]
