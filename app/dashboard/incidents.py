"""Incidents as HTML: the list, one incident with its history, and the verdicts on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from app.dashboard.downloads import REPORT
from app.dashboard.forms import attributes, button, entry, form, hidden
from app.dashboard.marks import chip
from app.dashboard.markup import clock, day, duration, figure, go, isolated, safe, spoken
from app.dashboard.view import View, source_name
from app.services.incident_views import Finding, GivenVerdict, IncidentCard, IncidentView, Offer
from app.services.incidents import Verdict

VERDICTS: Final = {
    Verdict.REAL: "Real",
    Verdict.FALSE_ALARM: "False alarm",
    Verdict.EXPECTED: "Expected",
}


def listing(found: Sequence[IncidentView], changes: Mapping[tuple[str, int], str], view: View, now: datetime) -> str:
    """The list; `changes` says what changed last, by event and number."""
    if not found:
        return '<p class="ep-none">No incident fits. Nothing stood out, or it is filtered away above.</p>'
    rows = "".join(_row(each, changes[each.event_id, each.number], view, now) for each in found)
    return f'<ol class="ep-incidents">{rows}</ol>'


def _row(incident: IncidentView, change: str, view: View, now: datetime) -> str:
    chosen = (view.event, view.incident) == (incident.event_id, incident.number)
    shown = replace(view, event=incident.event_id, incident=incident.number).to_query()
    name = f"Incident {incident.number} of {incident.event_name}"
    link = go(shown, f'<b class="ep-number">{incident.number}</b>', current=chosen, name=name, to="#ep-detail")
    marked: dict[str, object] = {"data_key": f"{incident.event_id}/{incident.number}", "data_actions": True}
    if chosen:
        marked["class"] = "ep-chosen"
    about = [isolated(incident.event_name), f"opened {day(incident.opened_at)}", spoken(change, now)]
    if incident.in_history:
        about.append("found in older messages")
    return (
        f"<li{attributes(marked)}>"
        f"{link}<div><p>{spoken(incident.headline, now)} {chip(incident)}</p>"
        f'<p class="ep-basis">{" · ".join(f"<span>{part}</span>" for part in about)}</p>'
        f"{_verdicts(incident)}<div data-answer></div></div></li>"
    )


def _verdicts(incident: IncidentView) -> str:
    which = {"event": incident.event_id, "number": incident.number}
    given = incident.verdict
    if given is not None:
        undo = button("withdraw", "Undo", which, kind="ep-quiet")
        return f'<p class="ep-choices"><span>{_said(given)}</span> {undo}</p>'
    buttons = "".join(
        button("verdict", words, {**which, "verdict": verdict.value}) for verdict, words in VERDICTS.items()
    )
    return f'<div class="ep-choices" role="group" aria-label="Your verdict">{buttons}</div>'


def _said(given: GivenVerdict) -> str:
    note = f": “{isolated(given.note)}”" if given.note else ""
    return f"<b>{VERDICTS[given.verdict]}</b>, said {day(given.at)}{note}"


def detail(card: IncidentCard, now: datetime) -> str:
    """One incident: the sentence, the verdict, what was tested, and its history."""
    incident = card.incident
    which = {"event": incident.event_id, "incident": incident.number}
    chart = _leading("event", "On the chart", {**which, "window": "around"})
    report = _leading(REPORT, "Report to print", which)
    findings = "".join(f"<li>{_finding(each, now)}</li>" for each in incident.findings)
    return (
        f'<div class="ep-detail" data-key="{safe(incident.event_id)}/{incident.number}">'
        f"<h2>Incident {incident.number}, {isolated(incident.event_name)} {chip(incident)}</h2>"
        f'<p class="ep-lead">{spoken(incident.headline, now)}</p>'
        f'<p class="ep-basis">{" · ".join(f"<span>{part}</span>" for part in _times(incident))}</p>'
        f'<p class="ep-choices">{chart}{report}</p>{_verdict_form(incident)}{_offer(card)}'
        f"<h3>What stood out</h3><ul class='ep-plainlist'>{findings}</ul>"
        f"{_history(card, now)}</div>"
    )


def _leading(page: str, words: str, parameters: Mapping[str, object]) -> str:
    """A link to another page that looks like a button."""
    return f'<a class="ep-button" href="{page}?{safe(urlencode(parameters))}">{words}</a>'


def _finding(found: Finding, now: datetime) -> str:
    """What was tested, with its source as people call it."""
    own = f"{found.source}: "
    if not found.text.startswith(own):
        return spoken(found.text, now)
    return f"{isolated(source_name(found.source))}: {spoken(found.text.removeprefix(own), now)}"


def _times(incident: IncidentView) -> list[str]:
    noticed = (incident.opened_at - incident.started_at).total_seconds()
    times = [f"began {day(incident.started_at)}", f"noticed {duration(noticed)} later"]
    times.append(
        f"closed {day(incident.ended_at)}" if incident.ended_at else f"last looked at {clock(incident.updated_at)}"
    )
    if incident.reopened:
        times.append(f"went on {figure(incident.reopened)} times after it had closed")
    return times


def _verdict_form(incident: IncidentView) -> str:
    which = {"event": incident.event_id, "number": incident.number}
    given = incident.verdict
    pressed = given.verdict if given else None
    buttons = "".join(
        f"<button{attributes(_submit(verdict) | {'aria_pressed': str(verdict is pressed).lower()})}>{words}</button>"
        for verdict, words in VERDICTS.items()
    )
    undo = button("withdraw", "Undo", which, kind="ep-quiet") if given else ""
    note = entry(
        "note",
        "Note (may be empty)",
        wide=True,
        maxlength=500,
        value=given.note if given else "",
        placeholder="What was it?",
    )
    group = f'<div class="ep-choices" role="group" aria-label="Your verdict">{buttons}{undo}</div>'
    said = "A false alarm makes the tests of this event stricter; an expected one can be foreseen the next time."
    standing = f"{_said(given)}. " if given else ""
    return form("verdict", hidden(**which) + note + group) + f'<p class="ep-note">{standing}{said}</p>'


def _submit(verdict: Verdict) -> dict[str, object]:
    return {"type": "submit", "name": "verdict", "value": verdict.value}


def _offer(card: IncidentCard) -> str:
    offer = card.offer
    if offer is None:
        return ""
    return (
        '<div class="ep-notice ep-stale" data-actions><span>Expect the like at that time: '
        f"{day(offer.at)} to {day(offer.until)}, {offer.times:.0f} times the usual volume?</span>"
        f"{button('annotate', 'Add the expected moment', _offered(card.incident, offer))}<div data-answer></div></div>"
    )


def _offered(incident: IncidentView, offer: Offer) -> dict[str, str]:
    return {
        "event": incident.event_id,
        "at": offer.at.isoformat(),
        "until": offer.until.isoformat(),
        "kind": "expected",
        "text": offer.text,
        "times": f"{offer.times:g}",
    }


def _history(card: IncidentCard, now: datetime) -> str:
    told = [
        (each.told_at, f"{spoken(each.text, now)} <span class='ep-sure'>(in the messages at {clock(each.at)})</span>")
        for each in card.changes
    ]
    judged = [
        (each.at, f"verdict: {VERDICTS[each.verdict]}" if each.verdict else "verdict withdrawn")
        for each in card.verdicts
    ]
    rows = "".join(f"<li>{day(at)} — {said}</li>" for at, said in sorted(told + judged, reverse=True))
    return f'<h3>History</h3><ol class="ep-plainlist">{rows}</ol>'
