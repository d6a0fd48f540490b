"""What is marked on the time line: incidents as numbered spans, flags, gaps; and the list that repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypedDict

from app.core.annotations import Annotation, AnnotationKind
from app.dashboard import forms
from app.dashboard.markup import bare, day, go, milliseconds, safe, spoken, there, visible
from app.dashboard.view import View
from app.services.incident_views import IncidentView, SeverityName

SEVERITIES: Final[dict[SeverityName, str]] = {"watch": "calm", "high": "off", "critical": "bad"}
"""The tone of each severity."""

_KINDS: Final = (("note", "Note"), ("statement", "Our statement"), ("expected", "Expected moment"))


class Span(TypedDict):
    """An incident on the chart."""

    number: int
    start: int
    end: int


class Flag(TypedDict):
    """An annotation on the chart; with `until` it is shaded."""

    at: int
    until: int | None
    text: str


class Gap(TypedDict):
    """A stretch without data, and why."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked in a window. `edge` is where the data ends, up to which an open incident is drawn."""

    incidents: Sequence[IncidentView]
    annotations: Sequence[Annotation]
    edge: datetime

    def spans(self) -> list[Span]:
        """The incidents, the first opened first."""
        return [
            {
                "number": incident.number,
                "start": milliseconds(incident.started_at),
                "end": milliseconds(max(incident.ended_at or self.edge, incident.opened_at)),
            }
            for incident in sorted(self.incidents, key=lambda each: each.number)
        ]

    def flags(self) -> list[Flag]:
        """The annotations but for gaps."""
        return [
            {
                "at": milliseconds(note.at),
                "until": milliseconds(note.until) if note.until else None,
                "text": visible(note.text),
            }
            for note in self.annotations
            if not _is_gap(note)
        ]

    def gaps(self) -> list[Gap]:
        """The stretches in which a source was down."""
        return [
            {"start": milliseconds(note.at), "end": milliseconds(note.until), "text": visible(note.text)}
            for note in self.annotations
            if _is_gap(note) and note.until
        ]


def _is_gap(note: Annotation) -> bool:
    return note.kind is AnnotationKind.SYSTEM and note.until is not None


def chip(incident: IncidentView) -> str:
    """The severity of an incident, and whether it goes on."""
    state = "open" if incident.is_open else "closed"
    tone = SEVERITIES[incident.severity]
    return f'<span class="ep-state ep-tone-{tone}">{incident.severity}, {state}</span>'


def _incident(incident: IncidentView, view: View, now: datetime) -> str:
    chosen = view.incident == incident.number
    shown = replace(view, incident=incident.number, start=None, end=None, statement="", after="").to_query()
    link = go(shown, f'<b class="ep-number">{incident.number}</b>', current=chosen, name=f"Incident {incident.number}")
    more = there("incidents", "history and verdict", event=incident.event_id, incident=incident.number)
    return (
        f'<li data-key="i{incident.number}">{link}<span>{spoken(incident.headline, now)} {chip(incident)} {more}</span>'
        "</li>"
    )


def _note(note: Annotation) -> str:
    when = day(note.at) + (f" to {bare(note.until)}" if note.until else "")
    kinds = {AnnotationKind.EXPECTED: "expected moment", AnnotationKind.STATEMENT: "our statement"}
    kind = f" <em>{kinds[note.kind]}</em>" if note.kind in kinds else ""
    which = {"event": note.event_id, "id": note.id}
    own = note.kind is AnnotationKind.SYSTEM
    remove = "" if own else forms.button("unannotate", "Remove", which, kind="ep-quiet")
    sign = "▨" if _is_gap(note) else "⚑"
    text = f'<bdi dir="auto">{safe(note.text)}</bdi>'
    return (
        f'<li data-key="n{safe(note.id)}"><b class="ep-flag" aria-hidden="true">{sign}</b>'
        f"<span>{when}{kind}: {text}</span>{remove}</li>"
    )


def listing(marks: Marks, view: View, now: datetime) -> str:
    """The list under the chart, with the form that adds to it."""
    rows = [
        *(_incident(each, view, now) for each in sorted(marks.incidents, key=lambda each: -each.number)),
        *map(_note, marks.annotations),
    ]
    shown = f'<ul class="ep-marks" data-actions>{"".join(rows)}</ul>' if rows else ""
    return shown + _form(view)


def _form(view: View) -> str:
    fields = (
        forms.hidden(event=view.event)
        + forms.entry("text", "What happened", wide=True, required=True, maxlength=500, placeholder="Our statement")
        + forms.options("kind", "Kind", _KINDS)
        + forms.moment("at", "At", view.start, required=True)
        + forms.moment("until", "Until (may be empty)", view.end)
        + forms.entry("times", "Times the usual volume (expected only)", inputmode="decimal", placeholder="3")
        + '<button type="submit" class="ep-primary">Add</button>'
    )
    made = forms.form("annotate", fields, reset=True)
    return (
        '<details class="ep-adding" data-key="adding"><summary>Add a flag or an expected moment</summary>'
        f"{made}</details>"
    )
