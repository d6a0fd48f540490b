"""What a user looks at: the state of a page, all of which is in its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from app.adapters.gazetteer import country_names
from app.adapters.records import UNRESOLVED
from app.core.types import CLASSES, Label

ANY: Final = "*"
"""The choice that filters nothing."""

AROUND: Final = "around"
"""The window that lies around the stretch of time which is selected."""

WINDOWS: Final[Mapping[str, tuple[str, float | None]]] = {
    "1h": ("1 hour", 1.0),
    "6h": ("6 hours", 6.0),
    "24h": ("24 hours", 24.0),
    "3d": ("3 days", 72.0),
    "7d": ("7 days", 168.0),
    "all": ("All", None),
    AROUND: ("Around the selection", None),
}
"""The windows that can be chosen: their words and hours; None is everything there is, or what is selected."""

LABELS: Final = frozenset({ANY, *Label})
"""The labels that can be chosen."""

ABOUT: Final = ("", "all", *CLASSES)
"""What an evidence card may explain; empty is what fits."""

_NAMES: Final = {
    "x": "X",
    "news": "News",
    "x_stream": "X live stream",
    "x_search": "X search",
    "newsapi": "NewsAPI",
    "replay": "Recording",
    "batch:x_search": "X search, batch",
    "batch:newsapi": "NewsAPI, batch",
    "batch:replay": "Recording, batch",
}


@dataclass(frozen=True, slots=True)
class View:
    """The state of a page. `label`, `text` and `distinct` filter the messages only.

    `start` and `end` are the stretch that is selected on the chart, UTC, both or none; `incident` selects that of an
    incident instead. `about` is which messages the evidence card explains (a label, or "all"; empty is what fits), and
    `against` what they are compared with. `statement` is one of the card, whose messages are read. `after` is where the
    page of messages begins.
    """

    event: str = ""
    window: str = "24h"
    source: str = ANY
    country: str = ANY
    label: str = ANY
    text: str = ""
    distinct: bool = False
    start: datetime | None = None
    end: datetime | None = None
    incident: int | None = None
    about: str = ""
    against: str = ""
    statement: str = ""
    after: str = ""

    @property
    def selected(self) -> tuple[datetime, datetime] | None:
        """The stretch that is selected on the chart."""
        return (self.start, self.end) if self.start and self.end else None

    @classmethod
    def from_query(cls, parameters: Mapping[str, str]) -> View:
        """The view that the parameters of a URL describe; what is not understood falls back to the default."""
        window, label = parameters.get("window", ""), parameters.get("label", "")
        start, end = moment(parameters.get("start", "")), moment(parameters.get("end", ""))
        both = start is not None and end is not None and start < end
        incident = parameters.get("incident", "")
        return cls(
            event=parameters.get("event", ""),
            window=window if window in WINDOWS else "24h",
            source=parameters.get("source") or ANY,
            country=parameters.get("country") or ANY,
            label=label if label in LABELS else ANY,
            text=parameters.get("text", ""),
            distinct=parameters.get("distinct") == "1",
            start=start if both else None,
            end=end if both else None,
            incident=int(incident) if re.fullmatch("[1-9][0-9]{0,8}", incident) else None,
            about=about if (about := parameters.get("about", "")) in ABOUT else "",
            against="rest" if parameters.get("against") == "rest" else "",
            statement=parameters.get("statement", ""),
            after=parameters.get("after", ""),
        )

    def to_query(self) -> str:
        """The parameters of the URL that `from_query` reads back; defaults are left out."""
        given = {
            "event": self.event,
            "window": "" if self.window == "24h" else self.window,
            "source": "" if self.source == ANY else self.source,
            "country": "" if self.country == ANY else self.country,
            "label": "" if self.label == ANY else self.label,
            "text": self.text,
            "distinct": "1" if self.distinct else "",
            "start": written(self.start),
            "end": written(self.end),
            "incident": "" if self.incident is None else str(self.incident),
            "about": self.about,
            "against": self.against,
            "statement": self.statement,
            "after": self.after,
        }
        return urlencode({name: value for name, value in given.items() if value})


def moment(text: str) -> datetime | None:
    """The time that a URL names; None where it names none."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def written(at: datetime | None) -> str:
    """A time for a URL, to the second."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z" if at else ""


def source_name(source: str) -> str:
    """A source as people call it."""
    return _NAMES.get(source, source)


def country_name(country: str | None) -> str:
    """A country as people call it; a code that is none stays what it is."""
    return "unknown place" if country is None or country == UNRESOLVED else country_names().get(country, country)


def chosen(value: str) -> str | None:
    """The value of a choice for the service, None for any."""
    return None if value == ANY else value
