from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr
import pytest

from app.core.errors import InvalidInput
from app.core.types import Event
from app.dashboard.event_form import Fields, report
from app.dashboard.form_view import EDIT, NEW, FormHandlers
from app.service import Service
from tests.dashboard.rig import EVENT, NOON, Rig

GOOD = {"name": "Launch", "query": "launch OR #launch"}


@pytest.fixture
def service(rig: Rig) -> Service:
    rig.watch()
    return rig.service


def test_all_fields_are_read() -> None:
    draft = Fields("Launch", "launch", "en, de", "us gb", "2026-11-23 14:00", "2026-11-24T00:00+01:00", "5,000").draft()
    assert (draft.languages, draft.countries, draft.read_budget) == (("en", "de"), ("us", "gb"), 5000)
    assert draft.starts_at == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert draft.ends_at == datetime(2026, 11, 23, 23, tzinfo=UTC)


def test_empty_fields_are_open() -> None:
    draft = Fields(**GOOD).draft()
    assert (draft.languages, draft.countries, draft.starts_at, draft.read_budget) == ((), (), None, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a" * 121}, "name"),
        ({"query": ""}, "query"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"ends_at": "2026-13-01"}, "ends_at"),
        ({"read_budget": "many"}, "read_budget"),
        ({"read_budget": "999999999"}, "read_budget"),
        ({"languages": " ".join(f"{a}{b}" for a in "abcde" for b in "abcde")}, "languages"),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Fields(**GOOD | wrong).draft()
    assert caught.value.field == field


def test_an_event_comes_back_from_the_form_as_it_was() -> None:
    event = Event("e", "Launch", "launch", ("en",), ("US",), NOON, NOON + timedelta(days=1), 9)
    draft = Fields.of(event).draft()
    assert (draft.name, draft.query, draft.languages, draft.countries) == ("Launch", "launch", ("en",), ("US",))
    assert (draft.starts_at, draft.ends_at, draft.read_budget) == (event.starts_at, event.ends_at, 9)


def save(service: Service, mode: str, event: str | None, **fields: str) -> tuple[str, Any]:
    return FormHandlers(service).save(mode, event, *astuple(Fields(**GOOD | fields)))


def test_a_saved_event_is_selected(service: Service) -> None:
    answer, update = save(service, NEW, "vision-pro")
    assert "Saved “Launch”" in answer
    assert update["value"] == "launch"
    assert ("Launch", "launch") in update["choices"]
    assert service.event("launch").query == "launch OR #launch"


def test_an_event_is_changed_in_place(service: Service) -> None:
    _, update = save(service, EDIT, "vision-pro", read_budget="7")
    assert update["value"] == "vision-pro"
    assert service.event("vision-pro").read_budget == 7


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Vision Pro"}, "Name:"),
        ({"query": "apple (launch"}, "Query:"),
        ({"languages": "english"}, "Languages:"),
        ({"starts_at": "2026-11-24", "ends_at": "2026-11-23"}, "End:"),
        ({"name": "<b>!</b>", "query": "<script>alert(1)</script> ("}, "Query:"),
    ],
)
def test_a_refusal_names_the_field(service: Service, fields: dict[str, str], said: str) -> None:
    answer, update = save(service, NEW, None, **fields)
    assert f"Not saved. {said}" in answer
    assert "value" not in update
    assert "<script>" not in answer


def test_a_store_that_refuses_is_said_plainly(rig: Rig, service: Service) -> None:
    with rig.broken():
        assert "Not saved." in save(service, NEW, None)[0]


def test_changing_fills_the_form_and_adding_empties_it(service: Service) -> None:
    handlers = FormHandlers(service)
    chosen, *fields = handlers.fill(EDIT, "vision-pro")
    assert (chosen["value"], chosen["visible"]) == ("vision-pro", True)
    assert fields[:2] == ["Apple Vision Pro launch", EVENT.query]
    assert handlers.fill(NEW, "vision-pro")[1:8] == [""] * 7


def test_changing_begins_with_an_event_that_there_is(service: Service) -> None:
    assert FormHandlers(service).fill(EDIT, "gone")[1] == "Apple Vision Pro launch"


def test_without_events_there_is_nothing_to_change(rig: Rig) -> None:
    assert "add one" in FormHandlers(rig.service).fill(EDIT, None)[-1]


def test_the_form_is_open_where_it_is_needed(rig: Rig) -> None:
    handlers = FormHandlers(rig.service)
    assert handlers.load(gr.Request(query_params={}))[0]["open"] is True
    rig.watch()
    assert handlers.load(gr.Request(query_params={}))[0]["open"] is False
    opened, mode, chosen = handlers.load(gr.Request(query_params={"edit": "1", "event": "vision-pro"}))[:3]
    assert (opened["open"], mode, chosen["value"]) == (True, EDIT, "vision-pro")


def test_a_mistake_in_the_query_is_pointed_at(service: Service) -> None:
    text = "a<b (launch"
    html = report(service.check_query(text), text)
    assert '<pre>a&lt;b <mark class="ep-caret">(</mark>launch</pre>' in html
    assert "At character 5: this parenthesis is not closed" in html


def test_a_good_query_shows_what_each_source_is_asked(service: Service) -> None:
    html = FormHandlers(service).check("#launch <b>", "en")
    assert "<dt>NewsAPI</dt>" in html
    assert "NewsAPI knows no hashtags" in html
    assert "lang:en" in html
    assert "<b>" not in html


def test_an_empty_query_asks_for_one(service: Service) -> None:
    assert "Write a query" in FormHandlers(service).check(" ", "")
