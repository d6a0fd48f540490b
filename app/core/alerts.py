"""Which changes of an incident a channel is told of, when, and which travel together in one message."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from app.core.incidents import Change, Severity

BURST: Final = 10
"""Messages that a channel takes within `BURST_WINDOW` before the flood guard holds the next ones."""

BURST_WINDOW: Final = timedelta(minutes=10)
FLOOD_PAUSE: Final = timedelta(minutes=1)
"""How far apart the messages of a flooded channel are; each gathers all that waits."""

MOST_TOGETHER: Final = 100
"""Changes in one message at most; what is beyond goes with the next."""


class ChannelKind(StrEnum):
    """How a channel is reached."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"


class DeliveryState(StrEnum):
    """What has become of one incident change on one channel."""

    WAITING = "waiting"  # for its time: the end of a digest, the next attempt, or the end of a flood
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"  # for good: `error` says why


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts go. `target` is a URL or an e-mail address; `secret` signs what a webhook is sent.

    `event_id` None stands for all events. `digest_minutes` 0 is at once.
    """

    id: str
    name: str
    kind: ChannelKind
    target: str
    secret: str | None
    event_id: str | None
    least_severity: Severity
    digest_minutes: int
    enabled: bool
    created_at: datetime


def is_urgent(change: Change, severity: Severity, least: Severity) -> bool:
    """Whether a digest must not hold a change back.

    A digest collects what is of the channel's least severity, and the changes of what is known already. An incident
    that opens above that, one that is raised, and a critical one that opens are told at once.
    """
    if change is Change.RAISED:
        return True
    return change is Change.OPENED and (severity > least or severity is Severity.CRITICAL)


def due_at(change: Change, severity: Severity, channel: Channel, now: datetime) -> datetime:
    """When a change is to be sent: now, or at the end of the digest's period (periods are counted from 1970, UTC)."""
    if channel.digest_minutes == 0 or is_urgent(change, severity, channel.least_severity):
        return now
    period = channel.digest_minutes * 60
    return datetime.fromtimestamp((now.timestamp() // period + 1) * period, UTC)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change that is due on a channel. `gathered`: it goes with the others of the digest.

    `parcel` is the message that it went into at an earlier attempt, None at the first.
    """

    key: int
    severity: Severity
    due_at: datetime
    gathered: bool
    parcel: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A message that a channel was sent, with the highest severity in it."""

    at: datetime
    severity: Severity


def next_message(waiting: Sequence[Waiting], told: Sequence[Told], now: datetime) -> Sequence[Waiting] | datetime:
    """Which of the changes that are due on a channel go out now, in one message; or until when all of them wait.

    The most severe goes first. A message that failed is sent again with the same changes. After `BURST` messages in
    `BURST_WINDOW` a channel is flooded: it gets one message every `FLOOD_PAUSE`, which gathers all that waits. A change
    that is more severe than everything the channel was told in that window does not wait for this.
    """
    head = max(waiting, key=lambda change: (change.severity, -change.due_at.timestamp()))
    if head.parcel is not None:
        return [change for change in waiting if change.parcel == head.parcel]
    fresh = [change for change in waiting if change.parcel is None]
    lately = [message for message in told if message.at > now - BURST_WINDOW]
    if len(lately) >= BURST:
        if head.severity > max(message.severity for message in lately):
            return [head]
        until = max(message.at for message in lately) + FLOOD_PAUSE
        return until if now < until else _first(fresh)
    return _first([change for change in fresh if change.gathered]) if head.gathered else [head]


def _first(changes: Sequence[Waiting]) -> list[Waiting]:
    return sorted(changes, key=lambda change: (-change.severity, change.due_at))[:MOST_TOGETHER]


def parcel_id(channel_id: str, changes: Sequence[tuple[str, int, int]]) -> str:
    """The id of a message with these changes (event, number, revision): the same ones always give the same id."""
    basis = "\0".join([channel_id, *(f"{event_id}\0{number}\0{revision}" for event_id, number, revision in changes)])
    return f"msg_{hashlib.blake2b(basis.encode(), digest_size=16).hexdigest()}"
