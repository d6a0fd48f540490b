"""An alert as the body of a request: the JSON of our webhooks, and the JSON that Slack's incoming webhooks take.

What comes from outside (posts, phrases, names of events and sources) is never markup: in the webhook it is JSON text
that its reader must escape where it is shown; for Slack it stands in plain-text objects, where nothing is interpreted,
and in the one line of `text` without the characters that make links, mentions or markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.core.alert_content import SHOWN, Alert, Entry, Evidence, Exemplar, Phrase, quote
from app.core.prevalence import Share
from app.core.types import JSON

_MARKUP: Final = re.compile(r"[\[\]*_~`|<>]")
_LONGEST_HEADER: Final = 150  # Slack's limit of a header block
_LONGEST_SECTION: Final = 2_900  # Slack's limit is 3,000


def webhook_body(alert: Alert, now: datetime) -> bytes:
    """The JSON of a webhook; docs/alerts.md describes its fields."""
    kind = "incidents.changed" if alert.entries else "test"
    incidents: list[JSON] = [_incident(entry) for entry in alert.entries]
    return _json({"id": alert.id, "type": kind, "sent_at": _time(now), "incidents": incidents})


def _incident(entry: Entry) -> dict[str, JSON]:
    return {
        "event": {"id": entry.event_id, "name": entry.event_name},
        "number": entry.number,
        "revision": entry.steps[-1].revision,
        "changes": [
            {"revision": step.revision, "change": step.change.value, "at": _time(step.at), "text": step.text}
            for step in entry.steps
        ],
        "severity": entry.severity.name.lower(),
        "kinds": [kind.value for kind in entry.kinds],
        "source": entry.source,
        "is_open": entry.is_open,
        "started_at": _time(entry.started_at),
        "opened_at": _time(entry.opened_at),
        "ended_at": None if entry.ended_at is None else _time(entry.ended_at),
        "headline": entry.headline,
        "findings": list(entry.findings),
        "messages": {"raw": entry.raw, "distinct": entry.distinct},
        "negative_share": _share(entry.negative),
        "negative_share_before": _share(entry.negative_before),
        "evidence": None if entry.evidence is None else _evidence(entry.evidence),
        "url": entry.url,
    }


def _evidence(evidence: Evidence) -> dict[str, JSON]:
    return {
        "phrases": [
            {"text": phrase.text, "authors": phrase.authors, "times_at_least": round(phrase.times_low, 2)}
            for phrase in evidence.phrases
        ],
        "exemplars": [
            {
                "id": exemplar.id,
                "text": exemplar.text,
                "source": exemplar.source,
                "created_at": _time(exemplar.created_at),
                "url": exemplar.url,
                "messages": exemplar.messages,
            }
            for exemplar in evidence.exemplars
        ],
        "note": evidence.note,
    }


def _share(share: Share | None) -> JSON:
    if share is None:
        return None
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}


def slack_body(alert: Alert, public_url: str) -> bytes:
    """Blocks for Slack, and a line of text for what shows no blocks (notifications, servers that are like Slack)."""
    if not alert.entries:
        words = "This is a test. Alerts of EventPulse will arrive here."
        return _json({"text": words, "blocks": [_plain(words)]})
    shown = alert.entries[:SHOWN]
    blocks: list[JSON] = [
        {"type": "header", "text": {"type": "plain_text", "text": quote(alert.subject, _LONGEST_HEADER)}}
    ]
    for entry in shown:
        blocks += _blocks(entry, alone=len(alert.entries) == 1)
    if others := alert.others(len(shown)):
        blocks.append(_link(f"{public_url.rstrip('/')}/incidents", f"And {others}"))
    first = alert.entries[0]
    line = f"{inert(alert.subject)}. {inert(first.headline)} <{_escaped(first.url)}|Open>"
    return _json({"text": line, "unfurl_links": False, "unfurl_media": False, "blocks": blocks})


def _blocks(entry: Entry, *, alone: bool) -> list[JSON]:
    lines = [entry.headline] if alone else [entry.title, entry.headline]
    blocks: list[JSON] = [_plain("\n".join(lines))]
    if entry.evidence is not None:
        if said := evidence_lines(entry.evidence):
            blocks.append(_plain("\n".join(said)))
    blocks.append(_link(entry.url, f"Open incident {entry.number} with its evidence"))
    return blocks


def _plain(text: str) -> dict[str, JSON]:
    return {"type": "section", "text": {"type": "plain_text", "text": text[:_LONGEST_SECTION], "emoji": False}}


def _link(url: str, words: str) -> dict[str, JSON]:
    text = f"<{_escaped(url)}|{_escaped(words)}>"
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def evidence_lines(evidence: Evidence) -> list[str]:
    """The evidence as lines of plain text, for people; nothing in them is escaped."""
    lines = []
    if evidence.phrases:
        lines.append("More than usual: " + "; ".join(_phrase(phrase) for phrase in evidence.phrases))
    lines += [_exemplar(exemplar) for exemplar in evidence.exemplars]
    if evidence.note:
        lines.append(evidence.note)
    return lines


def _phrase(phrase: Phrase) -> str:
    return f"“{quote(phrase.text)}” ({phrase.authors:,} authors, at least {phrase.times_low:.1f} x the usual share)"


def _exemplar(exemplar: Exemplar) -> str:
    counted = "1 message" if exemplar.messages == 1 else f"{exemplar.messages:,} messages"
    written = exemplar.created_at.astimezone(UTC)
    return f"“{quote(exemplar.text)}” ({quote(exemplar.source)}, {written:%d %b %H:%M} UTC; {counted} like it)"


def inert(text: str) -> str:
    """Foreign text on one line, without what Slack and its likes read as links, mentions or markup."""
    return _escaped(_MARKUP.sub(" ", quote(text)).replace("@", "@\u2060").replace("://", ":\u2060//"))


def _escaped(text: str) -> str:
    """The three characters that Slack's mrkdwn reserves."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "%7C")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(content: dict[str, JSON] | Sequence[JSON]) -> bytes:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()
