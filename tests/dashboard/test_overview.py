from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.incidents import Change, Severity
from app.core.types import Bucket, Count, Event, Label, SourceState
from app.dashboard.overview_feed import OverviewFeed
from app.dashboard.spark import spark, words
from app.services.incidents import Verdict
from app.views import Timeline
from tests.dashboard.rig import EVENT, NOON, Rig, an_incident, record

OTHER = Event("other", "Another <b>event</b>", "other")


def panels(rig: Rig) -> dict[str, str]:
    return dict(OverviewFeed(rig.service, rig.clock).panels({}))


def order(html: str) -> list[str]:
    return [part.split('"')[0] for part in html.split('data-key="')[1:]]


def talk(rig: Rig, event: Event = EVENT, source: str = "x") -> None:
    rig.watch(event)
    made = [record(n, NOON - timedelta(minutes=20 * n), list(Label)[n % 3]) for n in range(60)]
    rig.put(*made, event=event, source=source)


def test_without_events_the_page_says_how_to_begin(rig: Rig) -> None:
    assert "Nothing is watched yet." in panels(rig)["events"]
    assert panels(rig)["banner"] == ""


def test_a_row_says_the_share_the_state_the_coverage_and_the_edge(rig: Rig) -> None:
    talk(rig)
    html = panels(rig)["events"]
    for part in ("Apple Vision Pro launch", "Negative share 33", ">calm<", "1 of 1 sources read", "live to <time"):
        assert part in html
    assert 'href="event?event=vision-pro"' in html


def test_no_data_is_never_calm(rig: Rig) -> None:
    talk(rig)
    rig.state("x", SourceState.ERROR, "timeout")
    html = panels(rig)["events"]
    assert ">calm<" not in html
    assert "no data since <time" in html
    rig.watch(OTHER)
    assert "no data yet" in panels(rig)["events"]


def test_events_are_sorted_by_concern(rig: Rig) -> None:
    for name in ("calm", "watch", "high", "critical"):
        talk(rig, Event(name, name, name))
    rig.watch(Event("dark", "dark", "dark"))
    for name, severity in (("watch", Severity.WATCH), ("high", Severity.HIGH), ("critical", Severity.CRITICAL)):
        rig.incident(an_incident(severity=severity), event=Event(name, name, name))
    assert order(panels(rig)["events"]) == ["critical", "high", "watch", "dark", "calm"]


def test_a_sentence_says_how_many_events_are_how(rig: Rig) -> None:
    talk(rig)
    assert "<h1>" not in panels(rig)["events"]
    talk(rig, OTHER)
    assert "<strong>All 2 events are calm.</strong>" in panels(rig)["events"]
    rig.watch(Event("dark", "dark", "dark"))
    rig.incident(an_incident(), event=OTHER)
    assert "<strong>1 with an incident</strong> of 3 events; 1 without data, 1 calm." in panels(rig)["events"]


def test_an_incident_leads_to_its_place_on_the_chart(rig: Rig) -> None:
    talk(rig)
    rig.incident(an_incident(7))
    assert 'href="event?event=vision-pro&amp;incident=7"' in panels(rig)["events"]


def test_the_banner_is_there_only_when_something_needs_a_person(rig: Rig) -> None:
    talk(rig)
    rig.incident(an_incident(severity=Severity.WATCH))
    rig.state("newsapi", SourceState.NOT_CONNECTED, "no key")
    assert panels(rig)["banner"] == ""
    rig.incident(an_incident(severity=Severity.HIGH, revision=2), Change.RAISED)
    assert 'href="incidents?event=vision-pro&amp;incident=1"' in panels(rig)["banner"]
    rig.service.incidents.give_verdict(EVENT.id, 1, Verdict.REAL)
    assert panels(rig)["banner"] == ""
    rig.state("newsapi", SourceState.UNAUTHORIZED, "refused")
    assert "its key is refused" in panels(rig)["banner"]


def test_names_are_inert(rig: Rig) -> None:
    talk(rig, OTHER)
    rig.incident(an_incident(), event=OTHER)
    shown = panels(rig)
    assert "<b>event" not in shown["events"] + shown["banner"]
    assert "Another &lt;b&gt;event" in shown["events"]


def test_an_event_that_has_not_changed_is_not_counted_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    talk(rig)
    talk(rig, OTHER)
    feed = OverviewFeed(rig.service, rig.clock)
    feed.panels({})
    asked = []
    counted = rig.service.timeline
    monkeypatch.setattr(rig.service, "timeline", lambda event, *rest: asked.append(event) or counted(event, *rest))
    rig.put(record(500, NOON), event=OTHER)
    feed.panels({})
    assert asked == ["other"]


def test_time_alone_asks_each_event_once_a_minute_at_a_second_of_its_own(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(rig)
    talk(rig, OTHER)
    now = [NOON]
    feed = OverviewFeed(rig.service, lambda: now[0])
    feed.panels({})
    asked = []
    counted = rig.service.timeline
    monkeypatch.setattr(
        rig.service, "timeline", lambda event, *rest: asked.append((now[0], event)) or counted(event, *rest)
    )
    for second in range(1, 61):
        now[0] = NOON + timedelta(seconds=second)
        feed.panels({})
    assert sorted(event for _, event in asked) == sorted({EVENT.id, OTHER.id})
    assert len({at for at, _ in asked}) == 2


def day_of(*counts: tuple[int, int, int]) -> Timeline:
    """A day with (hour, negative, neutral) messages."""
    start = NOON - timedelta(hours=24)
    buckets = tuple(
        Bucket(
            start + timedelta(hours=hour),
            {Label.NEGATIVE: Count(negative, negative), Label.NEUTRAL: Count(neutral, neutral)},
        )
        for hour, negative, neutral in counts
    )
    return Timeline("e", start, NOON, 3_600, buckets, NOON, 1)


def test_the_picture_has_a_bar_an_hour_and_a_gap_where_no_share_can_be_told() -> None:
    html = spark(day_of((0, 10, 30), (1, 10, 10), (2, 1, 2), (3, 20, 20)))
    assert html.count("z") == html.split('d="')[1].split('"')[0].count("z") == 4
    assert html.count("<polyline") == 2


def test_the_picture_is_told_in_words() -> None:
    said = words(day_of((0, 10, 30), (5, 50, 50)))
    assert said == (
        "140 messages in 24 hours, the most from 17:00 UTC on: 100 an hour; "
        "negative share between 25 % and 50 %, 50 % last"
    )


def test_what_is_not_known_yet_is_hatched() -> None:
    made = day_of((0, 10, 30))
    assert "ep-hatch" not in spark(made)
    assert 'ep-hatch" style="inset-inline-start:50.0%"' in spark(replace(made, live_to=NOON - timedelta(hours=12)))
    assert "No messages" in spark(replace(made, buckets=()))
