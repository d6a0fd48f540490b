"""Points in the past, as a command line gives them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from app.core.errors import InvalidInput

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """A point in the past: "90m", "36h", "7d", "2w" back from now, or an ISO 8601 time with a zone.

    Raises InvalidInput naming the text.
    """
    if match := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        try:
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise InvalidInput(f"{text!r} is longer ago than there are dates", field="since") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no time: say 7d, 36h or 2026-11-01T00:00Z", field="since") from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{text!r} has no time zone: add Z or an offset", field="since")
    if moment > now:
        raise InvalidInput(f"{text!r} is still to come", field="since")
    return moment.astimezone(UTC)
