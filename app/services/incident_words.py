"""Incidents in plain words. What is quoted of a source's name is foreign text: who draws it as HTML escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from app.adapters.incident_records import StoredChange
from app.core.incidents import Change, Incident, Kind, Severity, Signal
from app.core.types import Count
from app.services.incident_views import SeverityName
from app.services.words import at, capital, messages_of, percent, stretch

KINDS: Final = {
    Kind.NEGATIVE_SHARE: "negative share",
    Kind.NEGATIVE_COUNT: "negative messages",
    Kind.VOLUME: "volume",
    Kind.SWITCHED_ON: "a source was switched on",
}
"""The kinds in words."""


_SEVERITIES: Final[dict[Severity, SeverityName]] = {
    Severity.WATCH: "watch",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}


def severity_name(severity: Severity) -> SeverityName:
    """A severity in words."""
    return _SEVERITIES[severity]


def kinds(found: Sequence[Kind]) -> str:
    """Several kinds: "negative share, volume"."""
    return ", ".join(KINDS[kind] for kind in found)


def headline(incident: Incident, total: Count, share: str, now: datetime) -> str:
    """The whole of an incident in a sentence. `share` says what became of the negative share."""
    when = stretch(incident.started_at, incident.ended_at, now)
    counted = f"{messages_of(total.raw)} {when}, {total.distinct:,} distinct"
    strongest = next((signal for signal in incident.evidence if signal.kind is incident.kind), None)
    if incident.kind is Kind.SWITCHED_ON:
        who = f"source {strongest.source}" if strongest else "a source"
        began = at(incident.started_at, now)
        return capital(f"{who} was switched on at {began}: {counted}. This is collection, not public reaction.")
    if incident.kind is Kind.NEGATIVE_SHARE or strongest is None:
        return capital(f"{share}; {counted}.")
    return capital(f"{_counts(strongest, now)}; {counted}; {share}.")


def _counts(signal: Signal, now: datetime) -> str:
    what = "negative messages" if signal.kind is Kind.NEGATIVE_COUNT else "messages"
    when = f"from {at(signal.since, now)} on"
    return f"{signal.observed:,.0f} {what} {when}, where about {signal.expected:,.0f} are usual"


def finding(signal: Signal, now: datetime) -> str:
    """What one test saw, in a sentence."""
    match signal.kind:
        case Kind.NEGATIVE_SHARE:
            shares = f"{percent(signal.observed)} counted as negative from {at(signal.since, now)} on"
            return f"{signal.source}: {shares}, where {percent(signal.expected)} is usual"
        case Kind.SWITCHED_ON:
            return f"{signal.source} began to deliver at {at(signal.since, now)}: {messages_of(round(signal.observed))}"
    return f"{signal.source}: {_counts(signal, now)}"


def change(told: StoredChange, before: StoredChange | None, now: datetime) -> str:
    """One change in a sentence, next to the one before it."""
    incident = told.incident
    name = severity_name(incident.severity)
    match told.change:
        case Change.OPENED:
            return f"opened as {name}: {kinds(incident.kinds)}"
        case Change.RAISED:
            was = f" from {severity_name(before.incident.severity)}" if before else ""
            return f"raised{was} to {name}"
        case Change.CLOSED:
            return f"closed: calm since {at(incident.ended_at or told.at, now)}"
    if before is not None and not before.incident.is_open:
        return "went on after it had closed"
    joined = [kind for kind in incident.kinds if before is not None and kind not in before.incident.kinds]
    if joined:
        return f"{kinds(joined)} joined"
    return f"grew to {incident.size:,.0f} messages above the usual"
