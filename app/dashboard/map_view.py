"""What the Map page shows of a geography: a sentence, the map, and the tables with the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from app.core.prevalence import Share
from app.core.types import Label
from app.dashboard.markup import clock, day, figure, go, isolated, safe
from app.dashboard.tables import table
from app.dashboard.view import View, country_name
from app.dashboard.world import LAND, outline_id, world
from app.services.geography import SMALL, Geography, Group, Place
from app.services.words import messages_of, percent, points, with_interval
from app.views import Correction

STEPS: Final = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Where the map's shades change: they mean the same for every event and window."""

_MOST_NAMED: Final = 3


def shade(place: Place) -> int | None:
    """Which of the shades a country has, counted from 0; None where nothing was scored."""
    value = place.negative if place.small else _value(place)
    return None if value is None else sum(value >= step for step in STEPS)


def sentence(geography: Geography) -> str:
    """The answer first, as HTML: which countries differ from the rest, and how many messages have a country."""
    authors = geography.authors
    if not authors.all.total.raw:
        lead, rest = "No posts in this window.", ""
    else:
        lead, rest = _differing(authors)
    said = f"<strong>{lead}</strong>{rest}".replace(" %", "\u00a0%")
    parts = [f"<p>{_coverage(authors)}</p>" if authors.all.total.raw else "", _basis(geography)]
    return f'<section class="ep-headline"><h1>{said}</h1>{"".join(parts)}</section>'


def picture(geography: Geography, view: View) -> str:
    """The map as HTML: each country in the shade of its share, small ones hatched, and a link to its messages."""
    box = world()
    drawn = sorted((place for place in geography.authors.countries if box.has(place.country)), key=_points_last)
    links = "".join(_country(place, view) for place in drawn)
    return (
        '<figure class="ep-map"><div class="ep-map-pane" tabindex="0" role="region" aria-label="Map, can be scrolled">'
        f'<svg viewBox="0 0 {box.width} {box.height}" role="group" '
        'aria-label="Negative share by country of the author; the table has the same figures">'
        '<defs><pattern id="ep-hatching" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="3" height="7"/></pattern></defs>'
        f'<use href="#{LAND}" class="ep-land"/>{links}</svg></div>{_legend()}</figure>'
    )


def authors_table(geography: Geography, view: View) -> str:
    """The countries of authors, as HTML."""
    authors, correction = geography.authors, geography.correction
    if not authors.all.total.raw:
        return '<p class="ep-none">Try a longer window, or all sources.</p>'
    rows = [_row(place, view, correction) for place in authors.countries]
    if authors.unresolved.total.raw:
        rows.append(_row(authors.unresolved, view, correction))
    rows.append(_row(authors.all, view, correction, name="All together"))
    return table("Countries of authors", _head(correction), rows)


def publishers_table(geography: Geography, view: View) -> str:
    """The countries of publishers, as HTML; nothing where there are no articles."""
    publishers, correction = geography.publishers, geography.correction
    if not publishers.all.total.raw:
        return ""
    rows = [_row(place, view, correction) for place in publishers.countries]
    if publishers.unresolved.total.raw:
        rows.append(_row(publishers.unresolved, view, correction, name="Not told by the domain"))
    return (
        "<h2>News, by the publisher's country</h2>"
        '<p class="ep-note">Where newsrooms are, as far as their domains say: neither where authors are nor what the '
        "articles are about. Not on the map.</p>" + table("Countries of publishers", _head(correction), rows)
    )


def _value(place: Place) -> float | None:
    share = place.shares.get(Label.NEGATIVE)
    return share.value if share else None


def _points_last(place: Place) -> tuple[bool, str]:
    """Points are drawn over the outlines around them."""
    return place.country in world().points, place.country


def _differing(authors: Group) -> tuple[str, str]:
    compared = [place for place in authors.countries if place.against is not None]
    if len(compared) < 2:
        return "No two countries have enough messages to be compared", f": that takes {SMALL} scored ones each."
    said = [
        _side("Above the rest", [place for place in compared if place.against and place.against.verdict == "higher"]),
        _side("Below the rest", [place for place in compared if place.against and place.against.verdict == "lower"]),
    ]
    told = [side for side in said if side]
    if not told:
        lead = "No country's negative share differs from the rest that we can tell"
        return lead, f"; {figure(len(compared))} have enough messages to be compared."
    open_ = sum(place.against is not None and place.against.verdict == "can't tell" for place in compared)
    if open_:
        told.append(f"No difference we can tell in {figure(open_)} other{'s' if open_ != 1 else ''}")
    return told[0], "".join(f"; {side[:1].lower()}{side[1:]}" for side in told[1:]) + "."


def _side(words: str, places: Sequence[Place]) -> str:
    """The countries on one side, those with the most messages first."""
    named = [f"{isolated(country_name(place.country))} {_by(place)}" for place in places[:_MOST_NAMED]]
    if len(places) > _MOST_NAMED:
        named.append(f"{figure(len(places) - _MOST_NAMED)} more")
    return f"{words}: {', '.join(named)}" if named else ""


def _by(place: Place) -> str:
    share = place.shares.get(Label.NEGATIVE)
    return (
        f"{with_interval(share)}, by {points(place.against.low, place.against.high)}" if share and place.against else ""
    )


def _coverage(authors: Group) -> str:
    unresolved, total = authors.unresolved.total.raw, authors.all.total.raw
    countries = f"{figure(len(authors.countries))} countr{'y' if len(authors.countries) == 1 else 'ies'}"
    parts = [f"{figure(total - unresolved)} of {messages_of(total)} by authors have a country ({countries})"]
    if unresolved:
        parts.append(
            f"{figure(unresolved)} ({percent(unresolved / total)}) are unresolved: their profile names no place"
        )
    small = sum(place.small for place in authors.countries)
    mean = authors.all.shares.get(Label.NEGATIVE)
    if small and mean:
        few = f"{figure(small)} countr{'y has' if small == 1 else 'ies have'} fewer than {SMALL} scored messages"
        parts.append(f"{few}: hatched, and drawn towards the share of all, {percent(mean.value)}")
    return ". ".join(parts).replace(" %", "\u00a0%") + "."


def _basis(geography: Geography) -> str:
    parts = [f"{day(geography.start)} to {day(geography.end)}", _corrected(geography.correction)]
    if geography.correction.models:
        parts.append("model " + ", ".join(isolated(model) for model in geography.correction.models))
    parts.append(_live(geography.live_to))
    return '<p class="ep-basis">' + " · ".join(f"<span>{part}</span>" for part in parts if part) + "</p>"


def _corrected(correction: Correction) -> str:
    if correction.corrected:
        return "corrected for the classifier's errors; each difference is sure at 95 %"
    reason = f" ({isolated(correction.reason)})" if correction.reason else ""
    return f'<span class="ep-down">not corrected for the classifier\'s errors{reason}</span>'


def _live(edge: datetime | None) -> str:
    return f"live to {clock(edge)}" if edge else "not live yet"


def _country(place: Place, view: View) -> str:
    ref = f'href="#{safe(outline_id(place.country))}"'
    step = shade(place)
    kind = "ep-shade-none" if step is None else f"ep-shade-{step}"
    hatched = f'<use {ref} class="ep-hatched"/>' if place.small and step is not None else ""
    inner = f"<title>{safe(_told(place))}</title><use {ref}/>{hatched}"
    address = f"event?{safe(_messages(view, place.country))}"
    return f'<a href="{address}" class="{kind}" data-key="{safe(place.country)}" tabindex="-1">{inner}</a>'


def _messages(view: View, country: str) -> str:
    """The query of the Event page with the messages of a country."""
    return View(view.event, view.window, view.source, country, start=view.start, end=view.end).to_query()


def _told(place: Place) -> str:
    share = place.shares.get(Label.NEGATIVE)
    said = f"negative share {with_interval(share)}" if share else "not scored"
    small = ", a small sample" if place.small and share else ""
    return f"{country_name(place.country)}: {said}, {messages_of(place.total.raw)}{small}"


def _head(correction: Correction) -> tuple[str, ...]:
    classified = ("As classified",) if correction.corrected else ()
    return ("Country", "Negative share", *classified, "Against the rest", "Positive share", "Messages")


def _row(place: Place, view: View, correction: Correction, *, name: str = "") -> list[str]:
    words = isolated(name or country_name(place.country))
    if place.country:
        query = _messages(view, place.country)
        words = f'<a href="event?{safe(query)}">{words}</a>'
    negative = _cell(place.shares.get(Label.NEGATIVE))
    if place.small and place.negative is not None and place.country:
        negative += f'<span class="ep-also">small sample; {percent(place.negative)} on the map</span>'
    classified = [_cell(place.classified.get(Label.NEGATIVE))] if correction.corrected else []
    total = place.total
    count = f'{figure(total.raw)} <span class="ep-also">{figure(total.distinct)} distinct</span>'
    cells = [words, negative, *classified, _against(place), _cell(place.shares.get(Label.POSITIVE)), count]
    return [cell.replace(" %", "\u00a0%") for cell in cells]


def _cell(share: Share | None) -> str:
    return with_interval(share) if share else "not scored"


def _against(place: Place) -> str:
    difference = place.against
    if difference is None:
        return "–"
    if difference.verdict == "can't tell":
        return "no difference we can tell"
    return f"{difference.verdict}, by {points(difference.low, difference.high)}"


def _legend() -> str:
    edges = [0, *(round(100 * step) for step in STEPS)]
    names = [f"{low}–{high} %" for low, high in pairwise(edges)] + [f"{edges[-1]} % or more"]
    steps = "".join(_key(f"ep-shade-{number}", name.replace(" %", "\u00a0%")) for number, name in enumerate(names))
    return (
        f'<figcaption class="ep-legend"><span>Negative share:</span>{steps}'
        f"{_key('ep-key-small', f'fewer than {SMALL} scored')}{_key('ep-shade-none', 'nothing scored')}"
        f"{_key('ep-key-land', 'no messages')}</figcaption>"
    )


def _key(kind: str, words: str) -> str:
    return f'<span><i class="ep-key {kind}" aria-hidden="true"></i>{safe(words)}</span>'


def stretch_note(words: str, view: View) -> str:
    """That a stretch of the window is shown, and the way back; `words` is HTML."""
    whole = go(View(view.event, view.window, view.source, view.country).to_query(), "Show the whole window")
    return f'<p class="ep-note">Only {words}. {whole}</p>'
