"""How the sources are doing, in plain words, with the next step to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.adapters.records import DeadLetterPage
from app.core.types import DeadLetter, Event, SourceState, SourceStatus
from app.dashboard import tables
from app.dashboard.headline import LATE_S, READING
from app.dashboard.markup import day, duration, figure, go, isolated, safe
from app.dashboard.view import View, source_name
from app.views import Statuses

_X_KEY = "EVENTPULSE_X_BEARER_TOKEN"
NONE: Final = "–"
_LONGEST = 2_000
_CONNECT: Final = (
    (
        "X: live stream and recent search",
        "EVENTPULSE_X_BEARER_TOKEN",
        "Reads are billed by X; the read budget of an event bounds them.",
    ),
    ("NewsAPI", "EVENTPULSE_NEWSAPI_KEY", "Its free plan delivers articles a day late."),
    ("A recording", "EVENTPULSE_REPLAY_PATH", "A Parquet, JSONL or CSV file, replayed as if it came now."),
)
_STAGES: Final = {
    "fetch": "could not be fetched",
    "parse": "could not be read",
    "clean": "could not be cleaned",
    "classify": "could not be classified",
    "store": "could not be stored",
}
_KEYS = {"x_stream": _X_KEY, "x_search": _X_KEY, "newsapi": "EVENTPULSE_NEWSAPI_KEY"}
_WORDS = {
    SourceState.CONNECTING: "Connecting",
    SourceState.LIVE: "Live",
    SourceState.WAITING: "Waiting",
    SourceState.NOT_CONNECTED: "Not connected",
    SourceState.UNAUTHORIZED: "Key refused",
    SourceState.BUDGET_USED: "Read budget used up",
    SourceState.FINISHED: "Finished",
    SourceState.ERROR: "Failing",
}
_TONES = {
    SourceState.LIVE: "good",
    SourceState.FINISHED: "good",
    SourceState.CONNECTING: "calm",
    SourceState.WAITING: "calm",
    SourceState.NOT_CONNECTED: "off",
}


def next_step(status: SourceStatus) -> str:
    """What to do about a source, or an empty text where nothing is to be done."""
    key = _KEYS.get(status.source)
    steps = {
        SourceState.NOT_CONNECTED: f"Set {key} in the environment or in .env, then restart."
        if key
        else "Configure it, then restart.",
        SourceState.UNAUTHORIZED: f"Check {key}: it may have expired or lack access." if key else "Check its key.",
        SourceState.BUDGET_USED: "Raise the read budget: change the event on the page Overview.",
        SourceState.ERROR: "It tries again by itself; if this stays, look into the log of the live pipeline.",
        SourceState.WAITING: "It goes on by itself.",
    }
    dead = "Look at the dead letters: records that could not be used, with the reason." if status.dead_letters else ""
    return steps.get(status.state, dead)


def billed(status: SourceStatus, event: Event) -> str:
    """The reads that cost, of the budget."""
    if event.read_budget is None:
        return f"{figure(status.billed_reads)} (default budget)" if status.billed_reads else "0"
    return f"{figure(status.billed_reads)} of {figure(event.read_budget)}"


def table(statuses: Statuses, event: Event, rates: Mapping[str, float] | None = None) -> str:
    """The table of sources as HTML. `rates` are records an hour by source, where they are known."""
    head = (
        "Source",
        "State",
        "Live to",
        "Lag",
        "Reads an hour",
        "Reads",
        "Billed",
        "Errors",
        "Dead letters",
        "What to do",
    )
    rows = [_row(status, event, (rates or {}).get(status.source)) for status in statuses.sources]
    made = tables.table(f"Sources of {event.name}", head, rows)
    return made or '<p class="ep-none">No source has reported yet. The live pipeline reports within a few seconds.</p>'


def _row(status: SourceStatus, event: Event, rate: float | None) -> tuple[str, ...]:
    tone = _TONES.get(status.state, "bad")
    detail = isolated(status.detail.rstrip(". ")) + ". " if status.detail.strip(". ") else ""
    lag = f"{duration(status.lag_s)} behind" if status.lag_s is not None else NONE
    late = status.state in READING and status.lag_s is not None and status.lag_s > LATE_S
    return (
        isolated(source_name(status.source)),
        f'<span class="ep-state ep-tone-{tone}">{_WORDS[status.state]}</span>',
        day(status.live_to) if status.live_to else NONE,
        f'<span class="ep-late">{lag}</span>' if late else lag,
        NONE if rate is None else f"{rate:,.0f}",
        figure(status.reads),
        billed(status, event),
        figure(status.errors),
        figure(status.dead_letters),
        f'<span class="ep-step">{detail}{safe(next_step(status))}</span>' if detail or next_step(status) else NONE,
    )


def dead_letters(page: DeadLetterPage, view: View) -> str:
    """What could not be used, the latest first, with the reason; the record itself is text and nothing else."""
    title = "<h3>Records that could not be used</h3>"
    if not page.items:
        return f'{title}<p class="ep-none">None.</p>'
    rows = "".join(map(_letter, page.items))
    older = ""
    if page.next:
        older = go(replace(view, after=page.next).to_query(), "Older", kind="ep-button")
    newest = go(replace(view, after="").to_query(), "Newest", kind="ep-button") if view.after else ""
    paging = f'<div class="ep-paging">{newest}<span></span>{older}</div>' if newest or older else ""
    return f'{title}<ol class="ep-plainlist">{rows}</ol>{paging}'


def _letter(letter: DeadLetter) -> str:
    payload = letter.payload[:_LONGEST]
    more = len(letter.payload) - len(payload)
    cut = f'<p class="ep-note">… {figure(more)} more characters</p>' if more else ""
    when = f"{day(letter.at)}, " if letter.at else ""
    stage = _STAGES.get(letter.stage) or isolated(letter.stage)
    return (
        f"<li><b>{isolated(source_name(letter.source))}</b>, {when}{stage}: "
        f"{isolated(letter.reason)}<details><summary>The record</summary>"
        f'<pre dir="auto">{safe(payload)}</pre>{cut}</details></li>'
    )


def connecting() -> str:
    """How a source that is not connected gets connected."""
    keys = "".join(
        f"<dt>{safe(names)}</dt><dd>Set <code>{key}</code> in the environment or in <code>.env</code>, then restart. "
        f"{safe(more)}</dd>"
        for names, key, more in _CONNECT
    )
    return f'<h2>How to connect a source</h2><dl class="ep-howto">{keys}</dl>'
