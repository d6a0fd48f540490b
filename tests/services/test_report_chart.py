from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from app.core.types import Bucket, Count, Label
from app.services.report_chart import Mark, chart
from app.views import Timeline

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
SVG = "{http://www.w3.org/2000/svg}"


def bucket(place: int, negative: int, positive: int) -> Bucket:
    return Bucket(
        NOON + place * STEP, {Label.NEGATIVE: Count(negative, negative), Label.POSITIVE: Count(positive, positive)}
    )


def timeline(*buckets: Bucket, steps: int = 24, live_to: datetime | None = None) -> Timeline:
    return Timeline("e", NOON, NOON + steps * STEP, 300, buckets, live_to, version=1)


def drawn(made: str) -> ElementTree.Element:
    return ElementTree.fromstring(made.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_nothing_is_drawn_of_nothing() -> None:
    assert chart(timeline()) == ""


def test_bars_stack_up_to_the_busiest_step() -> None:
    root = drawn(chart(timeline(bucket(0, 30, 10), bucket(1, 10, 10))))
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("fill", "").startswith("#")]
    heights = [float(bar.get("height", 0)) for bar in bars]
    assert len(bars) == 4
    assert sum(heights[:2]) == 2 * sum(heights[2:])


def test_the_share_breaks_where_nothing_came() -> None:
    whole = drawn(chart(timeline(*(bucket(place, 30, 30) for place in range(8)))))
    broken = drawn(chart(timeline(*(bucket(place, 30, 30) for place in (0, 1, 2, 6, 7)))))
    assert len(list(whole.iter(f"{SVG}polyline"))) == 1
    assert len(list(broken.iter(f"{SVG}polyline"))) == 2


def test_a_handful_of_messages_makes_no_point() -> None:
    root = drawn(chart(timeline(bucket(0, 2, 2), steps=12)))
    assert not list(root.iter(f"{SVG}circle"))


def test_marks_carry_the_sign_of_the_list_inertly() -> None:
    made = chart(timeline(bucket(0, 30, 30)), [Mark(NOON, None, "2")], [Mark(NOON + STEP, None, "<A>")])
    signs = [text.text for text in drawn(made).iter(f"{SVG}text") if text.get("class") == "sign"]
    assert signs == ["2", "<A>"]


def test_what_comes_after_the_data_edge_is_hatched() -> None:
    known = chart(timeline(bucket(0, 30, 30), live_to=NOON + 24 * STEP))
    partly = chart(timeline(bucket(0, 30, 30), live_to=NOON + 12 * STEP))
    assert "pattern" not in known
    assert "pattern" in partly
