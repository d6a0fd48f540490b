"""The controls of the Compare page: what is compared, as parts of the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.adapters.records import UNRESOLVED, Facets
from app.core.annotations import Annotation
from app.core.types import Event
from app.dashboard.compare_view import HOURS, CompareView, Side
from app.dashboard.controls import choice
from app.dashboard.forms import attributes, options
from app.dashboard.markup import go, safe
from app.dashboard.view import WINDOWS, source_name, written
from app.services.comparison import MOST_SIDES

_ALIGN = (("From the start of each", "start"), ("By the clock", "clock"))


def side_controls(
    view: CompareView,
    events: Sequence[Event],
    facets: Mapping[str, Facets],
    wanted: Sequence[tuple[str, CompareView]],
) -> str:
    """The sides, what adds one, and some comparisons that are often wanted."""
    links = [go(each.to_query(), safe(words), kind="ep-button") for words, each in wanted]
    rows = "".join(_side(number, view, events, facets) for number in range(1, len(view.sides) + 1))
    more = ""
    if len(view.sides) < MOST_SIDES:
        more = go(replace(view, sides=(*view.sides, Side(view.event))).to_query(), "Add a side", kind="ep-button")
    align = choice("align", "Time on the chart", _ALIGN, view.align, default="start")
    return (
        f'<nav class="ep-modes" aria-label="Often compared">{"".join(links)}</nav>'
        f'<details class="ep-drawer"><summary>{len(view.sides)} sides</summary><ol class="ep-sides">{rows}</ol>'
        f'<div class="ep-fields">{more}{align}</div></details>'
    )


def _side(number: int, view: CompareView, events: Sequence[Event], facets: Mapping[str, Facets]) -> str:
    side = view.sides[number - 1]
    known = facets[side.event]
    windows = [(key, words) for key, (words, hours) in WINDOWS.items() if hours]
    if side.start:
        windows.insert(0, ("", "From and to"))
    sources = [("", "All sources"), *((each, source_name(each)) for each in _with(side.source, known.sources))]
    places = [each for each in _with(side.country, known.countries) if each != UNRESOLVED]
    fields = (
        options("event", "Event", [(event.id, event.name) for event in events], side.event)
        + options("window", "Window", windows, "" if side.start else side.window)
        + options("source", "Source", sources, side.source)
        + options("country", "Country", [("", "All countries"), *((each, each) for each in places)], side.country)
        + _time("From", written(side.start))
        + _time("To", written(side.end))
    )
    rest = tuple(each for place, each in enumerate(view.sides, start=1) if place != number)
    remove = go(replace(view, sides=rest).to_query(), "Remove", kind="ep-quiet", name=f"Remove side {number}")
    marks = attributes({"data_key": f"side{number}", "data_join": f"s{number}", "class": "ep-fields"})
    return (
        f'<li data-key="row{number}"><b class="ep-number ep-side-{number}">{number}</b>'
        f"<div{marks}>{fields}</div>{remove if len(view.sides) > 2 else ''}</li>"
    )


def _with(chosen: str, found: Mapping[str, object]) -> list[str]:
    return list(found) if not chosen or chosen in found else [*found, chosen]


def _time(label: str, at: str, **more: object) -> str:
    given = attributes({"type": "datetime-local", "data_utc": at, **more})
    return f'<label class="ep-field"><span>{label}</span><input{given}></label>'


def around_controls(view: CompareView, events: Sequence[Event], notes: Sequence[Annotation]) -> str:
    """Before and after what, for how long, and the way back to sides."""
    flags = [(f"{note.text[:60]} ({note.at:%d %b %H:%M} UTC)", note.id) for note in notes]
    if view.moment not in [note.id for note in notes]:
        flags.insert(0, ("A time of my own", view.moment))
    hours = [(f"{each} h" if each < 72 else f"{each // 24} days", str(each)) for each in HOURS]
    named = [(event.name, event.id) for event in events]
    fields = (
        choice("event", "Event", named, view.event, default="", clears="moment at")
        + choice("moment", "Flag", flags, view.moment, default="", clears="at")
        + _time("Or a time", written(view.at), data_name="at", data_clears="moment")
        + choice("hours", "So long before and after", hours, str(view.hours), default="24")
    )
    sides = go(replace(view, moment="", at=None).to_query(), "Events, periods, places instead", kind="ep-button")
    return f'<nav class="ep-modes" aria-label="What is compared">{sides}</nav><div class="ep-fields">{fields}</div>'
