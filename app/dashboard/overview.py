"""All events at a glance: is anything wrong now? A row for each, those of most concern first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.core.types import SourceState
from app.dashboard.headline import LATE_S, empty, sentence
from app.dashboard.marks import SEVERITIES
from app.dashboard.markup import clock, day, duration, figure, isolated, notice, safe, spoken, there
from app.dashboard.spark import spark
from app.dashboard.view import source_name
from app.services.incident_views import EventState, StateName
from app.views import Overview, Statuses, Timeline

_RANK: Final = {StateName.INCIDENT: 0, StateName.WATCH: 1, StateName.NO_DATA: 2, StateName.CALM: 3}
_NAMED: Final = {
    StateName.INCIDENT: ("with an incident", "have an incident"),
    StateName.WATCH: ("to watch", "are to be watched"),
    StateName.NO_DATA: ("without data", "are without data"),
    StateName.CALM: ("calm", "are calm"),
}
_SEVERITY: Final = {"critical": 0, "high": 1, "watch": 2}
_READING = frozenset({SourceState.CONNECTING, SourceState.LIVE, SourceState.WAITING, SourceState.FINISHED})
_NEEDS = {
    SourceState.UNAUTHORIZED: "its key is refused",
    SourceState.BUDGET_USED: "its read budget is used up",
    SourceState.ERROR: "it fails",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of an event, over the last 24 hours."""

    overview: Overview
    timeline: Timeline
    statuses: Statuses
    state: EventState


def concern(row: Row) -> tuple[int, int, int, str]:
    """What comes first when rows are sorted by it: incidents by severity, then what may become one, then no data."""
    incident = row.state.incident
    severity = _SEVERITY[incident.severity] if incident else len(_SEVERITY)
    return _RANK[row.state.state], severity, -row.overview.basis.raw, row.overview.event.name


def listing(rows: Sequence[Row], now: datetime) -> str:
    """The rows as HTML."""
    if not rows:
        return empty("Nothing is watched yet.", "Add an event below: give it a name and say what to look for.")
    return f'{_lead(rows)}<ol class="ep-events">{"".join(_row(row, now) for row in sorted(rows, key=concern))}</ol>'


def _lead(rows: Sequence[Row]) -> str:
    """How many events are how, the worst first; a single one says it itself."""
    if len(rows) < 2:
        return ""
    counts = Counter(row.state.state for row in rows)
    found = [(state, number) for state in _NAMED if (number := counts[state])]
    if len(found) == 1:
        return _heading(f"<strong>All {figure(len(rows))} events {_NAMED[found[0][0]][1]}.</strong>")
    worst, *others = [f"{figure(number)} {_NAMED[state][0]}" for state, number in found]
    return _heading(f"<strong>{worst}</strong> of {figure(len(rows))} events; {', '.join(others)}.")


def _heading(said: str) -> str:
    return f'<section class="ep-headline"><h1>{said}</h1></section>'


def banner(rows: Sequence[Row], now: datetime) -> str:
    """What needs a person: serious incidents that nobody has judged, and sources that only a person can mend."""
    needs = []
    for row in sorted(rows, key=concern):
        event, incident = row.overview.event, row.state.incident
        if incident and row.state.state is StateName.INCIDENT and incident.verdict is None:
            link = there("incidents", f"incident {incident.number}", event=event.id, incident=incident.number)
            needs.append(f"{isolated(event.name)}: {link}, {incident.severity}, has no verdict yet")
        needs += [
            f"{isolated(event.name)}: {there('sources', isolated(source_name(status.source)), event=event.id)}, "
            f"{_NEEDS[status.state]}"
            for status in row.statuses.sources
            if status.state in _NEEDS
        ]
    if not needs:
        return ""
    return notice("error", "Needs a person.", "; ".join(needs) + ".")


def _row(row: Row, now: datetime) -> str:
    event = row.overview.event
    incident = row.state.incident
    shown = {"event": event.id} | ({"incident": incident.number} if incident else {})
    if incident:
        said = spoken(incident.headline, now)
    elif row.overview.basis.raw:
        said = safe(sentence(row.overview)).replace(" %", "\u00a0%")
    else:
        said = "No messages in the last 24 hours."
    return (
        f'<li class="ep-event ep-is-{row.state.state.name.lower()}" data-key="{safe(event.id)}">'
        f'<div class="ep-event-said"><h2>{there("event", isolated(event.name), **shown)}</h2>{state_chip(row.state)}'
        f"<p>{said}</p></div>{spark(row.timeline)}"
        f'<p class="ep-basis">{_coverage(row, now)}</p></li>'
    )


def state_chip(state: EventState) -> str:
    """The state in a word, with what it may not keep back."""
    if state.state is StateName.CALM:
        return '<span class="ep-state ep-tone-good">calm</span>'
    if state.state is StateName.NO_DATA:
        since = f" since {day(state.live_to)}" if state.live_to else " yet"
        return f'<span class="ep-state ep-tone-nodata">no data{since}</span>'
    number = state.incident.number if state.incident else ""
    tone = SEVERITIES[state.incident.severity] if state.incident else "calm"
    word = f"watch, incident {number}" if state.state is StateName.WATCH else f"incident {number}"
    return f'<span class="ep-state ep-tone-{tone}">{word}</span>'


def _coverage(row: Row, now: datetime) -> str:
    statuses = row.statuses.sources
    parts = []
    if row.state.state is StateName.NO_DATA:
        parts.append(f'<span class="ep-down">{spoken(row.state.text, now)}</span>')
    working = [status for status in statuses if status.state in _READING]
    parts.append(f"{len(working)} of {len(statuses)} sources read" if statuses else "no source has reported yet")
    parts += [
        f'<span class="ep-late">{isolated(source_name(status.source))} {duration(status.lag_s)} behind</span>'
        for status in working
        if status.state is not SourceState.FINISHED and status.lag_s is not None and status.lag_s > LATE_S
    ]
    edge = row.overview.basis.live_to
    parts.append(f"live to {clock(edge) if now.date() == edge.date() else day(edge)}" if edge else "not live yet")
    return " · ".join(f"<span>{part}</span>" for part in parts)
