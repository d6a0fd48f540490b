from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest

from app.core.errors import NotFound, StoreError
from app.core.types import Label, SourceState
from app.dashboard.event_feed import EventFeed
from app.dashboard.scope import Scopes
from app.dashboard.view import View
from app.dashboard.why import Desk
from app.services.annotations import AnnotationDraft
from app.services.insight import InsightStep
from tests.dashboard.rig import EVENT, HOSTILE, NOON, Rig, an_incident, record


@pytest.fixture
def filled(rig: Rig) -> Rig:
    rig.watch()
    labels = list(Label)
    rig.put(*[record(n, NOON - timedelta(minutes=n), labels[n % 4], country="US") for n in range(60)])
    rig.state("newsapi", SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set.")
    return rig


def feed(rig: Rig) -> EventFeed:
    return EventFeed(rig.service, Desk(rig.service, rig.clock), Scopes(rig.service, rig.clock), rig.clock)


def shown(rig: Rig, view: View) -> dict[str, str]:
    """The panels of a view."""
    return dict(feed(rig).panels(dict(parse_qsl(view.to_query()))))


def cards(panels: dict[str, str]) -> int:
    return str(json.loads(panels["messages"])["html"]).count("<article")


def test_the_page_shows_what_its_url_says(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", "6h", label="negative"))
    assert "Negative share" in panels["headline"]
    html = json.loads(panels["messages"])["html"]
    assert "Negative" in html
    assert "Positive" not in html
    assert panels["query"] == "event=vision-pro&window=6h&label=negative"
    assert '<option value="6h" selected>6 hours</option>' in panels["controls"]


def test_an_unknown_event_in_the_url_is_said_and_another_is_shown(filled: Rig) -> None:
    panels = shown(filled, View("<b>gone"))
    assert "&lt;b&gt;gone" in panels["banner"]
    assert panels["query"] == "event=vision-pro"


def test_without_events_the_page_says_how_to_begin(rig: Rig) -> None:
    panels = shown(rig, View())
    assert "Nothing is watched yet." in panels["headline"]
    assert "Add an event" in panels["headline"]
    assert panels["chart"] == ""


def test_an_event_without_messages_waits(rig: Rig) -> None:
    rig.watch(replace(EVENT, name="<Quiet>"))
    panels = shown(rig, View("vision-pro"))
    assert "Waiting for the first message" in panels["headline"]
    assert "<bdi>&lt;Quiet&gt;</bdi>" in panels["headline"]
    assert panels["chart"] == ""


def test_the_revision_changes_with_the_event_and_once_a_minute(filled: Rig) -> None:
    made = feed(filled)
    before = made.revision({"event": "vision-pro"})
    assert made.revision({"event": "vision-pro"}) == before
    filled.put(record(99, NOON, Label.NEGATIVE))
    written = made.revision({"event": "vision-pro"})
    filled.clock.advance(60)
    assert len({before, written, made.revision({"event": "vision-pro"})}) == 3


def test_a_store_that_refuses_is_said_and_leaves_the_rest(filled: Rig) -> None:
    made = feed(filled)
    with filled.broken(), pytest.raises(StoreError) as caught:
        made.revision({"event": "vision-pro"})
    said = made.failed(caught.value)
    assert [*said] == ["banner"]
    assert "The numbers can&#x27;t be read right now." in said["banner"]
    assert "no such event" in made.failed(NotFound("gone"))["banner"]


def test_older_and_newest_page_through_the_messages(filled: Rig) -> None:
    first = shown(filled, View("vision-pro"))
    assert cards(first) == 20
    assert "Newest" not in first["paging"]
    older = unescape(first["paging"]).split('href="?')[1].split('"')[0]
    second = shown(filled, View.from_query(dict(parse_qsl(older))))
    assert "Newest" in second["paging"]
    assert json.loads(second["messages"])["following"] is False
    assert json.loads(second["messages"])["html"] != json.loads(first["messages"])["html"]


def test_a_page_that_can_not_be_found_is_said(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", after="nonsense"))
    assert "can't be shown" in json.loads(panels["messages"])["html"]


@pytest.mark.parametrize(
    ("view", "number"),
    [
        (View("vision-pro", label="negative"), 15),
        (View("vision-pro", text="SCREEN"), 5),
        (View("vision-pro", source="newsapi"), 0),
        (View("vision-pro", country="GB"), 0),
        (View("vision-pro", start=NOON - timedelta(minutes=10), end=NOON - timedelta(minutes=5)), 5),
    ],
)
def test_filters_and_the_selection_narrow_the_messages(filled: Rig, view: View, number: int) -> None:
    assert cards(shown(filled, view)) == number


def test_a_choice_that_has_no_messages_stays_a_choice(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", source="newsapi"))
    assert '<option value="newsapi" selected>NewsAPI</option>' in panels["controls"]
    assert "No message fits these filters." in panels["messages"]


def test_all_begins_with_the_step_of_the_first_message(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", "all"))
    assert json.loads(panels["chart"])["start"] == round((NOON - timedelta(minutes=60)).timestamp() * 1000)
    assert "before" not in panels["headline"]


def test_the_zoom_survives_filters_and_selections_but_not_another_window(filled: Rig) -> None:
    stretch = {"start": NOON - timedelta(minutes=9), "end": NOON}
    views = (View("vision-pro"), View("vision-pro", label="negative", **stretch), View("vision-pro", "6h"))
    first, filtered, other = (json.loads(shown(filled, view)["chart"])["revision"] for view in views)
    assert first == filtered != other


def test_incidents_and_flags_are_on_the_chart_and_in_the_list(filled: Rig) -> None:
    filled.incident(an_incident(1, hours_ago=0.5))
    draft = AnnotationDraft(at=NOON - timedelta(minutes=20), kind="statement", text=f"Our {HOSTILE[0]}")
    filled.service.annotations.add(EVENT.id, draft)
    panels = shown(filled, View("vision-pro"))
    chart = json.loads(panels["chart"])
    (span,) = chart["incidents"]
    assert (span["number"], span["start"]) == (1, round((NOON - timedelta(minutes=30)).timestamp() * 1000))
    assert chart["flags"][0]["text"].startswith("Our <script>")
    assert "<script>" not in panels["marks"]
    assert ">1</b>" in panels["marks"]
    assert "high, open" in panels["marks"]


def test_an_incident_in_the_url_selects_its_stretch_and_counts_as_shown(filled: Rig) -> None:
    filled.incident(an_incident(1, hours_ago=0.5, hours=0.25))
    panels = shown(filled, View("vision-pro", incident=1))
    assert json.loads(panels["chart"])["selected"] is not None
    assert cards(panels) == 15
    assert "incident 1" in panels["filters"]
    assert InsightStep.SHOWN in filled.store.incidents.steps(EVENT.id)[EVENT.id, 1]


def test_a_stretch_outside_of_the_window_is_shown_with_what_lies_around_it(filled: Rig) -> None:
    filled.put(record(500, NOON - timedelta(days=9), Label.NEGATIVE))
    start = NOON - timedelta(days=9, hours=1)
    panels = shown(filled, View("vision-pro", start=start, end=start + timedelta(hours=2)))
    assert panels["query"].startswith("event=vision-pro&window=around&")
    chart = json.loads(panels["chart"])
    assert chart["start"] < chart["selected"][0] < chart["selected"][1] < chart["end"]
    assert cards(panels) == 1


def test_an_incident_that_is_not_there_is_said(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", incident=77))
    assert "No such incident." in panels["banner"]
    assert panels["query"] == "event=vision-pro"


def test_a_statement_opens_its_messages_and_one_that_is_gone_is_said(filled: Rig) -> None:
    panels = shown(filled, View("vision-pro", "1h", statement="source:x"))
    assert cards(panels) > 0
    assert "Show all" in panels["filters"]
    assert "not among them any more" in shown(filled, View("vision-pro", statement="phrase:<b>"))["messages"]
