"""What is stored of alerts, beyond `app.core.alerts`. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.adapters.incident_records import StoredChange
from app.core.alerts import Channel, DeliveryState
from app.core.incidents import Change, Severity


@dataclass(frozen=True, slots=True)
class Parcel:
    """The changes that go out in one message, claimed by one sender until `until`.

    `changes` are (event id, change), those of an incident in order. `attempt` counts from 1 and tells this claim from
    an earlier one that was given up. `created_at` is when the first of the changes was put into the outbox.
    """

    id: str
    channel: Channel
    changes: tuple[tuple[str, StoredChange], ...]
    attempt: int
    created_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One incident change on one channel. `parcel` is the message that it went into."""

    channel_id: str
    event_id: str
    number: int
    revision: int
    change: Change
    severity: Severity
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    parcel: str | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries. None means any."""

    channel_id: str | None = None
    event_id: str | None = None
    state: DeliveryState | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRows:
    """A page of deliveries, the latest first. `next` is the `after` of the next page; None when this is the last."""

    items: tuple[StoredDelivery, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the changes of a channel. `error` is the last trouble, empty since something was delivered."""

    waiting: int = 0
    sent: int = 0
    failed: int = 0
    last_sent_at: datetime | None = None
    error: str = ""
