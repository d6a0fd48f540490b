"""Messages that people may be asked to judge, found without a scan of all: the first of each text, if it is scored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, FromClause, Select, and_, bindparam, func, select, true

from app.adapters.database import among
from app.adapters.schema import EVERY, messages, predictions, rollups
from app.core.queue import locate
from app.core.types import CLASSES

_M = messages.c
_P = predictions.c
_R = rollups.c
_SCORED: Final = tuple(label.value for label in CLASSES)
_DAY: Final = 86_400_000_000
_MINUTE: Final = 60_000_000
_FAR: Final = 10**18  # microseconds: beyond every datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message by its id, with what the model said of it; the probabilities follow `CLASSES`."""

    id: str
    probabilities: tuple[float, float, float]


def newest(connection: Connection, event_id: str, looked_at: int) -> list[Candidate]:
    """The candidates among the newest `looked_at` messages, the newest first."""
    latest = (
        select(_M.id, _M.created_at, _M.is_first, _M.label)
        .where(_M.event_id == event_id)
        .order_by(_M.created_at.desc(), _M.id.desc())
        .limit(looked_at)
        .subquery()
    )
    fits = and_(_P.event_id == event_id, _P.message_id == latest.c.id)
    said: FromClause = predictions
    if connection.dialect.name == "postgresql":
        # Looked up one by one: its planner would sooner read all predictions of the event than so many by their key.
        said, fits = select(predictions).where(fits).limit(1).lateral(), true()
    query = (
        select(latest.c.id, said.c.negative, said.c.neutral, said.c.positive)
        .select_from(latest.join(said, fits))
        .where(latest.c.is_first, latest.c.label.in_(_SCORED))
        .order_by(latest.c.created_at.desc(), latest.c.id.desc())
    )
    rows = connection.execute(query).all()
    return [Candidate(id_, (negative, neutral, positive)) for id_, negative, neutral, positive in rows]


def those(connection: Connection, event_id: str, ids: Collection[str]) -> set[str]:
    """Which of these are candidates."""
    if not ids:
        return set()
    chosen = among(connection.dialect.name, _M.id, "ids")
    return set(connection.scalars(_candidates().where(chosen), {"event": event_id, "ids": sorted(ids)}))


class Lot:
    """All candidates of an event in the order of their time, to be taken by their rank: the roll-ups say where it lies.

    The days of the event are read once, the minutes of a day when a rank first lies in it; then a rank costs a look
    into one minute.
    """

    def __init__(self, connection: Connection, event_id: str) -> None:
        self._connection = connection
        self._event_id = event_id
        self._days = self._counted("day")
        self._minutes: dict[int, _Counted] = {}

    def __len__(self) -> int:
        """How many candidates there are."""
        return sum(self._days.counts)

    def at(self, rank: int) -> str:
        """The id of the candidate of that rank, counted from 0. Raises ValueError for a rank that none has."""
        day, rank = self._days.locate(rank)
        if day not in self._minutes:
            self._minutes[day] = self._counted("minute", day, day + _DAY)
        minute, rank = self._minutes[day].locate(rank)
        values = {"event": self._event_id, "start": minute, "end": minute + _MINUTE, "rank": rank}
        return str(self._connection.execute(_AT, values).scalar_one())

    def _counted(self, grain: str, low: int = -_FAR, high: int = _FAR) -> _Counted:
        distinct = func.sum(_R["distinct"])
        query = (
            select(_R.start, distinct)
            .where(_R.event_id == self._event_id, _R.grain == grain, _R.source == EVERY, _R.country == EVERY)
            .where(_R.start >= low, _R.start < high, _R.label.in_(_SCORED))
            .group_by(_R.start)
            .order_by(_R.start)
        )
        rows = self._connection.execute(query).all()
        return _Counted([start for start, _ in rows], [int(count) for _, count in rows])


@dataclass(frozen=True, slots=True)
class _Counted:
    """Buckets by their start, and how many candidates each has."""

    starts: list[int]
    counts: list[int]

    def locate(self, rank: int) -> tuple[int, int]:
        bucket, rest = locate(self.counts, rank)
        return self.starts[bucket], rest


def _candidates() -> Select[Any]:
    return select(_M.id).where(_M.event_id == bindparam("event"), _M.is_first, _M.label.in_(_SCORED))


_AT: Final = (
    _candidates()
    .where(_M.created_at >= bindparam("start"), _M.created_at < bindparam("end"))
    .order_by(_M.created_at, _M.id)
    .offset(bindparam("rank"))
    .limit(1)
)
