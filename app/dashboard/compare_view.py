"""What the Compare page looks at, and its place in the URL: up to six sides, or before and after a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from pydantic import ValidationError

from app.core.errors import InvalidInput
from app.dashboard.view import WINDOWS, moment, written
from app.services.before_after import Around
from app.services.comparison import MOST_SIDES, Align, ComparisonDraft, SideDraft

_BETWEEN = "~"  # stands in no id of an event
_PARTS = 6
HOURS: Final = (1, 3, 6, 12, 24, 48, 72, 168)
"""How long before and after a moment."""


@dataclass(frozen=True, slots=True)
class Side:
    """A window to compare. `window` is one of `WINDOWS`; with `start` and `end` it is that stretch instead."""

    event: str
    window: str = "24h"
    source: str = ""
    country: str = ""
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def read(cls, text: str) -> Side | None:
        """The side that a parameter of the URL describes; None where it describes none."""
        parts = text.split(_BETWEEN)
        if len(parts) > _PARTS or not parts[0]:
            return None
        event, window, source, country, start, end = [*parts, *[""] * (_PARTS - len(parts))]
        both = moment(start), moment(end)
        known = both[0] is not None and both[1] is not None
        return cls(
            event=event,
            window=window if WINDOWS.get(window, ("", None))[1] else "24h",
            source=source,
            country=country if len(country) == 2 else "",
            start=both[0] if known else None,
            end=both[1] if known else None,
        )

    def write(self) -> str:
        """The parameter that `read` reads back."""
        window = "" if self.start else self.window
        parts = [self.event, window, self.source, self.country, written(self.start), written(self.end)]
        return _BETWEEN.join(parts).rstrip(_BETWEEN)

    def draft(self) -> SideDraft:
        """It as the service takes it. Raises InvalidInput."""
        try:
            return SideDraft(
                event_id=self.event,
                hours=WINDOWS[self.window][1] or 24.0,
                start=self.start,
                end=self.end,
                source=self.source or None,
                country=self.country or None,
            )
        except ValidationError as error:
            raise InvalidInput(f"a side of this address: {error.errors()[0]['msg']}", field="sides") from error


@dataclass(frozen=True, slots=True)
class CompareView:
    """The state of the page. With `moment` (the id of an annotation) or `at` it compares before and after."""

    event: str = ""
    sides: Sequence[Side] = field(default=())
    align: Align = "start"
    moment: str = ""
    at: datetime | None = None
    hours: int = 24

    @property
    def is_around(self) -> bool:
        """Whether before and after a moment is asked for."""
        return bool(self.moment or self.at)

    def draft(self) -> ComparisonDraft:
        """The sides as the service takes them. Raises InvalidInput where there are too few."""
        if len(self.sides) < 2:
            raise InvalidInput("one side is none: add another one to compare it with", field="sides")
        return ComparisonDraft(sides=tuple(side.draft() for side in self.sides), align=self.align)

    def around(self) -> Around:
        """The moment as the service takes it."""
        return Around(at=None if self.moment else self.at, annotation_id=self.moment or None, hours=self.hours)

    @classmethod
    def from_query(cls, parameters: Mapping[str, str]) -> CompareView:
        """The view that the parameters of a URL describe; what is not understood is left out."""
        read = (Side.read(parameters.get(f"s{number}", "")) for number in range(1, MOST_SIDES + 1))
        hours = parameters.get("hours", "")
        return cls(
            event=parameters.get("event", ""),
            sides=tuple(side for side in read if side is not None),
            align="clock" if parameters.get("align") == "clock" else "start",
            moment=parameters.get("moment", ""),
            at=moment(parameters.get("at", "")),
            hours=int(hours) if hours in map(str, HOURS) else 24,
        )

    def to_query(self) -> str:
        """The parameters of the URL that `from_query` reads back; defaults are left out."""
        given = {
            "event": self.event,
            **{f"s{number}": side.write() for number, side in enumerate(self.sides, start=1)},
            "align": "" if self.align == "start" else self.align,
            "moment": self.moment,
            "at": written(self.at),
            "hours": "" if self.hours == 24 else str(self.hours),
        }
        return urlencode({name: value for name, value in given.items() if value})
