from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest

from app.core.types import Event, Label
from app.dashboard.compare_feed import CompareFeed
from app.dashboard.compare_view import CompareView, Side
from app.services.annotations import AnnotationDraft
from tests.dashboard.rig import EVENT, NOON, Rig, record

OTHER = Event("other", "Another <b>event</b>", "other")


@pytest.fixture
def two(rig: Rig) -> Rig:
    """Two events over two days: in the first most are negative, in the second few; both worse in the last day."""
    for event, every in ((EVENT, 2), (OTHER, 6)):
        rig.watch(event)
        made = [
            record(
                n,
                NOON - timedelta(minutes=7 * n + 1),
                Label.NEGATIVE if n % every == 0 else Label.POSITIVE,
                f"text {n}",
                country="US" if n % 3 else "GB",
                source="x" if n % 4 else "news",
            )
            for n in range(400)
        ]
        rig.put(*made, event=event)
    return rig


def panels(rig: Rig, view: CompareView) -> dict[str, str]:
    return dict(CompareFeed(rig.service, rig.clock).panels(dict(parse_qsl(view.to_query()))))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", html)))


@pytest.mark.parametrize(
    "view",
    [
        CompareView(),
        CompareView("a", (Side("a"), Side("b", "7d", "batch:x", "US"), Side("ç", country="GB")), "clock"),
        CompareView("a", (Side("a", start=NOON - timedelta(hours=2), end=NOON),)),
        CompareView("a", moment="n1", hours=6),
        CompareView("a", at=NOON),
    ],
)
def test_a_view_comes_back_from_its_url(view: CompareView) -> None:
    read = CompareView.from_query(dict(parse_qsl(view.to_query())))
    assert read.to_query() == view.to_query()
    assert tuple(read.sides) == tuple(view.sides)


@pytest.mark.parametrize("text", ["", "~24h", "a~b~c~d~e~f~g"])
def test_what_describes_no_side_is_none(text: str) -> None:
    assert Side.read(text) is None


@pytest.mark.parametrize(
    "text", ["a~9y", "a~all", "a~24h~~Germany", "a~~~~yesterday~today", "a~~~~2026-11-23T12:00:00Z"]
)
def test_nonsense_in_a_side_falls_back(text: str) -> None:
    assert Side.read(text) == Side("a")


def test_without_events_the_page_says_how_to_begin(rig: Rig) -> None:
    assert "Nothing is watched yet." in panels(rig, CompareView())["said"]


def test_it_begins_with_the_event_and_others(two: Rig) -> None:
    shown = panels(two, CompareView("other"))
    assert [side.event for side in CompareView.from_query(dict(parse_qsl(shown["query"]))).sides] == ["other", EVENT.id]


def test_a_lone_event_begins_with_its_last_two_days(rig: Rig) -> None:
    rig.watch()
    rig.put(*[record(n, NOON - timedelta(hours=n, minutes=1)) for n in range(60)])
    sides = CompareView.from_query(dict(parse_qsl(panels(rig, CompareView())["query"]))).sides
    assert sides[0].end == sides[1].start


def test_each_side_is_a_sentence_with_a_verdict_and_a_number(two: Rig) -> None:
    shown = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side("other"))))
    said = words(shown["said"])
    assert "1 Apple Vision Pro launch: negative share 50 %" in said
    assert re.search(r"lower than Apple Vision Pro launch, by \d+ to \d+ points\.", said)
    numbers = words(shown["numbers"])
    assert "lower, by" in numbers
    assert "206 distinct" in numbers
    assert "(" in numbers.split("Share of voice")[1]


def test_shares_of_voice_add_up_and_are_left_out_where_messages_are_shared(two: Rig) -> None:
    shown = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side("other"))))
    widths = [float(width) for width in re.findall(r'style="width:([\d.]+)%"', shown["voice"])]
    assert sum(widths) == pytest.approx(100, abs=0.2)
    shared = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side(EVENT.id, country="US"))))
    assert shared["voice"] == ""
    assert "messages in common" in shared["warnings"]


def test_the_chart_has_a_line_a_side_with_gaps_where_nothing_was_scored(two: Rig) -> None:
    chart = json.loads(panels(two, CompareView(EVENT.id, (Side(EVENT.id, "1h"), Side("other", "1h"))))["compared"])
    assert [side["name"] for side in chart["sides"]] == ["Apple Vision Pro launch", "Another <b>event</b>"]
    assert chart["origin"] is None
    first = chart["sides"][0]
    assert all(value is None for value in first["value"])  # a message in seven minutes is no share
    assert sum(first["volume"]) > 0


def test_by_the_clock_the_chart_knows_when_it_begins(two: Rig) -> None:
    days = [Side(EVENT.id, start=NOON - timedelta(hours=h + 20), end=NOON - timedelta(hours=h)) for h in (20, 0)]
    chart = json.loads(panels(two, CompareView(EVENT.id, days, "clock"))["compared"])
    assert chart["origin"] is not None
    starts = [chart["origin"] + 1000 * side["at"][0] for side in chart["sides"]]
    assert starts[1] - starts[0] == pytest.approx(20 * 3_600_000, abs=1_800_000)


def test_a_wanted_comparison_is_a_link(two: Rig) -> None:
    html = panels(two, CompareView(EVENT.id))["controls"]
    for part in ("This day and the one before", "Its countries", "Its sources", "All events", "Before and after"):
        assert part in html
    link = next(each for each in html.split("<a ") if "Its countries" in each)
    query = dict(parse_qsl(unescape(link.split('href="?')[1].split('"')[0])))
    assert {side.country for side in CompareView.from_query(query).sides} == {"US", "GB"}


def test_a_side_can_be_added_up_to_six_and_removed_down_to_two(two: Rig) -> None:
    two_sides = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side("other"))))["controls"]
    assert "Add a side" in two_sides
    assert "Remove" not in two_sides
    six = panels(two, CompareView(EVENT.id, (Side(EVENT.id, "1h"),) * 6))["controls"]
    assert "Add a side" not in six
    assert six.count(">Remove<") == 6


def test_before_and_after_a_statement(two: Rig) -> None:
    draft = AnnotationDraft(at=NOON - timedelta(hours=6), kind="statement", text="Our <i>statement</i>")
    note = two.service.annotations.add(EVENT.id, draft)
    shown = panels(two, CompareView(EVENT.id, moment=note.id, hours=3))
    assert "in the 3 h after" in words(shown["said"])
    assert "Our &lt;i&gt;statement" in shown["said"]
    assert "does not say that it came of it" in shown["said"]
    assert f'<option value="{note.id}" selected>' in shown["controls"]
    assert len(json.loads(shown["compared"])["sides"]) == 2
    assert f"moment={note.id}" in panels(two, CompareView(EVENT.id))["controls"]


def test_before_and_after_a_time_of_ones_own(two: Rig) -> None:
    shown = panels(two, CompareView(EVENT.id, at=NOON - timedelta(hours=6), hours=6))
    assert "A time of my own" in shown["controls"]
    assert 'data-utc="2026-11-23T06:00:00Z"' in shown["controls"]


@pytest.mark.parametrize(
    "view",
    [
        CompareView(EVENT.id, at=NOON + timedelta(hours=6)),
        CompareView(EVENT.id, moment="<b>gone"),
    ],
)
def test_what_can_not_be_compared_is_said_and_the_controls_stay(two: Rig, view: CompareView) -> None:
    shown = panels(two, view)
    assert shown["controls"]
    assert "This can&#x27;t be compared." in shown["banner"]
    assert "<b>gone" not in "".join(shown.values())


def test_nothing_of_an_events_name_is_markup(two: Rig) -> None:
    shown = panels(two, CompareView("other", (Side("other"), Side(EVENT.id))))
    html = "".join(value for name, value in shown.items() if name != "compared")
    assert "<b>event" not in html
    assert "Another &lt;b&gt;event" in html


def test_only_what_is_compared_changes_the_revision(two: Rig) -> None:
    feed = CompareFeed(two.service, two.clock)
    query = dict(parse_qsl(CompareView(EVENT.id, (Side(EVENT.id), Side(EVENT.id, "1h"))).to_query()))
    before = feed.revision(query)
    two.put(record(9000, NOON), event=OTHER)
    assert feed.revision(query) == before
    two.put(record(9000, NOON))
    assert feed.revision(query) != before


def test_a_side_that_ends_before_it_starts_stays_as_it_was_written(two: Rig) -> None:
    wrong = Side(EVENT.id, start=NOON, end=NOON - timedelta(hours=2))
    shown = panels(two, CompareView(EVENT.id, (Side(EVENT.id), wrong)))
    assert "ends before it starts" in words(shown["banner"])
    assert 'data-utc="2026-11-23T10:00:00Z"' in shown["controls"]


@pytest.mark.parametrize("source", ["x" * 300, "a\x00b"])
def test_a_source_that_none_can_be_called_is_said(two: Rig, source: str) -> None:
    shown = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side(EVENT.id, source=source))))
    assert "This can&#x27;t be compared." in shown["banner"]


def test_a_comparison_can_be_taken_along(two: Rig) -> None:
    sides = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side("other"))))
    assert 'href="comparison.html?event=vision-pro&amp;s1=' in sides["take"]
    assert "comparison.html" in panels(two, CompareView(EVENT.id, at=NOON - timedelta(hours=6)))["take"]
    assert panels(two, CompareView(EVENT.id, (Side(EVENT.id),)))["take"] == ""


def test_sides_that_are_gone_are_named(two: Rig) -> None:
    shown = panels(two, CompareView(EVENT.id, (Side(EVENT.id), Side("<b>gone"), Side("other"))))
    assert "Not compared: “ <b>gone ”, not watched" in words(shown["banner"])
    assert "<b>gone" not in shown["banner"]
    assert "<li" in shown["said"]


def test_it_begins_with_events_that_have_messages(two: Rig) -> None:
    two.watch(Event("silent", "A silent event", "silence"))
    sides = CompareView.from_query(dict(parse_qsl(panels(two, CompareView())["query"]))).sides
    assert "silent" not in {side.event for side in sides}
