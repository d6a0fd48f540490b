"""What a user looks at: the state of the controls, and its place in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from app.adapters.records import UNRESOLVED
from app.core.types import Label

ANY: Final = "*"
"""The choice that filters nothing."""

WINDOWS: Final[Mapping[str, tuple[str, float | None]]] = {
    "1h": ("1 hour", 1.0),
    "6h": ("6 hours", 6.0),
    "24h": ("24 hours", 24.0),
    "3d": ("3 days", 72.0),
    "7d": ("7 days", 168.0),
    "all": ("All", None),
}
"""The windows that can be chosen: their words and hours; None is everything there is."""

LABELS: Final = frozenset({ANY, *Label})
"""The labels that can be chosen."""

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
    """The state of all controls. `label`, `text` and `distinct` filter the messages only."""

    event: str = ""
    window: str = "24h"
    source: str = ANY
    country: str = ANY
    label: str = ANY
    text: str = ""
    distinct: bool = False

    @classmethod
    def from_query(cls, parameters: Mapping[str, str]) -> View:
        """The view that the parameters of a URL describe; what is not understood falls back to the default."""
        window, label = parameters.get("window", ""), parameters.get("label", "")
        return cls(
            event=parameters.get("event", ""),
            window=window if window in WINDOWS else "24h",
            source=parameters.get("source") or ANY,
            country=parameters.get("country") or ANY,
            label=label if label in LABELS else ANY,
            text=parameters.get("text", ""),
            distinct=parameters.get("distinct") == "1",
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
        }
        return urlencode({name: value for name, value in given.items() if value})


def source_name(source: str) -> str:
    """A source as people call it."""
    return _NAMES.get(source, source)


def country_name(country: str | None) -> str:
    """A country code, in words where there is none."""
    return "unknown place" if country in (None, UNRESOLVED) else str(country)


def chosen(value: str) -> str | None:
    """The value of a choice for the service, None for any."""
    return None if value == ANY else value
