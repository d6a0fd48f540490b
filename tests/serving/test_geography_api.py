"""The geography over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import TypeAdapter
from starlette.testclient import TestClient

from app.adapters.records import Progress
from app.adapters.store import Store
from app.services.geography import Geography
from app.serving.geography_api import GEOGRAPHY_EXAMPLE
from tests.serving.support import EVENT, record

HOME = f"/events/{EVENT}/geography"


def test_countries_of_authors_are_answered_apart_from_those_of_publishers(client: TestClient, store: Store) -> None:
    posts = [record(f"m{number}", f"good {number}", minutes=number, country="FR") for number in range(3)]
    article = record("news:1", "A headline", minutes=4, source="news", country="DE")
    store.put_page(EVENT, "x", [*posts, article, record("away", "good too", minutes=5, country=None)], Progress())
    found = client.get(HOME).json()
    assert [place["country"] for place in found["authors"]["countries"]] == ["FR"]
    assert found["authors"]["unresolved"]["counts"]["positive"]["raw"] == 1
    assert [place["country"] for place in found["publishers"]["countries"]] == ["DE"]
    assert found["authors"]["countries"][0]["small"] is True
    assert found["correction"]["corrected"] is False
    assert client.get(HOME, params={"source": "news"}).json()["authors"]["countries"] == []


def test_no_message_and_no_author_is_in_it(client: TestClient, store: Store) -> None:
    said = record("m1", "very private words", country="FR")
    post = replace(said.message, author="somebody", location="Lyon")
    store.put_page(EVENT, "x", [replace(said, message=post)], Progress())
    answer = client.get(HOME).text
    assert '"FR"' in answer
    assert not any(word in answer for word in ("private", "somebody", "Lyon", "m1"))


def test_an_event_that_is_not_there_and_a_window_that_cannot_be(client: TestClient) -> None:
    assert client.get("/events/nobody/geography").status_code == 404
    assert client.get(HOME, params={"start": "2026-11-23T12:00:00Z"}).json()["error"]["field"] == "end"


def test_the_example_is_what_is_answered() -> None:
    adapter = TypeAdapter(Geography)
    assert json.loads(adapter.dump_json(adapter.validate_python(GEOGRAPHY_EXAMPLE))) == GEOGRAPHY_EXAMPLE
