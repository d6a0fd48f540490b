"""Reading records that other people wrote: typed access to JSON, times, and the dead letters of what can't be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias

from app.core.types import JSON, DeadLetter

JsonObject: TypeAlias = dict[str, JSON]

# A record of a broken source can be megabytes of HTML; its beginning is enough to see what it was.
MAX_PAYLOAD_CHARS = 4_000


class Unreadable(ValueError):
    """A record lacks something that a message must have; the text of the error is the dead letter's reason."""


def as_object(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[JsonObject]:
    """The JSON objects of a list; anything else in it, or anything that is no list, is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_or_none(value: object) -> str | None:
    """`value` if it is a text with something in it, else None."""
    return value if isinstance(value, str) and value.strip() else None


def required_text(record: Mapping[str, JSON], key: str) -> str:
    """The text under `key`. Raises Unreadable where there is none."""
    text = text_or_none(record.get(key))
    if text is None:
        raise Unreadable(f"no {key}")
    return text


def utc_time(value: object) -> datetime:
    """`value` (ISO 8601 text, date or datetime) as a time in UTC; without a zone it is taken as UTC.

    Raises Unreadable for anything else.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        text = value.strip()
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise Unreadable(f"not a time: {text[:40]!r}") from None
    if not isinstance(value, datetime):
        raise Unreadable("no time" if value is None else f"not a time: {str(value)[:40]!r}")
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the year 1 east of Greenwich
        raise Unreadable(f"not a time: {value}") from None


def time_or_none(value: object) -> datetime | None:
    """Like `utc_time`, with None for what is no time: for cursors, where a lost time means an earlier start."""
    try:
        return utc_time(value)
    except Unreadable:
        return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from, for the dead letters of those that can't be used."""

    source: str
    event_id: str
    now: Callable[[], datetime]

    def dead_letter(self, record: object, reason: str, *, stage: str = "parse") -> DeadLetter:
        """The dead letter of `record`, which is kept as JSON text, cut to MAX_PAYLOAD_CHARS."""
        payload = record if isinstance(record, str) else json.dumps(record, ensure_ascii=False, default=str)
        return DeadLetter(
            stage=stage,
            reason=reason,
            payload=payload[:MAX_PAYLOAD_CHARS],
            source=self.source,
            event_id=self.event_id,
            at=self.now(),
        )
