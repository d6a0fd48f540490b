from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from app.core.types import Bucket, Count, Label, SourceState, SourceStatus
from app.dashboard.chart import Chart, encode, payload, point_span
from app.dashboard.marks import Marks
from app.views import Timeline
from tests.dashboard.rig import NOON

LIVE = (SourceStatus("e", "x", SourceState.LIVE),)
DONE = (SourceStatus("e", "replay", SourceState.FINISHED),)


def bucket(minutes_ago: int, negative: int = 10, neutral: int = 30, raw: int | None = None) -> Bucket:
    counts = {Label.NEGATIVE: Count(raw or negative, negative), Label.NEUTRAL: Count(neutral, neutral)}
    return Bucket(NOON - timedelta(minutes=minutes_ago), counts)


def timeline(*buckets: Bucket, live_to: datetime | None = NOON, minutes: int = 60) -> Timeline:
    return Timeline("e", NOON - timedelta(minutes=minutes), NOON, 60, buckets, live_to, 1)


def drawn(made: Timeline, sources: tuple[SourceStatus, ...] = LIVE, late_s: float = 0.0) -> Chart:
    return payload(made, sources, NOON + timedelta(seconds=late_s), "r", Marks((), (), NOON))


def ms(minutes_ago: float) -> int:
    return round((NOON - timedelta(minutes=minutes_ago)).timestamp() * 1000)


def test_bars_count_copies_and_the_share_does_not() -> None:
    chart = drawn(timeline(bucket(2, raw=94)))
    assert chart["bars"]["negative"] == [94]
    assert chart["share"]["value"][-2] == 0.25
    assert chart["share"]["n"][-2] == 40


def test_a_step_without_messages_is_a_gap_in_the_line_and_not_a_zero() -> None:
    chart = drawn(timeline(bucket(5), bucket(3)))
    assert chart["share"]["value"][-5:] == [0.25, None, 0.25, None, None]
    assert chart["share"]["low"][-4] is None


def test_a_point_with_too_few_messages_is_a_gap_that_says_how_many() -> None:
    chart = drawn(timeline(bucket(9), bucket(3), bucket(2, negative=1, neutral=55), bucket(1, negative=1, neutral=2)))
    assert chart["share"]["value"][-1] is None
    assert chart["share"]["n"][-1] == 3


def test_nothing_is_drawn_after_the_live_edge() -> None:
    chart = drawn(timeline(bucket(8), bucket(1), live_to=NOON - timedelta(minutes=5)))
    assert chart["edge"] == ms(5)
    assert chart["bars"]["start"] == [ms(8)]
    assert max(chart["share"]["at"]) <= ms(5)
    assert chart["gap"] == "no data yet"


def test_the_last_point_stands_in_the_middle_of_what_is_known() -> None:
    chart = drawn(timeline(bucket(5), live_to=NOON - timedelta(minutes=4.5)))
    assert chart["share"]["at"][-1] == ms(4.75)


@pytest.mark.parametrize(("late_s", "right_s"), [(0, 0), (120, 120), (900, 360)])
def test_the_chart_goes_on_to_now_but_at_most_a_tenth(late_s: float, right_s: float) -> None:
    assert drawn(timeline(bucket(5)), late_s=late_s)["end"] == ms(-right_s / 60)


def test_nothing_is_awaited_from_a_finished_recording() -> None:
    chart = drawn(timeline(bucket(8), live_to=NOON - timedelta(minutes=5)), DONE, late_s=900)
    assert chart["end"] == ms(0)
    assert chart["gap"] is None


def test_points_are_wide_enough_to_rest_on_thirty_messages() -> None:
    few = timeline(*(bucket(m, negative=2, neutral=8) for m in range(60, 0, -1)))
    assert point_span(few) == 3 * 60_000
    many = timeline(*(bucket(m) for m in range(60, 0, -1)))
    assert point_span(many) == 60_000


def test_there_stay_a_dozen_points_however_few_the_messages() -> None:
    assert point_span(timeline(bucket(3, negative=0, neutral=1))) == 3 * 60_000


def test_the_payload_is_small_json_and_nothing_is_empty() -> None:
    assert json.loads(encode(drawn(timeline(bucket(2)))))["revision"] == "r"
    assert encode(None) == ""
