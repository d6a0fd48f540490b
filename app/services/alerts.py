"""Channels that alerts go to, a test of them, what was delivered, and the feed of an event's incidents."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.alert_records import DeliveryFilter, StoredDelivery, Tally
from app.adapters.alert_senders import Senders, signature_key
from app.adapters.store import Store
from app.core.alert_content import Alert
from app.core.alerts import Channel, ChannelKind, DeliveryState
from app.core.errors import DeliveryError, InvalidInput
from app.core.incidents import Change, Severity
from app.services.alert_feed import feed_path, rss
from app.services.incident_views import SeverityName
from app.services.incident_words import severity_name
from app.services.incidents import Incidents
from app.services.shares import Shares
from app.settings import Settings

MOST_CHANNELS: Final = 100
"""Each change is written once for each channel that it concerns."""

_IN_FEED: Final = 50


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
    """Channels and deliveries; `now` is the clock, in UTC. `senders` stands in for those that the settings describe."""

    def __init__(
        self, store: Store, settings: Settings, now: Callable[[], datetime], senders: Senders | None = None
    ) -> None:
        """Raises ConfigError for a list of ports that is none."""
        self._store = store
        self._settings = settings
        self._now = now
        self._senders = senders or Senders(settings, now=now)
        self._incidents = Incidents(store, now, Shares.measured(store, settings))

    def channels(self) -> tuple[ChannelView, ...]:
        """All channels, the oldest first."""
        tallies = self._store.alerts.tallies()
        return tuple(_view(channel, tallies.get(channel.id, Tally())) for channel in self._store.alerts.channels())

    def create(self, draft: ChannelDraft) -> ChannelView:
        """Add a channel. Raises InvalidInput with the field that is refused (a private address, no secret)."""
        if len(self._store.alerts.channels()) >= MOST_CHANNELS:
            raise InvalidInput(f"there are {MOST_CHANNELS} channels already: delete one that is not needed")
        if draft.target is None:
            raise InvalidInput("a new channel needs a target: a URL, or an e-mail address", field="target")
        return self._put(secrets.token_hex(6), draft, draft.target, draft.secret, self._now())

    def update(self, channel_id: str, draft: ChannelDraft) -> ChannelView:
        """Replace a channel's description. What waits for one that is switched off is given up, visibly.

        Raises NotFound or InvalidInput.
        """
        before = self._store.alerts.channel(channel_id)
        if draft.target is None and draft.kind is not before.kind:
            raise InvalidInput("a channel of another kind needs a target of its own", field="target")
        kept = before.secret if draft.kind is before.kind else None
        return self._put(channel_id, draft, draft.target or before.target, draft.secret or kept, before.created_at)

    def _put(
        self, channel_id: str, draft: ChannelDraft, target: str, secret: str | None, created_at: datetime
    ) -> ChannelView:
        if draft.event_id is not None:
            self._store.event(draft.event_id)
        if draft.kind is ChannelKind.EMAIL and not self._settings.smtp_host:
            raise InvalidInput("no mail server is set (EVENTPULSE_SMTP_HOST)", field="kind")
        if draft.kind is ChannelKind.WEBHOOK:
            if secret is None:
                raise InvalidInput("a webhook needs a secret to be signed with", field="secret")
            signature_key(secret)
        elif secret is not None:
            raise InvalidInput("only webhooks are signed: leave the secret out", field="secret")
        asyncio.run(self._senders.check(draft.kind, target))
        channel = Channel(
            id=channel_id,
            name=draft.name,
            kind=draft.kind,
            target=target,
            secret=secret,
            event_id=draft.event_id,
            least_severity=Severity[draft.least_severity.upper()],
            digest_minutes=draft.digest_minutes,
            enabled=draft.enabled,
            created_at=created_at,
        )
        self._store.alerts.put_channel(channel)
        return _view(channel, self._store.alerts.tallies().get(channel_id, Tally()))

    def delete(self, channel_id: str) -> None:
        """Remove a channel with its deliveries. Raises NotFound."""
        self._store.alerts.delete_channel(channel_id)

    def test(self, channel_id: str) -> Trial:
        """Send a test message now, and wait for the answer (at most half a minute). Raises NotFound."""
        channel = self._store.alerts.channel(channel_id)
        try:
            asyncio.run(self._senders.send(channel, Alert(f"test_{secrets.token_hex(8)}")))
        except DeliveryError as error:
            return Trial(False, str(error))
        return Trial(True, "")

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
        if not 1 <= limit <= 500:
            raise InvalidInput(f"a limit of {limit}: choose 1 to 500", field="limit")
        names = {channel.id: channel.name for channel in self._store.alerts.channels()}
        rows = self._store.alerts.deliveries(DeliveryFilter(channel_id, event_id, state), limit=limit, after=after)
        # A channel may have gone between the two questions, and its deliveries with it.
        items = tuple(_delivery(row, names[row.channel_id]) for row in rows.items if row.channel_id in names)
        return DeliveryPage(items, rows.next)

    def feed_path(self, event_id: str) -> str:
        """The path and query of the event's RSS feed below the API, with the key that a feed reader needs."""
        token = self._settings.api_token
        return feed_path(event_id, None if token is None else token.get_secret_value().strip())

    def feed(self, event_id: str) -> str:
        """The incidents of an event as RSS 2.0, the latest first. Raises NotFound."""
        event = self._store.event(event_id)
        page = self._incidents.find(event_id=event_id, limit=_IN_FEED)
        told = [incident for incident in page.items if not incident.in_history]
        return rss(event, told, self._settings.public_url, self._now())


def _view(channel: Channel, tally: Tally) -> ChannelView:
    return ChannelView(
        id=channel.id,
        name=channel.name,
        kind=channel.kind,
        target=_masked(channel),
        signed=channel.secret is not None,
        event_id=channel.event_id,
        least_severity=severity_name(channel.least_severity),
        digest_minutes=channel.digest_minutes,
        enabled=channel.enabled,
        created_at=channel.created_at,
        waiting=tally.waiting,
        sent=tally.sent,
        failed=tally.failed,
        last_sent_at=tally.last_sent_at,
        error=tally.error,
    )


def _masked(channel: Channel) -> str:
    """An e-mail address, or the host of a URL: its path and query are as good as a password."""
    if channel.kind is ChannelKind.EMAIL:
        return channel.target
    parts = urlsplit(channel.target)
    return f"{parts.scheme}://{parts.netloc}/…"


def _delivery(row: StoredDelivery, channel: str) -> DeliveryView:
    return DeliveryView(
        channel_id=row.channel_id,
        channel=channel,
        event_id=row.event_id,
        number=row.number,
        revision=row.revision,
        change=row.change,
        severity=severity_name(row.severity),
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
        message=row.parcel,
        error=row.error,
    )
