"""Small pieces of HTML. Every text goes through `safe`: what people wrote is hostile until it is escaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def safe(text: str) -> str:
    """A text as inert HTML: escaped, without control characters and lone surrogates."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return escape(_CONTROL.sub(" ", whole), quote=True)


def isolated(text: str) -> str:
    """A short foreign text inside a line of ours: its direction stays its own."""
    return f"<bdi>{safe(text)}</bdi>"


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
