"""The roll-ups: a small cube of counts that grows with time, sources and countries, never with messages.

Each message is counted in 4 grains (minute, hour, day, ever) x its source or EVERY x its country or EVERY: 16 cells.
So each question that a timeline, a total or a facet asks is a range of the primary key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from app.adapters.bulk import insert_rows
from app.adapters.database import micros, moment
from app.adapters.records import Cell, Facets
from app.adapters.schema import EVER, EVERY, families, messages, rollups
from app.core.types import Bucket, Count, Grain, Label

_WIDTH: Final[Mapping[str, int]] = {"minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}
_COARSE_TO_FINE: Final = ("day", "hour", "minute")
# Beyond every datetime, and whole days.
_ALWAYS: Final = (-(10**6) * _WIDTH["day"], 4 * 10**6 * _WIDTH["day"])

_LABELS: Final = {label.value: label for label in Label}  # several times as fast as Label(...)

_RAW = rollups.c.raw
_DISTINCT = rollups.c["distinct"]


class Cut(NamedTuple):
    """Which of an event's counts: of one source or country, or of all (None)."""

    event_id: str
    source: str | None = None
    country: str | None = None


class Tally:
    """The changes that a transaction makes to the counts of one event, gathered to be written at once."""

    def __init__(self) -> None:
        """No changes yet."""
        self._minutes: dict[tuple[int, str, str, str], list[int]] = {}

    def add(self, row: tuple[int, str, str, str], raw: int, distinct: int) -> None:
        """Change the counts of a message with (created_at in micros, source, country, label)."""
        created_at, source, country, label = row
        key = (created_at - created_at % _WIDTH["minute"], source, country, label)
        counts = self._minutes.setdefault(key, [0, 0])
        counts[0] += raw
        counts[1] += distinct

    def cells(self) -> dict[Cell, Count]:
        """The changed cells of the cube, without those where the changes cancel out."""
        level: dict[tuple[int, str, str, str], list[int]] = {}
        for (start, source, country, label), counts in self._minutes.items():
            for key in (
                (start, source, country, label),
                (start, source, EVERY, label),
                (start, EVERY, country, label),
                (start, EVERY, EVERY, label),
            ):
                _add(level, key, counts)
        cells: dict[Cell, Count] = {}
        for grain in ("minute", "hour", "day", EVER):
            if grain != "minute":
                level = _coarser(level, _WIDTH.get(grain))
            for (start, source, country, label), (raw, distinct) in level.items():
                if raw or distinct:
                    cells[Cell(grain, start, source, country, label)] = Count(raw, distinct)
        return cells


def _add(level: dict[tuple[int, str, str, str], list[int]], key: tuple[int, str, str, str], counts: list[int]) -> None:
    there = level.get(key)
    if there is None:
        level[key] = counts.copy()
    else:
        there[0] += counts[0]
        there[1] += counts[1]


def _coarser(
    level: Mapping[tuple[int, str, str, str], list[int]], width: int | None
) -> dict[tuple[int, str, str, str], list[int]]:
    coarse: dict[tuple[int, str, str, str], list[int]] = {}
    for (start, source, country, label), counts in level.items():
        _add(coarse, (start - start % width if width else 0, source, country, label), counts)
    return coarse


def apply(connection: Connection, event_id: str, tally: Tally) -> None:
    """Add the changes to the stored counts."""
    rows = [
        {"event_id": event_id, **cell._asdict(), "raw": count.raw, "distinct": count.distinct}
        for cell, count in sorted(tally.cells().items())
    ]
    insert_rows(connection, rollups, rows, adding=("raw", "distinct"))


def timeline(
    connection: Connection, cut: Cut, grain: Grain, between: tuple[datetime, datetime], step_s: int | None
) -> list[Bucket]:
    """The buckets that begin in [between), the first one rounded down; see `Store.timeline`."""
    low = _floor(micros(between[0]), _WIDTH[grain])
    query = _timeline(step_s * 1_000_000 if step_s else _WIDTH[grain])
    rows = connection.execute(query, _line(cut) | _piece("", grain, low, micros(between[1]))).all()
    buckets: dict[int, dict[Label, Count]] = {}
    for begin, label, raw, distinct in rows:
        buckets.setdefault(begin, {})[_LABELS[label]] = Count(int(raw), int(distinct))
    return [Bucket(moment(begin), counts) for begin, counts in buckets.items()]


@lru_cache(64)  # a step can be of any length
def _timeline(width: int) -> Select[int, str, Any, Any]:
    step = _step(width)
    counts = select(step, rollups.c.label, func.sum(_RAW), func.sum(_DISTINCT)).where(*_in_piece(""))
    return counts.group_by(step, rollups.c.label).order_by(step)


def _step(width: int) -> ColumnElement[int]:
    """The start of the step of that many microseconds, counted from 1970, in which a bucket begins."""
    wide = literal_column(str(width), BigInteger)  # no parameter: PostgreSQL would not see that it groups by the same
    # SQL's remainder has the sign of the number: before 1970 it would round up.
    return (rollups.c.start - (rollups.c.start % wide + wide) % wide).label("step")


def totals(connection: Connection, cut: Cut, start: datetime | None, end: datetime | None) -> dict[Label, Count]:
    """The counts of the whole minutes that [start, end) touches; see `Store.totals`."""
    if start is None and end is None:
        pieces = [(EVER, 0, 1)]
    else:
        minute = _WIDTH["minute"]
        low = _floor(micros(start), minute) if start else _ALWAYS[0]
        pieces = _pieces(low, _ceil(micros(end), minute) if end else _ALWAYS[1], _COARSE_TO_FINE)
    if not pieces:
        return {}
    values = _line(cut)
    for number, piece in enumerate(pieces):
        values |= _piece(str(number), *piece)
    found: dict[Label, Count] = {}
    for label, raw, distinct in connection.execute(_totals(len(pieces)), values):
        found[_LABELS[label]] = found.get(_LABELS[label], Count()) + Count(int(raw), int(distinct))
    return found


@cache
def _totals(pieces: int) -> CompoundSelect[str, Any, Any]:
    parts = [
        select(rollups.c.label, func.sum(_RAW), func.sum(_DISTINCT))
        .where(*_in_piece(str(number)))
        .group_by(rollups.c.label)
        for number in range(pieces)
    ]
    return union_all(*parts)


def by_place(
    connection: Connection, event_id: str, start: datetime, end: datetime
) -> dict[tuple[str, str], dict[Label, Count]]:
    """The counts of each source and country in the whole minutes that [start, end) touches; see `Store.by_place`."""
    minute = _WIDTH["minute"]
    pieces = _pieces(_floor(micros(start), minute), _ceil(micros(end), minute), _COARSE_TO_FINE)
    ever, found = rollups.alias("ever"), dict[tuple[str, str], dict[Label, Count]]()
    # Which sources and countries there are is known without a look at time; each is then read as a line of its own.
    lines = (
        select(ever.c.source, ever.c.country)
        .where(ever.c.event_id == event_id, ever.c.grain == EVER, ever.c.source != EVERY, ever.c.country != EVERY)
        .distinct()
        .subquery()
    )
    for grain, low, high in pieces:
        query = (
            select(rollups.c.source, rollups.c.country, rollups.c.label, func.sum(_RAW), func.sum(_DISTINCT))
            .join_from(lines, rollups, (rollups.c.source == lines.c.source) & (rollups.c.country == lines.c.country))
            .where(rollups.c.event_id == event_id, rollups.c.grain == grain)
            .where(rollups.c.start >= low, rollups.c.start < high, _RAW > 0)
            .group_by(rollups.c.source, rollups.c.country, rollups.c.label)
        )
        for source, country, label, raw, distinct in connection.execute(query):
            counts = found.setdefault((source, country), {})
            counts[_LABELS[label]] = counts.get(_LABELS[label], Count()) + Count(int(raw), int(distinct))
    return found


def _in_piece(name: str) -> tuple[ColumnElement[bool], ...]:
    """Counts of the line and the piece whose values are given as in `_line` and `_piece`.

    Queries are made once: to put one together takes longer than to ask it.
    """
    cells = rollups.c
    return (
        cells.event_id == _value("event", cells.event_id),
        cells.grain == _value(f"grain{name}", cells.grain),
        cells.source == _value("source", cells.source),
        cells.country == _value("country", cells.country),
        cells.start >= _value(f"low{name}", cells.start),
        cells.start < _value(f"high{name}", cells.start),
        _RAW > 0,
    )


def _value(name: str, column: Column[Any]) -> BindParameter[Any]:
    return bindparam(name, type_=column.type)


def _line(cut: Cut) -> dict[str, Any]:
    return {"event": cut.event_id, "source": cut.source or EVERY, "country": cut.country or EVERY}


def _piece(name: str, grain: str, low: int, high: int) -> dict[str, Any]:
    return {f"grain{name}": grain, f"low{name}": low, f"high{name}": high}


def _pieces(low: int, high: int, grains: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """[low, high) as ranges of buckets, as coarse as they fit: at most 22 + 58 fine ones at each end of the days."""
    if low >= high:
        return []
    grain, *finer = grains
    if not finer:
        return [(grain, low, high)]
    inner_low, inner_high = _ceil(low, _WIDTH[grain]), _floor(high, _WIDTH[grain])
    if inner_low >= inner_high:
        return _pieces(low, high, tuple(finer))
    before, after = _pieces(low, inner_low, tuple(finer)), _pieces(inner_high, high, tuple(finer))
    return [*before, (grain, inner_low, inner_high), *after]


def _floor(value: int, width: int) -> int:
    return value - value % width


def _ceil(value: int, width: int) -> int:
    return value + -value % width


def facets(connection: Connection, event_id: str) -> Facets:
    """The counts of each source and of each country."""
    sources: dict[str, Count] = {}
    countries: dict[str, Count] = {}
    for source, country, raw, distinct in connection.execute(
        select(rollups.c.source, rollups.c.country, _RAW, _DISTINCT).where(
            rollups.c.event_id == event_id, rollups.c.grain == EVER, _RAW > 0
        )
    ):
        if source != EVERY and country == EVERY:
            sources[source] = sources.get(source, Count()) + Count(raw, distinct)
        if country != EVERY and source == EVERY:
            countries[country] = countries.get(country, Count()) + Count(raw, distinct)
    return Facets(_most_first(sources), _most_first(countries))


def _most_first(counts: Mapping[str, Count]) -> dict[str, Count]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1].raw, item[0])))


def recount(connection: Connection, event_id: str) -> dict[Cell, Count]:
    """The cube as the messages make it."""
    tally = Tally()
    kinds = (messages.c.created_at, messages.c.source, messages.c.country, messages.c.label)
    query = select(*kinds, messages.c.is_first).where(messages.c.event_id == event_id)
    for created_at, source, country, label, is_first in connection.execute(query.execution_options(yield_per=5_000)):
        tally.add((created_at, source, country, label), 1, int(is_first))
    return tally.cells()


def check(connection: Connection, event_id: str) -> list[str]:
    """The cells that differ from a recount, and the families of copies that are not counted exactly once."""
    query = select(rollups.c.grain, rollups.c.start, rollups.c.source, rollups.c.country, rollups.c.label)
    stored = {
        Cell(*cell): Count(raw, distinct)
        for *cell, raw, distinct in connection.execute(
            query.add_columns(_RAW, _DISTINCT).where(rollups.c.event_id == event_id)
        )
    }
    right = recount(connection, event_id)
    differences = [
        f"{_name(cell)}: stored {stored.get(cell, Count())}, recounted {right.get(cell, Count())}"
        for cell in sorted(stored.keys() | right.keys())
        if stored.get(cell, Count()) != right.get(cell, Count())
    ]
    return [*differences, *_miscounted(connection, event_id), *_badly_led(connection, event_id)]


def _name(cell: Cell) -> str:
    start = moment(cell.start).isoformat() if cell.grain != EVER else ""
    return " ".join(filter(None, (cell.grain, start, cell.source or "*", cell.country or "*", cell.label)))


def _miscounted(connection: Connection, event_id: str) -> Iterable[str]:
    copies = messages.c.duplicate_of
    counted = select(families.c.id, families.c.copies).where(families.c.event_id == event_id, families.c.copies != 0)
    again = select(copies, func.count()).where(messages.c.event_id == event_id, copies.is_not(None)).group_by(copies)
    kept = {name: int(count) for name, count in connection.execute(counted)}
    right = {name: int(count) for name, count in connection.execute(again)}
    return [
        f"copies of {name}: stored {kept.get(name, 0)}, recounted {right.get(name, 0)}"
        for name in sorted(kept.keys() | right.keys())
        if kept.get(name, 0) != right.get(name, 0)
    ]


def _badly_led(connection: Connection, event_id: str) -> Iterable[str]:
    family = func.coalesce(messages.c.duplicate_of, messages.c.id)
    firsts = func.count().filter(messages.c.is_first)
    query = select(family, firsts).where(messages.c.event_id == event_id).group_by(family).having(firsts != 1)
    return [f"copies of {name}: {count} of them are the first" for name, count in connection.execute(query)]
