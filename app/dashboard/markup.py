"""Small pieces of HTML. Every text goes through `safe`: what people wrote is hostile until it is escaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from urllib.parse import urlencode

from app.dashboard.view import source_name

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SOURCES = re.compile(r"\b(x_stream|x_search|newsapi|batch:\w+)\b")
_DATE = r"(?:(\d{1,2}) ([A-Z][a-z]{2}) (?:(\d{4}) )?)?(\d{2}):(\d{2})"
_TIMES = re.compile(rf"{_DATE}(?= to (?:[^.;:]*:\d{{2}}) UTC)|{_DATE} UTC")
_MONTHS = dict(zip("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), range(1, 13), strict=True))


def safe(text: str) -> str:
    """A text as inert HTML: escaped, without control characters and lone surrogates."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return escape(_CONTROL.sub(" ", whole), quote=True)


def isolated(text: str) -> str:
    """A short foreign text inside a line of ours: its direction stays its own."""
    return f"<bdi>{safe(text)}</bdi>"


def visible(text: str) -> str:
    """A text for where there is no markup to escape (a chart): one line, without control and direction characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(_BIDI.sub("", _CONTROL.sub(" ", whole)).split())


def go(query: str, inner: str, *, current: bool = False, name: str = "", to: str = "", kind: str = "") -> str:
    """A link to another state of this page, taken without loading it anew. `inner` is HTML; `to` is scrolled to."""
    label = f' aria-label="{safe(name)}"' if name else ""
    marked = ' aria-current="true"' if current else ""
    style = f' class="{safe(kind)}"' if kind else ""
    return f'<a href="?{safe(query)}" data-go="{safe(to)}"{style}{marked}{label}>{inner}</a>'


def there(page: str, inner: str, **parameters: object) -> str:
    """A link to another page. `inner` is HTML."""
    return f'<a href="{safe(page)}?{safe(urlencode(parameters))}">{inner}</a>'


def spoken(sentence: str, now: datetime) -> str:
    """A sentence of the service as HTML: escaped, its UTC times the reader's own, its sources as people call them.

    What it quotes can turn nothing around: it keeps no direction characters.
    """
    text = _SOURCES.sub(lambda found: source_name(found[0]), safe(_BIDI.sub("", sentence)))
    pieces, at, first = [], 0, None
    for found in _TIMES.finditer(text):
        begins = found[5] is not None  # "from 22 Nov 13:40 to 14:03 UTC": the date is that of both
        moment = _moment(found.groups()[:5] if begins else found.groups()[5:], first or now)
        if moment is None:
            continue
        dated = moment.date() != (first or now.astimezone(UTC)).date()
        made = day(moment) if dated else bare(moment) if begins else clock(moment, seconds=False)
        pieces += [text[at : found.start()], made]
        at, first = found.end(), moment if begins else None
    return "".join(pieces) + text[at:]


def _moment(parts: tuple[str | None, ...], date: datetime) -> datetime | None:
    number, month, year, hour, minute = parts
    try:
        at = date.astimezone(UTC).replace(hour=int(hour or 0), minute=int(minute or 0), second=0, microsecond=0)
        if month is None:
            return at
        return at.replace(year=int(year or at.year), month=_MONTHS[month], day=int(number or 0))
    except (KeyError, ValueError):  # no time after all
        return None


def milliseconds(moment: datetime) -> int:
    """A time as the page's scripts take it."""
    return round(moment.timestamp() * 1000)


def bare(moment: datetime) -> str:
    """A time of day without its zone, where another with one follows."""
    at = moment.astimezone(UTC)
    return f'<time data-form="bare" datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S} UTC">{at:%H:%M}</time>'


def clock(moment: datetime, *, seconds: bool = True) -> str:
    """A time of day in UTC, which the page's script turns into the reader's own zone; UTC stays on hover."""
    at = moment.astimezone(UTC)
    text = at.strftime("%H:%M:%S UTC" if seconds else "%H:%M UTC")
    form = "clock" if seconds else "minute"
    return f'<time data-form="{form}" datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S} UTC">{text}</time>'


def day(moment: datetime) -> str:
    """A date with its time, like `clock`."""
    at = moment.astimezone(UTC)
    full = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return f'<time data-form="day" datetime="{at.isoformat()}" title="{full}">{at:%d %b, %H:%M} UTC</time>'


def figure(number: int) -> str:
    """A whole number with separators."""
    return f"{number:,}"


def duration(seconds: float) -> str:
    """A length of time in one unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def notice(kind: str, title: str, text: str) -> str:
    """A box that says what is going on and what to do. `kind` is error, stale or calm; `text` is HTML."""
    role = "alert" if kind == "error" else "status"
    return f'<div class="ep-notice ep-{kind}" role="{role}"><strong>{safe(title)}</strong><span>{text}</span></div>'
