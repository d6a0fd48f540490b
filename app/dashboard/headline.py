"""The sentences on top of the page: never a bare percentage, and small samples say so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.core.prevalence import Difference, Share
from app.core.types import Label, SourceState, SourceStatus
from app.dashboard.markup import clock, day, duration, figure, isolated, safe, there
from app.dashboard.view import source_name
from app.services.words import SMALL_SAMPLE, messages_of, percent, points, with_interval
from app.views import Basis, Overview

LATE_S = 300.0
"""A source this many seconds behind is named."""

READING = frozenset({SourceState.CONNECTING, SourceState.LIVE, SourceState.WAITING})
"""The states in which something more may come."""
_INTERVAL = re.compile(r"[0-9]+ % \([0-9]+-[0-9]+\)")  # stays on one line
_WORDS = {Label.NEGATIVE: "Negative", Label.NEUTRAL: "Neutral", Label.POSITIVE: "Positive"}


def change_sentence(now: Share, before: Share | None, change: Difference | None) -> str:
    """How the share compares with the window before, with a verdict."""
    if before is None or change is None:
        return "nothing before to compare with"
    was = percent(before.value)
    if change.verdict == "can't tell":
        return f"{was} before: no difference we can tell (n = {figure(min(now.n, before.n))})"
    direction = "up" if change.verdict == "higher" else "down"
    return f"{direction} from {was}: {change.verdict}, by {points(change.low, change.high)}"


def count_sentence(basis: Basis) -> str:
    """What the share rests on."""
    parts = [messages_of(basis.raw), f"{figure(basis.distinct)} distinct"]
    if basis.unscored:
        parts.append(f"{figure(basis.unscored)} not scored (other languages)")
    return ", ".join(parts)


def sentence(overview: Overview, *, compare: bool = True) -> str:
    """The whole headline in one sentence. `compare` is off where there is no window before."""
    basis = overview.basis
    now = overview.shares.get(Label.NEGATIVE)
    if basis.raw == 0:
        return "No messages in this window."
    if now is None:
        return f"No share yet: {count_sentence(basis)}."
    change = f", {change_sentence(now, overview.previous_negative, overview.change)}" if compare else ""
    small = f"; a small sample, {figure(now.n)} scored" if now.n < SMALL_SAMPLE else ""
    return f"Negative share {with_interval(now)}{change}{small}; {count_sentence(basis)}."


def _mix(overview: Overview) -> str:
    parts = []
    for label, word in _WORDS.items():
        share = overview.shares.get(label)
        if share is not None:
            text = f"{word} {with_interval(share)}".replace(" %", "\u00a0%")
            parts.append(f'<li><i class="ep-dot ep-{label}" aria-hidden="true"></i>{text}</li>')
    return f'<ul class="ep-mix" aria-label="Shares of scored messages">{"".join(parts)}</ul>' if parts else ""


def _making(overview: Overview) -> str:
    """How the shares were made, one click away; said at once where they were not corrected."""
    correction = overview.correction
    if not overview.shares:
        return ""
    if not correction.corrected:
        reason = f" ({isolated(correction.reason)})" if correction.reason else ""
        return f'<p class="ep-basis ep-down"><span>Not corrected for the classifier\'s errors{reason}</span></p>'
    rows = "".join(
        f'<tr><th scope="row">{word}</th><td>{with_interval(overview.shares[label])}</td>'
        f"<td>{with_interval(overview.classified[label])}</td></tr>"
        for label, word in _WORDS.items()
    ).replace(" %", "\u00a0%")
    if correction.labelled:
        own = f" and on {messages_of(correction.labelled)} of this event that people judged"
        more = ""
    else:
        own = ""
        link = there("feedback", "Judge a hundred messages", event=overview.event.id)
        more = f" Nobody has judged messages of this event yet. {link} that are drawn by lot, and they get narrower."
    sets = f"{figure(len(correction.evaluation_sets))} labelled sets ({figure(correction.evaluated)} texts)"
    return (
        '<details class="ep-table" data-key="making"><summary>Corrected for the classifier\'s errors</summary>'
        '<div class="ep-scroll"><table><thead><tr><td></td><th scope="col">Corrected</th>'
        f'<th scope="col">As classified</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"<p>{count_sentence(overview.basis)}. The classifier's errors were measured on {sets}{own}. On other material "
        f"it errs differently, so the intervals are wide; those on the right are the sampling error alone.{more}</p>"
        "</details>"
    )


def _late(sources: Iterable[SourceStatus]) -> list[str]:
    return [
        f'<span class="ep-late">{isolated(source_name(source.source))} {duration(source.lag_s)} behind</span>'
        for source in sources
        if source.state in READING and source.lag_s is not None and source.lag_s > LATE_S
    ]


def _basis(overview: Overview, sources: Iterable[SourceStatus], more: str) -> str:
    basis = overview.basis
    parts = [f"{day(overview.start)} to {day(overview.end)}"]
    if basis.models:
        parts.append("model " + ", ".join(isolated(model) for model in basis.models))
    parts.append(f"live to {clock(basis.live_to)}" if basis.live_to else "not live yet")
    parts += _late(sources)
    if basis.sources_down:
        down = ", ".join(isolated(source_name(source)) for source in basis.sources_down)
        parts.append(f'<span class="ep-down">without {down}</span>')
    if more:
        parts.append(more)
    return '<p class="ep-basis">' + " · ".join(f"<span>{part}</span>" for part in parts) + "</p>"


def headline(overview: Overview, sources: Iterable[SourceStatus] = (), *, compare: bool = True, more: str = "") -> str:
    """The top of the page as HTML: the sentence, large in its first part, the other shares and what it rests on.

    `more` is HTML for the end of the line that says what it rests on.
    """
    text = sentence(overview, compare=compare)
    lead, comma, rest = text.partition(", ") if overview.shares else (text, "", "")
    lead, rest = safe(lead), safe(rest)
    if "; " in lead:
        lead, _, tail = lead.partition("; ")
        comma, rest = "; ", f"{tail}{comma}{rest}"
    lead = _INTERVAL.sub(r'<span class="ep-whole">\g<0></span>', lead)
    said = f'<strong>{lead}</strong><span class="ep-comma">{comma}</span><span class="ep-rest">{rest}</span>'.replace(
        " %", "\u00a0%"
    )
    parts = (_mix(overview), _making(overview), _basis(overview, sources, more))
    return f'<section class="ep-headline"><h1>{said}</h1>{"".join(parts)}</section>'


def empty(title: str, text: str) -> str:
    """The headline where there is nothing to say a share of. `text` is HTML."""
    return f'<section class="ep-headline ep-empty"><h1><strong>{safe(title)}</strong></h1><p>{text}</p></section>'
