"""Reports that stand up to questions: numbers with intervals, chart, evidence, method, coverage, in one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from app.core.annotations import Annotation
from app.core.incidents import Kind
from app.core.prevalence import Difference
from app.core.types import CLASSES, Count, Label
from app.services import report_chart, report_html
from app.services.annotations import Annotations
from app.services.evidence import Evidence, EvidenceCard
from app.services.exports import File
from app.services.incidents import IncidentCard, Incidents, IncidentView
from app.services.report_evidence import PHRASES, why
from app.services.report_html import ours, page, said, section, table, time
from app.services.words import capital, correction_sentence, messages_of, negative_sentence, with_interval
from app.views import Overview, Selection, Timeline

_LEAST_AROUND: Final = timedelta(hours=1)
"""A report of an incident shows its own length before and after it, and at least this."""
METHOD: Final = (
    "Messages are matched against the event's query, cleaned and de-duplicated; a copy is counted, and left out of "
    "every share.",
    "Each message is classified negative, neutral or positive by the model named here. Shares are over distinct "
    "messages that the model was trained for; the interval is 95 %.",
    "Where it says so, shares are corrected for how often the model takes one label for another, counted on texts that "
    "people labelled (adjusted counts by constrained least squares: Forman 2008, Hopkins and King 2010); the interval "
    "is a bootstrap over those texts and the messages. Shares as classified have their sampling error alone (Wilson "
    "1927).",
)
"""How the shares of every report are made."""

_METHOD: Final = (
    *METHOD,
    PHRASES,
    "An incident opens when volume or negative share are beyond what the event's own history makes likely, at the "
    "chosen number of false alarms a week.",
)


class Numbers(Protocol):
    """The counts of an event: `app.service.Service`."""

    def overview(self, event_id: str, selection: Selection) -> Overview:
        """The headline of the window."""

    def timeline(self, event_id: str, selection: Selection, step_s: int | None = None) -> Timeline:
        """Counts per step."""


class Reports:
    """Makes reports. `now` is the clock, in UTC."""

    def __init__(
        self,
        numbers: Numbers,
        incidents: Incidents,
        evidence: Evidence,
        annotations: Annotations,
        now: Callable[[], datetime],
    ) -> None:
        self._numbers = numbers
        self._incidents = incidents
        self._evidence = evidence
        self._annotations = annotations
        self._now = now

    def event(self, event_id: str, selection: Selection) -> File:
        """The report of an event in a window. Raises NotFound or InvalidInput."""
        overview = self._numbers.overview(event_id, selection)
        window = replace(selection, start=overview.start, end=overview.end)
        incidents = self._incidents.find(event_id=event_id, start=overview.start, end=overview.end).items
        card = self._evidence.card(event_id, window)
        title = f"{overview.event.name}: public reaction"
        lead = [f'<p class="lead">{ours(_headline(overview))}</p>']
        return self._made(f"{event_id}-{overview.end:%Y%m%dT%H%MZ}", title, lead, overview, window, incidents, card)

    def incident(self, event_id: str, number: int) -> File:
        """The report of one incident. Raises NotFound."""
        told = self._incidents.get(event_id, number)
        incident = told.incident
        ended = incident.ended_at or incident.updated_at
        around = max(ended - incident.started_at, _LEAST_AROUND)
        window = Selection(start=incident.started_at - around, end=ended + around)
        overview = self._numbers.overview(event_id, window)
        label = Label.NEGATIVE if incident.kind in {Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT} else None
        card = self._evidence.card(event_id, Selection(start=incident.started_at, end=ended), label=label)
        title = f"{overview.event.name}: incident {number}"
        lead = [f'<p class="lead">{ours(capital(incident.headline))}</p>', _history(told)]
        return self._made(f"{event_id}-incident-{number}", title, lead, overview, window, [incident], card)

    def _made(
        self,
        name: str,
        title: str,
        lead: Sequence[str],
        overview: Overview,
        window: Selection,
        incidents: Sequence[IncidentView],
        card: EvidenceCard,
    ) -> File:
        timeline = self._numbers.timeline(overview.event.id, window)
        notes = self._annotations.find(overview.event.id, overview.start, overview.end)
        now = self._now()
        parts = [
            f"<h1>{said(title)}</h1>",
            f'<p class="soft">{time(overview.start)} to {time(overview.end)} · made {time(now)}</p>',
            *lead,
            _shares(overview),
            _chart(overview, timeline, incidents, notes),
            _incidents(incidents, overview.event.id),
            why(card),
            _coverage(overview, timeline),
            section("Method", report_html.listed(ours(line) for line in _METHOD)),
            f'<p class="soft">Reproduced from the same data, the figures have the fingerprint '
            f"{_fingerprint(overview, timeline)}.</p>",
        ]
        return File(f"{name}.html", "text/html; charset=utf-8", page(title, parts).encode(), inline=True)


def _headline(overview: Overview) -> str:
    basis = overview.basis
    if not basis.raw:
        return "No messages in this window."
    counted = f"{messages_of(basis.raw)}, {basis.distinct:,} distinct"
    shares = overview.shares.get(Label.NEGATIVE), overview.previous_negative
    sentence = negative_sentence(*shares, overview.change)
    return f"{capital(sentence)}; {counted}."


def _shares(overview: Overview) -> str:
    corrected = overview.correction.corrected
    rows = []
    for label in Label:
        count = overview.counts.get(label, Count())
        shares = [overview.shares.get(label), *([overview.classified.get(label)] if corrected else [])]
        cells = [with_interval(found) if found else "–" for found in shares]
        rows.append([label.value.capitalize(), *cells, f"{count.raw:,}", f"{count.distinct:,}"])
    head = ["", *(["Corrected", "As classified"] if corrected else ["Share as classified"]), "Messages", "Distinct"]
    made = table("Shares of distinct scored messages, with 95 % intervals", head, rows, (len(head) - 2, len(head) - 1))
    change = _change(overview.change) if overview.change else ""
    return section("Shares", made, f'<p class="soft">{ours(correction_sentence(overview.correction))}</p>', change)


def _change(change: Difference) -> str:
    low, high = round(100 * change.low), round(100 * change.high)
    verdict = "no difference we can tell" if change.verdict == "can't tell" else change.verdict
    return f"<p>Negative share against the window before: {ours(verdict)} ({low:+d} to {high:+d} points).</p>"


def _chart(
    overview: Overview, timeline: Timeline, incidents: Sequence[IncidentView], notes: Sequence[Annotation]
) -> str:
    spans = [report_chart.Mark(each.started_at, each.ended_at, str(each.number)) for each in incidents]
    letters = [chr(ord("A") + place % 26) for place in range(len(notes))]
    flags = [report_chart.Mark(note.at, note.until, letter) for note, letter in zip(notes, letters, strict=True)]
    drawn = report_chart.chart(timeline, spans, flags)
    if not drawn:
        return ""
    legend = report_html.key({label.value.capitalize(): colour for label, colour in report_chart.COLOURS.items()})
    flagged = report_html.listed(
        f"{letter}: {time(note.at)}, {said(note.text)}" for note, letter in zip(notes, letters, strict=True)
    )
    return section(
        "Over time", f'<div class="wide">{drawn}</div>', legend, _line_note(overview), flagged, _steps(timeline)
    )


def _line_note(overview: Overview) -> str:
    """What the line of the chart is: a step has too few messages for a correction."""
    share = overview.classified.get(Label.NEGATIVE)
    if share is None:
        return ""
    words = "The line is the share as classified, step by step, with its sampling error alone"
    if overview.correction.corrected:
        words += (
            f": not corrected for the classifier's errors. It goes with the {with_interval(share)} as classified, not "
            "with the corrected share. Read from it when the share moved, not how high it is"
        )
    return f'<p class="soft">{ours(words)}.</p>'


def _steps(timeline: Timeline) -> str:
    rows = []
    for bucket in timeline.buckets:
        counts = [bucket.counts.get(label, Count()) for label in CLASSES]
        figures = [f"{count.distinct:,}" for count in counts]
        rows.append([time(bucket.start), f"{bucket.total.raw:,}", f"{bucket.total.distinct:,}", *figures])
    head = ["From", "Messages", "Distinct", "Negative", "Neutral", "Positive"]
    made = table(
        f"Steps of {timeline.step_s // 60} minutes; steps without messages are left out", head, rows, range(1, 6)
    )
    return f"<details><summary>The figures behind the chart</summary>{made}</details>"


def _incidents(incidents: Iterable[IncidentView], event_id: str) -> str:
    rows = [
        [
            str(each.number),
            each.severity,
            time(each.started_at),
            "goes on" if each.is_open else time(each.ended_at),
            said(capital(each.headline)),
            each.verdict.verdict.value.replace("_", " ") if each.verdict else "–",
        ]
        for each in incidents
        if each.event_id == event_id
    ]
    head = ["No.", "Severity", "Began", "Ended", "What", "Verdict"]
    return section("Incidents", table("Numbered as on the chart", head, rows))


def _history(told: IncidentCard) -> str:
    rows = [[time(each.at), each.change.value, each.severity, said(each.text)] for each in told.changes]
    return section("How it went", table("What was told, and when", ["At", "Change", "Severity", "What"], rows))


def _coverage(overview: Overview, timeline: Timeline) -> str:
    basis = overview.basis
    lines = [
        f"{messages_of(basis.raw)}, {basis.distinct:,} distinct; {basis.unscored:,} not scored (other languages).",
        f"Live to {time(timeline.live_to)}." if timeline.live_to else "No source says how far it has been read.",
        f"Model: {', '.join(basis.models) or 'none yet'}.",
    ]
    if basis.sources_down:
        lines.append(f"Without {', '.join(basis.sources_down)}: not connected or not answering.")
    return section("What this rests on", report_html.listed(ours(line) for line in lines))


def _fingerprint(overview: Overview, timeline: Timeline) -> str:
    counted = {str(label): [count.raw, count.distinct] for label, count in overview.counts.items()}
    steps = [[bucket.start.isoformat(), bucket.total.raw, bucket.total.distinct] for bucket in timeline.buckets]
    figures = [overview.event.id, overview.start.isoformat(), overview.end.isoformat(), counted, steps]
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()[:16]
