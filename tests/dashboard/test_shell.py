from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.dashboard.controls import choice, drawer, narrowing, search, switch
from app.dashboard.forms import options
from app.dashboard.mount import dashboard_app
from app.dashboard.shell import PAGES, navigation
from app.dashboard.theme import SCRIPTS, STYLES
from app.dashboard.view import ANY
from tests.dashboard.rig import EVENT, NOON, Rig, record

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def client(rig: Rig) -> Iterator[TestClient]:
    async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
        return dashboard_app(rig.service, rig.clock, rig.settings)

    rig.watch()
    rig.put(record(1, NOON))
    yield TestClient(asyncio.run(made()))


def test_every_page_of_the_navigation_is_there_and_marked_on_itself(client: TestClient) -> None:
    for name, path in PAGES:
        assert client.get(f"/{path}").status_code == 200
        assert navigation(name).count("aria-current") == 1
        assert f'href="{path or "./"}" data-carry aria-current=page>{name}</a>' in navigation(name)


def test_the_head_has_nothing_from_outside_and_every_file_is_served(client: TestClient) -> None:
    html = client.get("/event").text
    for name in (*SCRIPTS, *STYLES):
        assert f"dashboard-static/{name}" in html
        assert client.get(f"/dashboard-static/{name}").status_code == 200
    assert client.get("/dashboard-static/plotly.min.js").headers["content-type"].startswith("text/javascript")


def test_every_feed_answers(client: TestClient) -> None:
    for name in ("overview", "event", "why"):
        assert client.get(f"/live/{name}?event={EVENT.id}").status_code == 200


def test_the_application_describes_itself_to_nobody(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404


def test_controls_name_what_they_set_and_are_inert() -> None:
    html = choice("event", HOSTILE, [(HOSTILE, HOSTILE)], HOSTILE, clears="source")
    html += search("text", HOSTILE, HOSTILE, HOSTILE) + switch("distinct", HOSTILE, on=True) + drawer(HOSTILE, ())
    assert "<script" not in html
    assert 'data-name="event" data-default="*" data-clears="source"' in html
    assert " checked" in html


def test_what_can_be_chosen_turns_nothing_around() -> None:
    turned = "\u202egnp.exe\u2066 (5 UTC)"
    made = (
        choice("event", "Event", [(turned, "e")], "e"),
        options("event", "Event", [("e", turned)]),
        drawer(turned, ()),
    )
    for html in made:
        assert ">gnp.exe (5 UTC)<" in html


def test_a_choice_that_is_gone_stays_while_it_is_chosen() -> None:
    assert narrowing("All", ["x"], "gone", str.upper) == [("All", ANY), ("X", "x"), ("GONE", "gone")]
    assert narrowing("All", ["x"], ANY, str.upper) == [("All", ANY), ("X", "x")]
