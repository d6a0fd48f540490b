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
_MOST_ROWS: Final = 12
_HEAD: Final = ("Country", "Negative share", "Against the rest", "Positive share", "Messages (distinct)")


def shade(place: Place) -> int | None:
    """Which of the shades a country has, counted from 0; None where nothing was scored."""
    share = _negative(place)
    if share is None or place.negative is None:
        return None
    value = place.negative if place.small else share.value
    return sum(value >= step for step in STEPS)


def sentence(geography: Geography) -> str:
    """The answer first, as HTML: which countries differ from the rest, and how many messages have a country."""
    authors = geography.authors
    if not authors.all.total.raw:
        lead, rest = "No posts in this window.", ""
    else:
        lead, *others = _differing(authors)
        rest = "; ".join(f"{side[:1].lower()}{side[1:]}" for side in others)
    comma = '<span class="ep-comma">; </span>' if rest else ""
    said = f"<strong>{lead}</strong>{comma}{rest}{'.' if rest else ''}".replace(" %", "\u00a0%")
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
    """The countries of authors, as HTML: those with the most messages, and the others when asked."""
    authors, correction = geography.authors, geography.correction
    if not authors.all.total.raw:
        return '<p class="ep-none">Try a longer window, or all sources.</p>'
    rows = [_row(authors.all, view, correction, name="All together")]
    if authors.unresolved.total.raw:
        rows.append(_row(authors.unresolved, view, correction))
    rows += [_row(place, view, correction, mapped=True) for place in authors.countries]
    shown, more = rows[:_MOST_ROWS], rows[_MOST_ROWS:]
    rest = ""
    if more:
        summary = f"{figure(len(more))} more countr{'y' if len(more) == 1 else 'ies'}"
        made = table("More countries of authors", _HEAD, more)
        rest = f'<details class="ep-table" data-key="more"><summary>{summary}</summary>{made}</details>'
    return table("Countries of authors", _HEAD, shown) + rest


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
        f"articles are about. Not on the map.</p>{table('Countries of publishers', _HEAD, rows)}"
    )


def _negative(place: Place) -> Share | None:
    return place.shares.get(Label.NEGATIVE)


def _points_last(place: Place) -> tuple[bool, str]:
    """Points are drawn over the outlines around them."""
    return place.country in world().points, place.country


def _differing(authors: Group) -> list[str]:
    """What can be said of differences between countries, the most important first."""
    compared = [place for place in authors.countries if place.against is not None]
    if len(compared) < 2:
        return ["Too few messages to compare countries", f"that takes two with {SMALL} scored messages each"]
    told = [side for side in (_side("More", "higher", compared), _side("Less", "lower", compared)) if side]
    if not told:
        enough = f"{figure(len(compared))} countries have the {SMALL} scored messages that it takes"
        return ["No country's negative share differs from the rest that we can tell", enough]
    open_ = sum(place.against is not None and place.against.verdict == "can't tell" for place in compared)
    if open_:
        told.append(f"No difference we can tell in {figure(open_)} other{'s' if open_ != 1 else ''}")
    return told


def _side(words: str, verdict: str, compared: Sequence[Place]) -> str:
    """The countries on one side of the rest, those farthest from it first."""
    far = [
        (abs(place.against.value), place) for place in compared if place.against and place.against.verdict == verdict
    ]
    places = [place for _, place in sorted(far, key=lambda item: (-item[0], item[1].country))]
    named = [f"{isolated(country_name(place.country))} {_cell(_negative(place))}" for place in places[:_MOST_NAMED]]
    if len(places) > _MOST_NAMED:
        named.append(f"{figure(len(places) - _MOST_NAMED)} more")
    return f"{words} negative than the rest: {', '.join(named)}" if named else ""


def _coverage(authors: Group) -> str:
    unresolved, total = authors.unresolved.total.raw, authors.all.total.raw
    countries = f"{figure(len(authors.countries))} countr{'y' if len(authors.countries) == 1 else 'ies'}"
    parts = [f"{figure(total - unresolved)} of {messages_of(total)} by authors have a country ({countries})"]
    if unresolved:
        parts.append(f"{figure(unresolved)} ({percent(unresolved / total)}) are unresolved: no place that is clear")
    small = sum(place.small for place in authors.countries)
    mean = _negative(authors.all)
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
    share = _negative(place)
    said = f"negative share {with_interval(share)}" if share else "not scored"
    small = ", a small sample" if place.small and share else ""
    return f"{country_name(place.country)}: {said}, {messages_of(place.total.raw)}{small}"


def _row(place: Place, view: View, correction: Correction, *, name: str = "", mapped: bool = False) -> list[str]:
    """The cells of a country; `mapped` is one that can be on the map."""
    words = isolated(name or country_name(place.country))
    if place.country:
        query = _messages(view, place.country)
        words = f'<a href="event?{safe(query)}">{words}</a>'
    negative = _cell(_negative(place))
    if correction.corrected and (classified := place.classified.get(Label.NEGATIVE)):
        negative += f'<span class="ep-also">{with_interval(classified)} as classified</span>'
    count = f"{figure(place.total.raw)} ({figure(place.total.distinct)})"
    cells = [words, negative, _against(place, mapped=mapped), _cell(place.shares.get(Label.POSITIVE)), count]
    return [cell.replace(" %", "\u00a0%") for cell in cells]


def _cell(share: Share | None) -> str:
    return with_interval(share) if share else "not scored"


def _against(place: Place, *, mapped: bool) -> str:
    difference = place.against
    if place.small and place.negative is not None:
        drawn = f'<span class="ep-also">{percent(place.negative)} on the map</span>' if mapped else ""
        return f"small sample{drawn}"
    if difference is None:
        return "–"
    if difference.verdict == "can't tell":
        low, high = round(100 * difference.low), round(100 * difference.high)
        return f"can't tell ({low:+d} to {high:+d} points)"
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
