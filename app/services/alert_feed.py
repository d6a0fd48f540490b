"""The incidents of an event as an RSS 2.0 feed, and the key that opens it for a reader that sends no headers."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Final
from urllib.parse import quote as percent
from xml.etree.ElementTree import Element, SubElement, tostring

from app.core.alert_content import incident_url, quote
from app.core.types import Event
from app.services.incident_views import IncidentView

FEED_PATH: Final = re.compile(r"/events/(?P<event_id>[^/]+)/incidents\.rss")
"""The path of a feed below the API, decoded."""

_NO_XML: Final = re.compile("[\ufffe\uffff]")
_LONGEST: Final = 1_000


def feed_key(token: str, event_id: str) -> str:
    """The key of one event's feed: made of the API's token, so a new token makes new keys; opens nothing else."""
    return hmac.new(token.encode(), f"feed {event_id}".encode(errors="replace"), hashlib.sha256).hexdigest()[:40]


def feed_path(event_id: str, token: str | None) -> str:
    """The path and query of a feed below the API."""
    path = f"/events/{percent(event_id, safe='')}/incidents.rss"
    return path if token is None else f"{path}?key={feed_key(token, event_id)}"


def rss(event: Event, incidents: Sequence[IncidentView], public_url: str, now: datetime) -> str:
    """The feed. An incident is one item, which changes in place; when it becomes more severe it is a new one.

    What comes from outside is text: a description is HTML to feed readers, so it is escaped once for them and once as
    XML; in a title, which some take for HTML too, angle brackets are replaced.
    """
    feed = Element("rss", version="2.0")
    channel = SubElement(feed, "channel")
    page = f"{public_url.rstrip('/')}/incidents?event={percent(event.id, safe='')}"
    _add(channel, "title", f"{_line(event.name)}: incidents")
    _add(channel, "link", page)
    _add(channel, "description", f"Incidents of the event {_line(event.name)}, as EventPulse noticed them.")
    _add(channel, "generator", "EventPulse")
    _add(channel, "lastBuildDate", format_datetime(now))
    _add(channel, "ttl", "1")
    for incident in incidents:
        _item(channel, incident, public_url)
    return tostring(feed, encoding="unicode", xml_declaration=True)


def _item(channel: Element, incident: IncidentView, public_url: str) -> None:
    item = SubElement(channel, "item")
    state = "open" if incident.is_open else "closed"
    title = f"{incident.severity.upper()}: incident {incident.number} ({state}). {_line(incident.headline)}"
    findings = "".join(f"<li>{escape(_text(finding.text))}</li>" for finding in incident.findings)
    _add(item, "title", title)
    _add(item, "link", incident_url(public_url, incident.event_id, incident.number))
    _add(item, "description", f"<p>{escape(_text(incident.headline))}</p><ul>{findings}</ul>")
    _add(item, "category", incident.severity)
    _add(item, "pubDate", format_datetime(incident.opened_at))
    guid = SubElement(item, "guid", isPermaLink="false")
    guid.text = f"{percent(incident.event_id, safe='')}/{incident.number}/{incident.severity}"


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _text(text: str) -> str:
    return _NO_XML.sub("", quote(text, _LONGEST))


def _line(text: str) -> str:
    return _text(text).replace("<", "‹").replace(">", "›")
