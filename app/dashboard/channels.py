"""Where alerts go: the channels with what became of their alerts, and the form that adds one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.core.alerts import ChannelKind
from app.dashboard.actions import Fields, text
from app.dashboard.forms import attributes, button, entry, form, options
from app.dashboard.markup import day, figure, isolated, safe
from app.dashboard.tables import table
from app.services.alerts import ChannelDraft, ChannelView, DeliveryView

_KINDS: Final = {
    ChannelKind.WEBHOOK: "Webhook",
    ChannelKind.SLACK: "Slack-compatible webhook",
    ChannelKind.EMAIL: "E-mail",
}
_DIGESTS: Final = ((0, "at once"), (15, "gathered for 15 minutes"), (60, "hourly"), (1440, "daily"))
_SEVERITIES: Final = (("watch", "all"), ("high", "high and critical"), ("critical", "critical only"))


def panel(channels: Sequence[ChannelView], deliveries: Sequence[DeliveryView], event: str, name: str, feed: str) -> str:
    """The channels of all events and of the one in view; `feed` is the address of its RSS feed."""
    shown = [channel for channel in channels if channel.event_id in (None, event)]
    rows = "".join(_channel(channel, name) for channel in shown)
    listed = (
        f'<ul class="ep-channels">{rows}</ul>' if rows else '<p class="ep-none">No channel yet: alerts stay here.</p>'
    )
    rss = ""
    if feed:
        link = f'<a class="ep-quiet" href="{safe(feed)}">RSS feed of {isolated(name)}</a>'
        rss = f'<p class="ep-note">For a feed reader: {link}</p>'
    return f"<h2>Where alerts go</h2>{listed}{_form(event, name)}{_deliveries(deliveries)}{rss}"


def _channel(channel: ChannelView, name: str) -> str:
    about = [
        _KINDS[channel.kind],
        isolated(channel.target),
        "all events" if channel.event_id is None else isolated(name),
        dict(_SEVERITIES)[channel.least_severity],
        dict(_DIGESTS).get(channel.digest_minutes, f"every {channel.digest_minutes} minutes"),
        f"{figure(channel.sent)} sent",
        *([f"{figure(channel.waiting)} waiting"] if channel.waiting else []),
        *([f"last {day(channel.last_sent_at)}"] if channel.last_sent_at else []),
    ]
    if channel.failed:
        about.append(f'<span class="ep-down">{figure(channel.failed)} failed</span>')
    trouble = f'<p class="ep-down">{safe(channel.error)}</p>' if channel.error else ""
    which: dict[str, object] = {"id": channel.id}
    turn = "Switch off" if channel.enabled else "Switch on"
    buttons = (
        button("channel-test", "Send a test", which)
        + button("channel-turn", turn, {**which, "enabled": "" if channel.enabled else "1"})
        + button("channel-delete", "Delete", which, kind="ep-quiet", sure="Delete it with its deliveries?")
    )
    off = "" if channel.enabled else ' <span class="ep-state ep-tone-off">off</span>'
    return (
        f"<li{attributes({'data_key': channel.id, 'data_actions': True})}><p><b>{isolated(channel.name)}</b>{off}</p>"
        f'<p class="ep-basis">{" · ".join(f"<span>{part}</span>" for part in about)}</p>{trouble}'
        f'<div class="ep-choices">{buttons}</div><div data-answer></div></li>'
    )


def _form(event: str, name: str) -> str:
    of = [("", "All events"), *([(event, f"Only {name}")] if event else [])]
    secret = {"type": "password", "maxlength": 200, "autocomplete": "new-password"}
    target = {"required": True, "maxlength": 2000, "autocomplete": "off", "placeholder": "https://hooks.example.com/…"}
    fields = (
        entry("name", "Name", required=True, maxlength=120, placeholder="Press office")
        + options("kind", "Kind", [(kind.value, words) for kind, words in _KINDS.items()])
        + entry("target", "URL, or e-mail address", wide=True, **target)
        + entry("secret", "Secret that signs it (webhooks only, at least 16 characters)", wide=True, **secret)
        + options("event", "Of", of)
        + options("severity", "Incidents", _SEVERITIES)
        + options("digest", "When", [(str(minutes), words) for minutes, words in _DIGESTS])
        + '<button type="submit" class="ep-primary">Add</button>'
    )
    made = form("channel-add", fields, reset=True)
    return f'<details class="ep-adding" data-key="adding"><summary>Add a channel</summary>{made}</details>'


def _deliveries(deliveries: Sequence[DeliveryView]) -> str:
    if not deliveries:
        return ""
    head = ("Incident", "Channel", "Change", "State", "When", "Trouble")
    rows = [
        (
            f"{isolated(each.event_id)} {each.number}",
            isolated(each.channel),
            f"{each.change}, {each.severity}",
            each.state,
            day(each.sent_at or each.due_at),
            safe(each.error) or "–",
        )
        for each in deliveries
    ]
    made = table("What was sent, waits or failed, the latest first", head, rows)
    return f'<details data-key="deliveries"><summary>The latest deliveries</summary>{made}</details>'


def draft_of(fields: Fields) -> ChannelDraft:
    """The channel that the form describes. Raises pydantic's ValidationError."""
    return ChannelDraft.model_validate(
        {
            "name": text(fields, "name").strip(),
            "kind": text(fields, "kind"),
            "target": text(fields, "target").strip() or None,
            "secret": text(fields, "secret") or None,
            "event_id": text(fields, "event") or None,
            "least_severity": text(fields, "severity"),
            "digest_minutes": text(fields, "digest"),
        }
    )


def turned(channel: ChannelView, *, enabled: bool) -> ChannelDraft:
    """The same channel, on or off."""
    return ChannelDraft(
        name=channel.name,
        kind=channel.kind,
        event_id=channel.event_id,
        least_severity=channel.least_severity,
        digest_minutes=channel.digest_minutes,
        enabled=enabled,
    )
