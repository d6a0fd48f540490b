"""What is on the screen as a table to take along: CSV for spreadsheets, Parquet for notebooks.

The terms of X allow its posts to be passed on by their ids alone: their text, author and location stay behind.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from pyarrow import csv, parquet

from app.adapters.records import MessagePage, StoredMessage
from app.core.prevalence import Share, share
from app.core.types import CLASSES, Bucket, Count, Label
from app.services.geography import Geography, Place
from app.services.incidents import IncidentView
from app.views import Timeline

_PAGE: Final = 500
TIME: Final = pa.timestamp("us", tz="UTC")
"""How times are written."""

# A spreadsheet takes a cell that begins like this for a formula, and runs it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Format(StrEnum):
    """The file formats, by their endings."""

    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """For the header Content-Type."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class File:
    """Something to take along: a browser shows what is `inline`, and saves the rest under `name`."""

    name: str
    media_type: str
    content: bytes
    inline: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What it is sent with: its name, and that nothing in it may run, whatever it turns out to hold."""
        plain = self.name.encode("ascii", "ignore").decode().replace('"', "") or "file"
        shown = "inline" if self.inline else "attachment"
        return {
            "Content-Disposition": f"{shown}; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }


def table_file(table: pa.Table, form: Format, name: str) -> File:
    """The table as a file of that name, without its ending."""
    return File(f"{name}.{form}", form.media_type, encode(table, form))


def every_message(read: Callable[[int, str | None], MessagePage], most: int) -> list[StoredMessage]:
    """The newest `most` messages of what `read` gives page by page: (limit, after) to a page."""
    found: list[StoredMessage] = []
    after: str | None = None
    while len(found) < most:
        page = read(min(_PAGE, most - len(found)), after)
        found += page.items
        after = page.next
        if after is None:
            break
    return found


def encode(table: pa.Table, form: Format) -> bytes:
    """The table as a file. In CSV, texts that a spreadsheet would run as a formula begin with an apostrophe."""
    out = io.BytesIO()
    if form is Format.CSV:
        csv.write_csv(_inert(table), out)
    else:
        parquet.write_table(table, out)
    return out.getvalue()


def timeline_table(timeline: Timeline) -> pa.Table:
    """A row a step: messages of each label, raw and distinct, and the negative share as it was classified.

    Columns: start, end, `raw_*` and `distinct_*` for each label, negative_share, negative_low, negative_high (0..1,
    95 %), scored (what the share rests on). A step without messages has a row of zeros up to the data edge.
    """
    counts = {bucket.start: bucket for bucket in timeline.buckets}
    length = timedelta(seconds=timeline.step_s)
    rows: list[dict[str, Any]] = []
    start = timeline.start
    edge = min(timeline.end, timeline.live_to) if timeline.live_to else timeline.end
    while start < edge:
        bucket = counts.get(start, Bucket(start))
        found = {label: bucket.counts.get(label, Count()) for label in Label}
        row: dict[str, Any] = {"start": start, "end": start + length}
        row |= {f"raw_{label}": count.raw for label, count in found.items()}
        row |= {f"distinct_{label}": count.distinct for label, count in found.items()}
        scored = sum(found[label].distinct for label in CLASSES)
        row |= share_columns("negative", share(found[Label.NEGATIVE].distinct, scored))
        rows.append(row | {"scored": scored})
        start += length
    schema = pa.schema(
        [
            ("start", TIME),
            ("end", TIME),
            *((f"raw_{label}", pa.int64()) for label in Label),
            *((f"distinct_{label}", pa.int64()) for label in Label),
            *share_fields("negative"),
            ("scored", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def messages_table(messages: Iterable[StoredMessage]) -> pa.Table:
    """A row a message, in their order. Of X there is no more than the id, the time and what was made of it."""
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("created_at", TIME),
            ("source", pa.string()),
            ("language", pa.string()),
            ("country", pa.string()),
            ("label", pa.string()),
            *((f"probability_{label}", pa.float64()) for label in CLASSES),
            ("model", pa.string()),
            ("label_by_people", pa.string()),
            ("copies", pa.int64()),
            ("publisher", pa.string()),
            ("url", pa.string()),
            ("author", pa.string()),
            ("text", pa.string()),
        ]
    )
    return pa.Table.from_pylist([_message_row(stored) for stored in messages], schema)


def _message_row(stored: StoredMessage) -> dict[str, Any]:
    message, said = stored.message, stored.prediction
    row: dict[str, Any] = {
        "id": message.id,
        "created_at": message.created_at,
        "source": message.source,
        "language": message.lang,
        "country": message.country,
        "label": stored.label.value,
        "model": said.model if said else None,
        "label_by_people": str(stored.feedback.verdict) if stored.feedback else None,
        "copies": stored.copies,
    }
    if said:
        row |= {f"probability_{label}": value for label, value in zip(CLASSES, said.probabilities, strict=True)}
    if _is_x(message.source):
        return row
    return row | {
        "publisher": message.publisher,
        "url": message.url,
        "author": message.author,
        "text": message.text,
    }


def incidents_table(incidents: Sequence[IncidentView]) -> pa.Table:
    """A row an incident, in their order."""
    rows = [
        {
            "event": incident.event_id,
            "number": incident.number,
            "kinds": ", ".join(incident.kinds),
            "severity": incident.severity,
            "started_at": incident.started_at,
            "opened_at": incident.opened_at,
            "ended_at": incident.ended_at,
            "raw": incident.raw,
            "distinct": incident.distinct,
            **share_columns("negative", incident.negative),
            **share_columns("negative_before", incident.negative_before),
            "verdict": incident.verdict.verdict.value if incident.verdict else None,
            "headline": incident.headline,
        }
        for incident in incidents
    ]
    schema = pa.schema(
        [
            ("event", pa.string()),
            ("number", pa.int64()),
            ("kinds", pa.string()),
            ("severity", pa.string()),
            ("started_at", TIME),
            ("opened_at", TIME),
            ("ended_at", TIME),
            ("raw", pa.int64()),
            ("distinct", pa.int64()),
            *share_fields("negative"),
            *share_fields("negative_before"),
            ("verdict", pa.string()),
            ("headline", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def geography_table(found: Geography) -> pa.Table:
    """A row a country of authors, then one a country of publishers; the last of each are the unresolved and all.

    Columns: of (authors, publishers), country (ISO 3166 alpha-2, "??" unresolved, "" all), messages, distinct,
    `negative_*` and `positive_*` (0..1, 95 %, corrected where `corrected` says so), classified_negative_*, small (too
    few scored to be held against the rest), negative_on_map (drawn towards the share of all), above_rest_* in points.
    """
    groups = (("authors", found.authors), ("publishers", found.publishers))
    rows = [
        _place_row(name, place, corrected=found.correction.corrected)
        for name, group in groups
        for place in (*group.countries, group.unresolved, group.all)
        if place.total.raw
    ]
    schema = pa.schema(
        [
            ("of", pa.string()),
            ("country", pa.string()),
            ("messages", pa.int64()),
            ("distinct", pa.int64()),
            ("corrected", pa.bool_()),
            *share_fields("negative"),
            *share_fields("positive"),
            *share_fields("classified_negative"),
            ("small", pa.bool_()),
            ("negative_on_map", pa.float64()),
            *((f"above_rest_{part}", pa.float64()) for part in ("points", "low", "high")),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _place_row(of: str, place: Place, *, corrected: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "of": of,
        "country": place.country,
        "messages": place.total.raw,
        "distinct": place.total.distinct,
        "corrected": corrected,
        **share_columns("negative", place.shares.get(Label.NEGATIVE)),
        **share_columns("positive", place.shares.get(Label.POSITIVE)),
        **share_columns("classified_negative", place.classified.get(Label.NEGATIVE)),
        "small": place.small,
        "negative_on_map": place.negative,
    }
    if against := place.against:
        parts = (("points", against.value), ("low", against.low), ("high", against.high))
        row |= {f"above_rest_{part}": 100 * value for part, value in parts}
    return row


def _is_x(source: str) -> bool:
    return source == "x" or source.startswith("x_")


def share_columns(name: str, found: Share | None) -> dict[str, float | None]:
    """The cells of a share with its interval, 0..1; empty where there is none."""
    if found is None:
        return {f"{name}_share": None, f"{name}_low": None, f"{name}_high": None}
    return {f"{name}_share": found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def share_fields(name: str) -> list[tuple[str, pa.DataType]]:
    """The columns of `share_columns`."""
    return [(f"{name}_{part}", pa.float64()) for part in ("share", "low", "high")]


def _inert(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = [_cell(text) for text in table.column(place).to_pylist()]
            table = table.set_column(place, field, pa.array(texts, pa.string()))
    return table


def _cell(text: str | None) -> str | None:
    return f"'{text}" if text and text.lstrip(" \0").startswith(_FORMULA) else text
