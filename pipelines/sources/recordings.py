"""Recordings of messages: Parquet, JSONL or CSV files with the columns of a Message, read row by row.

Columns: id, text and created_at are required; source, author, lang, location, country, url and publisher may be
there; others are ignored. Times without a zone are taken as UTC. A row that can't be read is given as its reason.

Opening a recording reads its times once, from beginning to end, in bounded memory. If they are in order, rows are
later streamed; if not, the file is read into memory and sorted (equal times keep their order), which is refused
beyond MAX_UNSORTED_ROWS rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from app.core.errors import ConfigError
from app.core.types import Message
from pipelines.sources.parsing import Unreadable, utc_time

REQUIRED = ("id", "text", "created_at")
OPTIONAL = ("source", "author", "lang", "location", "country", "url", "publisher")
MAX_UNSORTED_ROWS = 500_000
DEFAULT_SOURCE = "replay"
_BATCH_ROWS = 1024
_MAX_FIELD_CHARS = 10_000_000

Raw: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Bad:
    """A line that is no record."""

    reason: str
    record: object


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a recording: its message, or the reason why it is none, with the record.

    `at` is when it is due: the time of the message; for a row that can't be read the time of the one before.
    """

    at: datetime
    message: Message | None = None
    reason: str = ""
    record: object = None


@dataclass(frozen=True, slots=True)
class Recording:
    """An opened recording. `rows(position)` streams from a row on; times are those of the readable rows."""

    path: Path
    first: datetime
    last: datetime
    length: int
    rows: Callable[[int], Iterator[Row]]


def open_recording(path: Path) -> Recording:
    """Checks a recording and reads its times.

    Raises ConfigError, naming the file, where it is missing, of another format, lacks a required column (named), or
    has no readable row.
    """
    if not path.is_file():
        raise ConfigError(f"there is no recording at {path}")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: a recording is one of {', '.join(sorted(_READERS))}")

    def raw(position: int) -> Iterator[Raw | _Bad]:
        return reader(path, position)

    times = _Times()
    try:
        for record in _parquet_times(path) if reader is _read_parquet else reader(path, 0):
            times.see(record)
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise ConfigError(f"{path}: can't be read ({error})") from error
    if times.first is None or times.last is None:
        raise ConfigError(f"{path}: no row with a readable time in the column created_at")
    first, last = times.first, times.last

    def streamed(position: int) -> Iterator[Row]:
        return _rows(raw(position), first)

    if times.sorted:
        return Recording(path, first, last, times.length, streamed)
    if times.length > MAX_UNSORTED_ROWS:
        raise ConfigError(f"{path}: {times.length} rows that are not in order of created_at; sort the file first")
    in_order = sorted(streamed(0), key=lambda row: row.at)
    return Recording(path, first, last, times.length, lambda position: iter(in_order[position:]))


class _Times:
    """What one pass over a recording finds out."""

    def __init__(self) -> None:
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.sorted = True
        self.length = 0
        self._before: datetime | None = None

    def see(self, record: Raw | _Bad) -> None:
        self.length += 1
        if isinstance(record, _Bad):
            return
        try:
            at = utc_time(record.get("created_at"))
        except Unreadable:
            return
        self.sorted = self.sorted and (self._before is None or at >= self._before)
        self._before = at
        self.first = min(at, self.first or at)
        self.last = max(at, self.last or at)


def _rows(records: Iterator[Raw | _Bad], begin: datetime) -> Iterator[Row]:
    at = begin
    for record in records:
        if isinstance(record, _Bad):
            yield Row(at, reason=record.reason, record=record.record)
            continue
        try:
            message = _message(record)
        except Unreadable as error:
            yield Row(at, reason=str(error), record=record)
            continue
        at = message.created_at
        yield Row(at, message)


def _message(record: Raw) -> Message:
    values = {name: _cell(record.get(name)) for name in (*REQUIRED[:2], *OPTIONAL)}
    message_id, text = values["id"], values["text"]
    if message_id is None or text is None:
        raise Unreadable("no id" if message_id is None else "no text")
    country = values["country"]
    return Message(
        id=message_id,
        text=text,
        created_at=utc_time(record.get("created_at")),
        source=values["source"] or DEFAULT_SOURCE,
        author=values["author"],
        lang=values["lang"],
        location=values["location"],
        country=country.upper() if country else None,
        url=values["url"],
        publisher=values["publisher"],
    )


def _cell(value: object) -> str | None:
    """A value of a column as text; pandas writes ids beside missing ones as floats, and missing texts as NaN."""
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, float):
        if isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    return str(value) if str(value).strip() else None


def _require(path: Path, names: list[str] | tuple[str, ...]) -> None:
    for name in REQUIRED:
        if name not in names:
            raise ConfigError(f"{path}: the required column {name} is missing")


def _read_parquet(path: Path, position: int, wanted: tuple[str, ...] = (*REQUIRED, *OPTIONAL)) -> Iterator[Raw | _Bad]:
    """Row groups before the position are not read."""
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _require(path, names)
        columns = [name for name in wanted if name in names]
        group, skip = 0, position
        while group < file.num_row_groups and skip >= file.metadata.row_group(group).num_rows:
            skip -= file.metadata.row_group(group).num_rows
            group += 1
        groups = range(group, file.num_row_groups)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=groups, columns=columns):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            yield from _plain_times(batch.slice(skip)).to_pylist()
            skip = 0


def _parquet_times(path: Path) -> Iterator[Raw | _Bad]:
    """Only the times: the texts are most of a file."""
    return _read_parquet(path, 0, ("created_at",))


def _plain_times(batch: Any) -> Any:
    """The batch with times in microseconds: Python's datetime has no nanoseconds."""
    at = batch.schema.get_field_index("created_at")
    kind = batch.schema.field(at).type
    if not pa.types.is_timestamp(kind):
        return batch
    times = batch.column(at).cast(pa.timestamp("us", tz=kind.tz), safe=False)
    return batch.set_column(at, "created_at", times)


def _read_jsonl(path: Path, position: int) -> Iterator[Raw | _Bad]:
    """The first object of the file says which columns there are."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = (line for line in file if line.strip())
        if position == 0:
            known = False
            for line in lines:
                record = _json_line(line)
                if not known and isinstance(record, dict):
                    _require(path, list(record))
                    known = True
                yield record
        for line in islice(lines, position, None):
            yield _json_line(line)


def _json_line(line: str) -> Raw | _Bad:
    try:
        record = json.loads(line)
    except ValueError:
        return _Bad("not JSON", line)
    return record if isinstance(record, dict) else _Bad("not a JSON object", line)


def _read_csv(path: Path, position: int) -> Iterator[Raw | _Bad]:
    csv.field_size_limit(_MAX_FIELD_CHARS)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        names = next(lines, [])
        _require(path, names)
        for cells in islice((cells for cells in lines if cells), position, None):
            if len(cells) == len(names):
                yield dict(zip(names, cells, strict=True))
            else:
                yield _Bad(f"{len(cells)} cells instead of {len(names)}", cells)


_READERS: dict[str, Callable[[Path, int], Iterator[Raw | _Bad]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
