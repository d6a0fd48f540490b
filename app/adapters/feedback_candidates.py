"""Messages that people may be asked to judge, found without a scan of all: the first of each text, if it is scored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from app.adapters.database import among
from app.adapters.schema import EVERY, messages, predictions, rollups
from app.core.queue import locate
from app.core.types import CLASSES

_M = messages.c
_P = predictions.c
_R = rollups.c
_SCORED: Final = tuple(label.value for label in CLASSES)
_DAY: Final = 86_400_000_000
_HOUR: Final = 3_600_000_000
_MINUTE: Final = 60_000_000


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
    joined = latest.join(predictions, and_(_P.event_id == event_id, _P.message_id == latest.c.id))
    query = (
        select(latest.c.id, _P.negative, _P.neutral, _P.positive)
        .select_from(joined)
        .where(latest.c.is_first, latest.c.label.in_(_SCORED))
        .order_by(latest.c.created_at.desc(), latest.c.id.desc())
    )
    return [Candidate(row.id, (row.negative, row.neutral, row.positive)) for row in connection.execute(query)]


def those(connection: Connection, event_id: str, ids: Collection[str]) -> set[str]:
    """Which of these are candidates."""
    if not ids:
        return set()
    chosen = among(connection.dialect.name, _M.id, "ids")
    query = _candidates(event_id).where(chosen)
    return set(connection.scalars(query, {"ids": sorted(ids)}))


class Lot:
    """All candidates of an event in the order of their time, to be taken by their rank: the roll-ups say where it lies.

    A rank costs the days of the event once, then 24 hours, 60 minutes and the messages of one minute.
    """

    def __init__(self, connection: Connection, event_id: str) -> None:
        self._connection = connection
        self._event_id = event_id
        self._days = self._counts("day", None)

    def __len__(self) -> int:
        """How many candidates there are."""
        return sum(count for _, count in self._days)

    def at(self, rank: int) -> str:
        """The id of the candidate of that rank, counted from 0. Raises ValueError for a rank that none has."""
        buckets = self._days
        for grain, width in (("hour", _DAY), ("minute", _HOUR)):
            start, rank = self._inside(buckets, rank)
            buckets = self._counts(grain, (start, start + width))
        start, rank = self._inside(buckets, rank)
        query = _candidates(self._event_id).where(_M.created_at >= start, _M.created_at < start + _MINUTE)
        return str(self._connection.execute(query.order_by(_M.created_at, _M.id).offset(rank).limit(1)).scalar_one())

    @staticmethod
    def _inside(buckets: Sequence[tuple[int, int]], rank: int) -> tuple[int, int]:
        bucket, rest = locate([count for _, count in buckets], rank)
        return buckets[bucket][0], rest

    def _counts(self, grain: str, between: tuple[int, int] | None) -> list[tuple[int, int]]:
        conditions: list[ColumnElement[bool]] = [
            _R.event_id == self._event_id,
            _R.grain == grain,
            _R.source == EVERY,
            _R.country == EVERY,
            _R.label.in_(_SCORED),
        ]
        if between is not None:
            conditions += [_R.start >= between[0], _R.start < between[1]]
        distinct = func.sum(_R["distinct"])
        query = select(_R.start, distinct).where(*conditions).group_by(_R.start).having(distinct > 0)
        return [(start, int(count)) for start, count in self._connection.execute(query.order_by(_R.start))]


def _candidates(event_id: str) -> Select[Any]:
    return select(_M.id).where(_M.event_id == event_id, _M.is_first, _M.label.in_(_SCORED))
