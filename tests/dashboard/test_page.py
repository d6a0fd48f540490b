from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import pytest
from fastapi import FastAPI

from app.core.types import Label
from app.dashboard.mount import dashboard_app
from app.dashboard.page import Handlers, Seen
from app.dashboard.screen import Screen
from app.dashboard.view import ANY, View
from tests.dashboard.fake_service import EVENT, NOON, FakeService, message, some_statuses

BANNER, HEADLINE, CHART, MESSAGES, SOURCES, SOURCE, COUNTRY, OLDER, NEWEST, URL, CURSOR, SEEN = range(12)
SKIP = gr.skip()


@pytest.fixture
def service() -> FakeService:
    made = FakeService()
    labels = list(Label)
    stored = [message(n, NOON - timedelta(minutes=n), labels[n % 4], country="US") for n in range(60)]
    made.add(EVENT, *stored, statuses=some_statuses(NOON))
    return made


@pytest.fixture
def handlers(service: FakeService) -> Handlers:
    return Handlers(Screen(service, service.clock))


def state(view: View, cursor: str | None = None, seen: Seen | None = None) -> list[Any]:
    controls = [view.event, view.window, view.source, view.country, view.label, view.text, view.distinct]
    return [*controls, cursor, seen or Seen()]


def cards(answer: list[Any]) -> int:
    return str(json.loads(answer[MESSAGES])["html"]).count("<article")


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("vision-pro", "all", "x", "??", "negative", "50 % & <b>+ü", True),
        View("a b/ç", "1h", country="GB"),
    ],
)
def test_a_view_comes_back_from_its_url(view: View) -> None:
    assert View.from_query(dict(parse_qsl(view.to_query()))) == view


def test_nonsense_in_the_url_falls_back() -> None:
    assert View.from_query({"window": "9y", "label": "angry", "distinct": "maybe"}) == View()


def test_an_opened_page_shows_what_its_url_says(handlers: Handlers) -> None:
    answer = handlers.load(gr.Request(query_params={"event": "vision-pro", "window": "6h", "label": "negative"}))
    assert answer[0]["value"] == "vision-pro"
    assert answer[1:5] == ["6h", "negative", "", False]
    panels = answer[5:]
    assert "Negative share" in panels[HEADLINE]
    assert "Negative" in panels[MESSAGES]
    assert "Positive" not in json.loads(panels[MESSAGES])["html"]
    assert panels[URL] == "event=vision-pro&window=6h&label=negative"


def test_an_unknown_event_in_the_url_is_said_and_another_is_shown(handlers: Handlers) -> None:
    answer = handlers.load(gr.Request(query_params={"event": "<b>gone"}))
    assert "&lt;b&gt;gone" in answer[5]
    assert answer[0]["value"] == "vision-pro"


def test_without_events_the_page_says_how_to_begin() -> None:
    empty = FakeService()
    answer = Handlers(Screen(empty, empty.clock)).load(gr.Request(query_params={}))
    assert "Nothing is watched yet." in answer[5 + HEADLINE]
    assert answer[5 + CHART] == ""


def test_an_event_without_messages_waits(service: FakeService, handlers: Handlers) -> None:
    service.add(replace(EVENT, id="quiet", name="<Quiet>"), statuses=some_statuses(NOON))
    answer = handlers.tick(*state(View("quiet")))
    assert "Waiting for the first message" in answer[HEADLINE]
    assert "<bdi>&lt;Quiet&gt;</bdi>" in answer[HEADLINE]
    assert answer[CHART] == ""


def test_a_tick_sends_nothing_while_nothing_changes(service: FakeService, handlers: Handlers) -> None:
    seen = handlers.tick(*state(View("vision-pro")))[SEEN]
    asked = service.asked
    assert handlers.tick(*state(View("vision-pro"), seen=seen)) == SKIP
    assert service.asked == asked


def test_a_tick_sends_only_the_panels_that_changed(service: FakeService, handlers: Handlers) -> None:
    seen = handlers.tick(*state(View("vision-pro")))[SEEN]
    service.add(EVENT, message(99, NOON, Label.NEGATIVE, country="US"))
    answer = handlers.tick(*state(View("vision-pro"), seen=seen))
    assert all(answer[panel] != SKIP for panel in (HEADLINE, CHART, MESSAGES))
    assert all(answer[panel] == SKIP for panel in (BANNER, SOURCES, SOURCE, COUNTRY, URL))


def test_once_a_minute_everything_is_looked_at_again(service: FakeService, handlers: Handlers) -> None:
    seen = handlers.tick(*state(View("vision-pro")))[SEEN]
    service.moment += timedelta(minutes=1)
    assert handlers.tick(*state(View("vision-pro"), seen=seen)) != SKIP


def test_a_store_that_refuses_leaves_the_screen_and_says_so_once(service: FakeService, handlers: Handlers) -> None:
    seen = handlers.tick(*state(View("vision-pro")))[SEEN]
    service.broken = True
    failed = handlers.tick(*state(View("vision-pro"), seen=seen))
    assert "the database does not answer" in failed[BANNER]
    assert failed[HEADLINE:CURSOR] == [SKIP] * 9
    assert handlers.tick(*state(View("vision-pro"), seen=failed[SEEN])) == SKIP
    service.broken = False
    back = handlers.tick(*state(View("vision-pro"), seen=failed[SEEN]))
    assert back[BANNER] == ""
    assert back[HEADLINE] == SKIP


def test_a_deleted_event_is_said(handlers: Handlers) -> None:
    assert "no such event any more" in handlers.tick(*state(View("gone")))[BANNER]


def test_older_and_newest_page_through_the_messages(handlers: Handlers) -> None:
    view = View("vision-pro")
    first = handlers.changed(*state(view))
    assert (cards(first), first[OLDER]["interactive"], first[NEWEST]["interactive"]) == (20, True, False)
    second = handlers.older(*state(view, first[CURSOR], first[SEEN]))
    assert second[NEWEST]["interactive"] is True
    assert json.loads(second[MESSAGES])["following"] is False
    third = handlers.older(*state(view, second[CURSOR], second[SEEN]))
    assert third[OLDER]["interactive"] is False
    assert handlers.changed(*state(view, third[CURSOR], third[SEEN]))[CURSOR] is None


@pytest.mark.parametrize(
    "view",
    [
        View("vision-pro", label="negative"),
        View("vision-pro", text="SCREEN"),
        View("vision-pro", source="newsapi"),
        View("vision-pro", country="GB"),
        View("vision-pro", distinct=True),
    ],
)
def test_filters_narrow_the_messages(handlers: Handlers, view: View) -> None:
    assert cards(handlers.changed(*state(view))) <= 20


def test_a_choice_that_has_no_messages_stays_a_choice(handlers: Handlers) -> None:
    answer = handlers.changed(*state(View("vision-pro", source="newsapi")))
    assert ("NewsAPI", "newsapi") in answer[SOURCE]["choices"]
    assert "No message fits these filters." in answer[MESSAGES]


def test_a_value_that_can_not_be_chosen_does_no_harm(handlers: Handlers) -> None:
    answer = handlers.changed("vision-pro", "9y", None, None, "angry", None, None, None, Seen())
    assert answer[URL] == "event=vision-pro"


def test_another_event_starts_with_all_sources(handlers: Handlers) -> None:
    answer = handlers.event_changed(*state(View("vision-pro", source="x", country="US")))
    assert (answer[SOURCE]["value"], answer[COUNTRY]["value"]) == (ANY, ANY)


def test_all_begins_with_the_step_of_the_first_message(handlers: Handlers) -> None:
    answer = handlers.changed(*state(View("vision-pro", "all")))
    chart = json.loads(answer[CHART])
    assert chart["start"] == round((NOON - timedelta(minutes=60)).timestamp() * 1000)
    assert "compare" not in answer[HEADLINE]


def test_the_application_has_no_api_pages(service: FakeService) -> None:
    async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
        return dashboard_app(service)

    app = asyncio.run(made())
    assert app.openapi_url is None
    assert {f"/dashboard-static/{name}" for name in ("plotly.min.js", "page.js", "dashboard.css")} <= {
        getattr(route, "path", "") for route in app.routes
    }
