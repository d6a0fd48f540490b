"""How the sources are doing, in plain words, with the next step to take."""

from __future__ import annotations

from app.core.types import Event, SourceState, SourceStatus
from app.dashboard.markup import clock, duration, figure, isolated, safe
from app.dashboard.view import source_name
from app.views import Statuses

_X_KEY = "EVENTPULSE_X_BEARER_TOKEN"
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
        SourceState.BUDGET_USED: "Raise the read budget under “Add or edit an event”.",
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


def _row(status: SourceStatus, event: Event) -> str:
    lag = f"{duration(status.lag_s)} behind" if status.lag_s is not None else "–"
    cells = (
        ("Live to", clock(status.live_to) if status.live_to else "–"),
        ("Lag", lag),
        ("Reads", figure(status.reads)),
        ("Billed reads", billed(status, event)),
        ("Errors", figure(status.errors)),
        ("Dead letters", figure(status.dead_letters)),
    )
    tone = _TONES.get(status.state, "bad")
    state = f'<span class="ep-state ep-tone-{tone}">{_WORDS[status.state]}</span>'
    said = ". ".join(part for part in (safe(status.detail), safe(next_step(status))) if part)
    numbers = "".join(f'<td role="cell" data-name="{name}">{value}</td>' for name, value in cells)
    return (
        f'<tr role="row"><th role="rowheader" scope="row">{isolated(source_name(status.source))}</th>'
        f'<td role="cell" class="ep-how">{state}</td>{numbers}'
        f'<td role="cell" class="ep-step">{said}</td></tr>'
    )


def table(statuses: Statuses, event: Event) -> str:
    """The table of sources as HTML."""
    if not statuses.sources:
        return '<p class="ep-none">No source has reported yet. The live pipeline reports within a few seconds.</p>'
    names = ("Source", "State", "Live to", "Lag", "Reads", "Billed reads", "Errors", "Dead letters", "What to do")
    head = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in names)
    rows = "".join(_row(status, event) for status in statuses.sources)
    return (
        '<table class="ep-sources" role="table"><caption class="ep-hidden">Sources of this event</caption>'
        f'<thead><tr role="row">{head}</tr></thead><tbody>{rows}</tbody></table>'
    )
