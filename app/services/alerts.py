"""Channels that alerts go to, a test of them, what was delivered, and the feed of an event's incidents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.store import Store
from app.core.alerts import ChannelKind, DeliveryState
from app.core.incidents import Change
from app.services.incidents import SeverityName
from app.settings import Settings


class ChannelDraft(BaseModel):
    """A channel as a user writes it.

    `target` is the URL of a webhook, or an e-mail address. `secret` (webhooks only, at least 16 characters) signs what
    is sent. Neither is ever shown again; when a channel is changed, leave them out to keep them. `event_id` None is
    all events. `digest_minutes` 0 sends each change at once; otherwise changes are gathered, and only what is more
    severe than `least_severity`, raised, or critical is sent at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120, examples=["Press office"])
    kind: ChannelKind = Field(examples=["webhook"])
    target: str | None = Field(default=None, max_length=2000, examples=["https://hooks.example.com/eventpulse"])
    secret: str | None = Field(default=None, min_length=16, max_length=200, examples=["a long random text"])
    event_id: str | None = Field(default=None, max_length=200, examples=["apple-vision-pro-launch"])
    least_severity: SeverityName = "watch"
    digest_minutes: int = Field(default=0, ge=0, le=1440)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as it is shown: of a URL only the host, and of the secret only whether there is one.

    `waiting`, `sent` and `failed` count incident changes. `error` is what went wrong last, empty since it last worked.
    """

    id: str
    name: str
    kind: ChannelKind
    target: str
    signed: bool
    event_id: str | None
    least_severity: SeverityName
    digest_minutes: int
    enabled: bool
    created_at: datetime
    waiting: int
    sent: int
    failed: int
    last_sent_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One incident change on one channel. `message` is the id of what it was sent in, alone or with others."""

    channel_id: str
    channel: str
    event_id: str
    number: int
    revision: int
    change: Change
    severity: SeverityName
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    message: str | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, the latest first. `next` is the `after` of the next page; None when this is the last."""

    items: tuple[DeliveryView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether a channel took a test message; `error` says why not."""

    delivered: bool
    error: str


class Alerts:
    """Channels and deliveries; `now` is the clock, in UTC."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def channels(self) -> tuple[ChannelView, ...]:
        """All channels, the oldest first."""
        raise NotImplementedError

    def create(self, draft: ChannelDraft) -> ChannelView:
        """Add a channel. Raises InvalidInput with the field that is refused (a private address, no secret)."""
        raise NotImplementedError

    def update(self, channel_id: str, draft: ChannelDraft) -> ChannelView:
        """Replace a channel's description. What waits for one that is switched off is given up, visibly.

        Raises NotFound or InvalidInput.
        """
        raise NotImplementedError

    def delete(self, channel_id: str) -> None:
        """Remove a channel with its deliveries. Raises NotFound."""
        raise NotImplementedError

    def test(self, channel_id: str) -> Trial:
        """Send a test message now, and wait for the answer (at most about 20 s). Raises NotFound."""
        raise NotImplementedError

    def deliveries(
        self,
        *,
        channel_id: str | None = None,
        event_id: str | None = None,
        state: DeliveryState | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> DeliveryPage:
        """What was sent, waits or failed, the latest first. Raises InvalidInput for a bad limit or `after`."""
        raise NotImplementedError

    def feed_path(self, event_id: str) -> str:
        """The path and query of the event's RSS feed below the API, with the key that a feed reader needs."""
        raise NotImplementedError

    def feed(self, event_id: str) -> str:
        """The incidents of an event as RSS 2.0, the latest first. Raises NotFound."""
        raise NotImplementedError
