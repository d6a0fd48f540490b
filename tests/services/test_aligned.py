from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.types import Count, Label
from app.services.aligned import aligned, points
from app.services.comparison import AlignedBucket, Comparison, Side
from app.views import Correction

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP_S = 300


def side(counts: Sequence[tuple[int, int, int]], hours: float = 24) -> Side:
    """A side whose buckets are (step, negative, positive); each message is there twice and counts once."""
    buckets = tuple(
        AlignedBucket(
            place * STEP_S,
            NOON + timedelta(seconds=place * STEP_S),
            {Label.NEGATIVE: Count(2 * bad, bad), Label.POSITIVE: Count(2 * good, good)},
        )
        for place, bad, good in counts
    )
    correction = Correction(corrected=False, models=(), evaluation_sets=(), evaluated=0, labelled=0, reason=None)
    return Side(
        name="a side",
        event_id="cup",
        start=NOON,
        end=NOON + timedelta(hours=hours),
        source=None,
        country=None,
        counts={},
        shares={},
        classified={},
        correction=correction,
        per_hour=0.0,
        voice=None,
        differences={},
        sentence="a side: no share, nothing was scored.",
        buckets=buckets,
        live_to=None,
        sources_down=(),
    )


def compared(*sides: Side) -> Comparison:
    return Comparison(sides, STEP_S, "start", ())


def test_points_are_as_fine_as_the_smallest_side_allows() -> None:
    busy = side([(n, 30, 30) for n in range(288)])
    some = side([(n, 3, 3) for n in range(288)])
    lone = side([(n, 1, 0) for n in range(288)])
    assert aligned(compared(busy, busy)).step_s == 2 * STEP_S  # a day has 144 of them
    assert aligned(compared(busy, some)).step_s == 6 * STEP_S
    assert aligned(compared(busy, lone)).step_s == 24 * STEP_S


def test_a_short_window_keeps_a_dozen_points() -> None:
    assert aligned(compared(*[side([(0, 1, 0)], hours=2)] * 2)).step_s == 2 * STEP_S
    assert aligned(compared(*[side([], hours=0.5)] * 2)).step_s == STEP_S


def test_a_point_adds_up_its_steps_and_begins_where_they_do() -> None:
    first, second = points(side([(1, 4, 6), (2, 2, 8), (7, 3, 1)]), 3 * STEP_S)
    assert (first.at_s, first.start, first.scored, first.distinct) == (0, NOON, 20, 20)
    assert first.counts[Label.NEGATIVE] == Count(12, 6)
    assert first.negative is not None
    assert (first.negative.value, first.negative.n) == (0.3, 20)
    assert (second.at_s, second.start) == (6 * STEP_S, NOON + timedelta(minutes=30))
    assert second.negative is None  # four messages are no share


def test_what_was_not_scored_is_counted_and_has_no_say() -> None:
    bucket = AlignedBucket(0, NOON, {Label.UNSCORED: Count(9, 9), Label.POSITIVE: Count(6, 6)})
    (point,) = points(replace(side([]), buckets=(bucket,)), STEP_S)
    assert (point.distinct, point.scored) == (15, 6)
    assert point.negative is not None
    assert point.negative.value == 0


def test_a_rest_of_a_point_goes_to_its_neighbour() -> None:
    """A day that begins and ends three minutes after the step has no point of its own for these minutes."""
    counts = [(n, 1, 1) for n in range(289)]
    late = timedelta(minutes=3)
    made = replace(side(counts), start=NOON + late, end=NOON + timedelta(hours=24) + late)
    found = points(made, 12 * STEP_S)
    assert [point.at_s for point in found] == [3600 * n for n in range(24)]
    assert sum(point.distinct for point in found) == 578
    assert found[-1].per_hour == pytest.approx(26 / 1.05)
    assert found[0].per_hour == pytest.approx(24 / 0.95)


def test_a_window_shorter_than_a_point_is_one() -> None:
    (point,) = points(side([(0, 3, 3), (1, 3, 3)], hours=0.25), 12 * STEP_S)
    assert (point.at_s, point.per_hour) == (0, 48)
