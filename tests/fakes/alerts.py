"""Channels, incidents and their changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.core.alert_content import Entry, Evidence, Exemplar, Phrase, Step
from app.core.alerts import Channel, ChannelKind
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from app.core.prevalence import Share
from tests.fakes.clock import START
from tests.fakes.hostile import PAYLOADS

SECRET = "a secret of some length"


def channel(id_: str = "a", **fields: Any) -> Channel:
    """A webhook for everything; `fields` are those of Channel."""
    values: dict[str, Any] = {
        "name": f"Channel {id_}",
        "kind": ChannelKind.WEBHOOK,
        "target": "https://hooks.example.org/alerts?key=hidden",
        "secret": SECRET,
        "event_id": None,
        "least_severity": Severity.WATCH,
        "digest_minutes": 0,
        "enabled": True,
        "created_at": START,
    }
    return Channel(id_, **(values | fields))


def incident(
    number: int = 1, revision: int = 1, *, severity: Severity = Severity.WATCH, ended_at: datetime | None = None
) -> Incident:
    """More of the messages are negative than usual."""
    signal = Signal(
        kind=Kind.NEGATIVE_SHARE,
        source="x",
        since=START - timedelta(minutes=20),
        observed=0.41,
        expected=0.22,
        size=60.0,
        surprise=7.5,
        threshold=4.0,
    )
    return Incident(
        number=number,
        kinds=(Kind.NEGATIVE_SHARE,),
        severity=severity,
        started_at=START - timedelta(minutes=20),
        opened_at=START - timedelta(minutes=5),
        updated_at=START,
        ended_at=ended_at,
        revision=revision,
        size=60.0,
        reopened=0,
        evidence=(signal,),
    )


def change(
    number: int = 1,
    revision: int = 1,
    kind: Change = Change.OPENED,
    *,
    severity: Severity = Severity.WATCH,
    at: datetime = START,
) -> Update:
    """A change of `incident`."""
    ended_at = at if kind is Change.CLOSED else None
    return Update(kind, at, incident(number, revision, severity=severity, ended_at=ended_at))


HOSTILE_TEXT = (
    *PAYLOADS,
    "<!channel> <!here> <@U123> <#C123> @channel @everyone @all",
    "<https://evil.example|Open incident>",
    "[Open](https://evil.example) *bold* _it_ ~no~ `code`",
    "line\r\nBcc: victim@example.org\r\n\r\nbody",
    "x\nContent-Type: text/html\n\n<script>alert(1)</script>",
    "\ufffe\uffff\x00\x07\x1b[31mred\x1b[0m",
    "]]><![CDATA[<script>alert(1)</script>",
)
"""What runs in a page, and what besides means something to Slack, to a mail server, or in XML."""


def entry(number: int = 1, *, text: str = "the screen flickers", **fields: Any) -> Entry:
    """An incident in a message, with `text` in every place that outside text gets to."""
    values: dict[str, Any] = {
        "event_id": "launch",
        "event_name": f"Launch {text}" if text else "Launch",
        "number": number,
        "severity": Severity.HIGH,
        "kinds": (Kind.NEGATIVE_SHARE,),
        "source": "x",
        "is_open": True,
        "started_at": START - timedelta(minutes=20),
        "opened_at": START - timedelta(minutes=5),
        "ended_at": None,
        "steps": (Step(1, Change.OPENED, START, "opened as high: negative share"),),
        "headline": "Negative share 41 % (36-47), up from 22 %; 812 messages since 11:40 UTC, 640 distinct.",
        "findings": (f"{text}: 41 % negative from 11:40 UTC on, where 22 % is usual",),
        "raw": 812,
        "distinct": 640,
        "negative": Share(0.41, 0.36, 0.47, 600),
        "negative_before": Share(0.22, 0.18, 0.27, 400),
        "url": f"http://127.0.0.1:8000/incidents?event=launch&incident={number}",
        "evidence": Evidence(
            (Phrase(text, 31, 4.2),), (Exemplar("x:1", text, text, START, "https://x.com/i/1", 12),), "A sample."
        ),
    }
    return Entry(**(values | fields))
