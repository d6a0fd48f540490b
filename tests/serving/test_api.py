"""Every route, what it answers and what it refuses."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.adapters.records import DeadLetterPage, Facets, Progress
from app.adapters.store import Store
from app.core.types import DeadLetter, Event, Label, SourceState
from app.serving.schemas import EXAMPLES, Alive, EventList, Messages, Predictions
from app.views import Health, Overview, QueryCheck, Statuses, Timeline
from tests.fakes.clock import START
from tests.serving.support import EVENT, record

DRAFT = {"name": "Budget 2026", "query": "budget OR tax", "languages": ["EN"], "countries": ["gb"], "read_budget": 10}


@pytest.fixture
def filled(store: Store) -> None:
    """Five messages, one of them a copy and one unscored, from two sources and two countries; one dead letter."""
    x = [
        record("1", "so good", minutes=90),
        record("2", "bad 100% bad", minutes=10, label=Label.NEGATIVE, country="GB"),
        record("3", "bad 100% bad", minutes=5, label=Label.NEGATIVE, country="GB", duplicate_of="2"),
        record("4", "c'est bon", minutes=1, label=None, country=None),
    ]
    dead = DeadLetter("parse", "no time", "{}", "x")
    store.put_page(EVENT, "x", x, Progress(live_to=START, reads=5, billed_reads=5, dead_letters=(dead, dead)))
    news = [record("5", "it is news", minutes=2, label=Label.NEUTRAL, source="newsapi")]
    store.put_page(EVENT, "newsapi", news, Progress(state=SourceState.ERROR, detail="gone"))


def error(answer: Any) -> dict[str, Any]:
    made = answer.json()
    assert set(made) == {"error"}
    assert set(made["error"]) == {"code", "message", "field", "position"}
    return dict(made["error"])


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["items"]]


def test_texts_are_classified_in_order(client: TestClient) -> None:
    answer = client.post("/classify", json={"texts": ["good", "bad"]})
    assert answer.status_code == 200
    first, second = answer.json()["predictions"]
    assert first == {
        "label": "positive",
        "confidence": 0.8,
        "probabilities": {"negative": 0.1, "neutral": 0.1, "positive": 0.8},
        "model": "tiny",
        "backend": "fake",
        "arm": "champion",
    }
    assert second["label"] == "negative"
    assert [said["label"] for said in client.post("/classify", json={"text": "?"}).json()["predictions"]] == ["neutral"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"text": "a", "texts": ["a"]}, "texts"),
        ({"texts": ["a", " "]}, "texts.1"),
        ({"texts": ["a" * 41]}, "texts.0"),
        ({"texts": ["a"] * 4}, "texts"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a", 1]}, "texts.1"),
        ({"text": "a", "model": "b"}, "model"),
        ([], None),
        ("good", None),
    ],
)
def test_what_cannot_be_classified_is_named(client: TestClient, body: object, field: str | None) -> None:
    answer = client.post("/classify", json=body)
    assert answer.status_code == 422
    assert error(answer)["code"] == "invalid_input"
    assert error(answer)["field"] == field


def test_an_event_lives_and_dies(client: TestClient) -> None:
    made = client.post("/events", json=DRAFT)
    assert made.status_code == 201
    assert made.headers["location"] == "/events/budget-2026"
    event = client.get("/events/budget-2026").json()
    assert event == made.json()
    assert (event["languages"], event["countries"]) == (["en"], ["GB"])
    assert {item["event"]["id"] for item in client.get("/events").json()["items"]} == {EVENT, "budget-2026"}
    changed = client.put("/events/budget-2026", json=DRAFT | {"query": "budget"})
    assert (changed.status_code, changed.json()["query"]) == (200, "budget")
    gone = client.delete("/events/budget-2026")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get("/events/budget-2026").status_code == 404


@pytest.mark.parametrize(
    ("change", "code", "field", "position"),
    [
        ({"query": 'tax "open'}, "invalid_query", "query", 4),
        ({"query": ""}, "invalid_input", "query", None),
        ({"name": "!!"}, "invalid_input", "name", None),
        ({"name": "Apple launch"}, "invalid_input", "name", None),
        ({"name": "a\0b"}, "invalid_input", "name", None),
        ({"countries": ["USA"]}, "invalid_input", "countries", None),
        ({"starts_at": "2026-01-01T00:00:00"}, "invalid_input", "starts_at", None),
        ({"starts_at": "0001-01-01T00:00:00+05:00"}, "invalid_input", "starts_at", None),
        ({"ends_at": "9999-12-31T23:59:59-05:00"}, "invalid_input", "ends_at", None),
        (
            {"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"},
            "invalid_input",
            "ends_at",
            None,
        ),
        ({"read_budget": -1}, "invalid_input", "read_budget", None),
        ({"read_budget": 10**400}, "invalid_input", "read_budget", None),
        ({"colour": "red"}, "invalid_input", "colour", None),
    ],
)
def test_a_bad_event_is_refused(
    client: TestClient, change: dict[str, object], code: str, field: str, position: int | None
) -> None:
    answer = client.post("/events", json=DRAFT | change)
    assert answer.status_code == 422
    said = error(answer)
    assert (said["code"], said["field"], said["position"]) == (code, field, position)
    assert len(client.get("/events").json()["items"]) == 1


@pytest.mark.parametrize("name", ["", "/overview", "/timeline", "/facets", "/messages", "/sources", "/dead-letters"])
def test_an_unknown_event_is_not_found(client: TestClient, name: str) -> None:
    answer = client.get(f"/events/nowhere{name}")
    assert answer.status_code == 404
    assert error(answer) == {
        "code": "not_found",
        "message": "there is no event 'nowhere'",
        "field": "event_id",
        "position": None,
    }


def test_the_stream_of_an_unknown_event_is_not_found(client: TestClient) -> None:
    assert error(client.get("/events/nowhere/stream"))["code"] == "not_found"
    assert error(client.put("/events/nowhere", json=DRAFT))["code"] == "not_found"
    assert error(client.delete("/events/nowhere"))["code"] == "not_found"


def test_a_query_is_checked(client: TestClient) -> None:
    good = client.post("/query/check", json={"query": "apple", "languages": ["en"]}).json()
    assert good["ok"] and good["dialects"][0] == {"dialect": "X search", "text": "apple lang:en"} | {
        "problems": good["dialects"][0]["problems"]
    }
    bad = client.post("/query/check", json={"query": "(apple"})
    assert bad.status_code == 200
    assert (bad.json()["ok"], bad.json()["position"]) == (False, 0)
    assert error(client.post("/query/check", json={"query": "a", "languages": ["e1"]}))["field"] == "languages.0"


@pytest.mark.usefixtures("filled")
def test_the_overview_counts_and_says_what_it_rests_on(client: TestClient) -> None:
    answer = client.get(f"/events/{EVENT}/overview", params={"hours": 1})
    made = answer.json()
    assert made["counts"]["negative"] == {"raw": 2, "distinct": 1}
    assert made["shares"]["negative"]["n"] == 2
    assert made["previous_negative"]["n"] == 1
    assert made["basis"] == {
        "raw": 4,
        "distinct": 3,
        "unscored": 1,
        "models": ["tiny"],
        "live_to": "2026-11-23T12:00:00Z",
        "sources_down": ["newsapi"],
    }
    british = client.get(f"/events/{EVENT}/overview", params={"country": "gb", "source": "x"}).json()
    assert british["basis"]["raw"] == 2
    row = client.get("/events").json()["items"][0]
    assert (row["raw"], row["distinct"], row["version"]) == (5, 4, made["version"])


@pytest.mark.usefixtures("filled")
def test_the_timeline_has_a_bucket_for_each_step_with_messages(client: TestClient) -> None:
    window = {"start": "2026-11-23T11:00:00Z", "end": "2026-11-23T14:00:00+02:00", "step_s": 300}
    made = client.get(f"/events/{EVENT}/timeline", params=window).json()
    assert (made["start"], made["end"], made["step_s"]) == ("2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z", 300)
    assert [(bucket["start"][11:16], sorted(bucket["counts"])) for bucket in made["buckets"]] == [
        ("11:50", ["negative"]),
        ("11:55", ["negative", "neutral", "unscored"]),
    ]
    news = client.get(f"/events/{EVENT}/timeline", params=window | {"source": "newsapi"}).json()
    assert [list(bucket["counts"]) for bucket in news["buckets"]] == [["neutral"]]


@pytest.mark.usefixtures("filled")
def test_facets_sources_and_dead_letters(client: TestClient) -> None:
    facets = client.get(f"/events/{EVENT}/facets").json()
    assert facets["sources"] == {"x": {"raw": 4, "distinct": 3}, "newsapi": {"raw": 1, "distinct": 1}}
    assert set(facets["countries"]) == {"US", "GB", "??"}
    sources = client.get(f"/events/{EVENT}/sources").json()
    assert {source["source"]: source["state"] for source in sources["sources"]} == {"newsapi": "error", "x": "live"}
    assert sources["dead_letters"] == 2
    first = client.get(f"/events/{EVENT}/dead-letters", params={"limit": 1}).json()
    second = client.get(f"/events/{EVENT}/dead-letters", params={"limit": 1, "after": first["next"]}).json()
    assert [first["items"][0]["reason"], second["items"][0]["stage"], second["next"]] == ["no time", "parse", None]


@pytest.mark.usefixtures("filled")
def test_messages_are_paged_newest_first(client: TestClient) -> None:
    seen, after = [], {}
    while True:
        page = client.get(f"/events/{EVENT}/messages", params={"limit": 2} | after).json()
        seen += ids(page)
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == ["4", "5", "3", "2", "1"]
    unscored, _, copy, *_ = client.get(f"/events/{EVENT}/messages").json()["items"]
    assert (unscored["label"], unscored["prediction"], unscored["country"]) == ("unscored", None, None)
    assert (copy["label"], copy["duplicate_of"], copy["copies"]) == ("negative", "2", 1)
    assert copy["prediction"]["probabilities"]["negative"] == 0.8


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"label": "negative"}, ["3", "2"]),
        ({"label": "negative", "distinct": "true"}, ["2"]),
        ({"source": "newsapi"}, ["5"]),
        ({"country": "gb"}, ["3", "2"]),
        ({"country": "??"}, ["4"]),
        ({"text": "100% BAD"}, ["3", "2"]),
        ({"text": "1_0"}, []),
        ({"start": "2026-11-23T11:55:00Z", "end": "2026-11-23T11:59:00Z"}, ["5", "3"]),
        ({"end": "2026-11-23T11:00:00Z"}, ["1"]),
    ],
)
def test_messages_are_filtered(client: TestClient, where: dict[str, str], found: list[str]) -> None:
    assert ids(client.get(f"/events/{EVENT}/messages", params=where).json()) == found


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("overview?hours=nan", "hours"),
        ("overview?hours=inf", "hours"),
        ("overview?hours=1e308", "hours"),
        ("overview?hours=0", "hours"),
        ("overview?start=2026-11-23T00:00:00Z", "end"),
        ("overview?end=2026-11-23T00:00:00Z", "start"),
        ("overview?start=0001-01-01T00:00:00%2B05:00&end=0001-01-02T00:00:00Z", "start"),
        ("overview?start=9999-12-30T00:00:00Z&end=9999-12-31T23:59:59-05:00", "start"),
        ("overview?start=2026-01-01T00:00:00&end=2026-01-02T00:00:00", "start"),
        ("timeline?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "end"),
        ("timeline?start=2016-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "start"),
        ("timeline?step_s=61", "step_s"),
        ("timeline?step_s=1" + "0" * 5000, "step_s"),
        ("timeline?hours=8784&step_s=60", "step_s"),
        ("messages?limit=0", "limit"),
        ("messages?limit=501", "limit"),
        ("messages?limit=1e9", "limit"),
        ("messages?after=garbage", "after"),
        ("messages?label=angry", "label"),
        ("messages?text=%00", "text"),
        ("messages?country=USA", "country"),
        ("messages?source=", "source"),
        ("dead-letters?limit=-1", "limit"),
        ("dead-letters?after=9999999999999999999999", "after"),
    ],
)
def test_a_bad_parameter_is_named(client: TestClient, where: str, field: str) -> None:
    answer = client.get(f"/events/{EVENT}/{where}")
    assert answer.status_code == 422
    assert (error(answer)["code"], error(answer)["field"]) == ("invalid_input", field)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_post_with_a_wild_date_breaks_no_window(client: TestClient, store: Store, year: int) -> None:
    edge = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC) if year > 1 else datetime(1, 1, 1, tzinfo=UTC)
    store.put_page(EVENT, "x", [record("1", at=edge)], Progress(live_to=edge))
    for name in ("overview", "timeline", "messages", "facets", "sources"):
        assert client.get(f"/events/{EVENT}/{name}", params={"hours": 43_000}).status_code == 200


def test_health_and_readiness(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"
    ready = client.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "parts": {"store": None, "model": None}})


def test_every_operation_is_described(app: FastAPI, client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) >= 16
    for operation in operations:
        assert operation["tags"] and operation["description"]
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        assert all("example" in content for content in success.get("content", {}).values())
        assert {"401", "500", "503"} <= set(operation["responses"])
        assert operation["operationId"] == "ready" or "ErrorAnswer" in json.dumps(operation["responses"]["503"])
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_the_page_to_try_it_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "/openapi.json" in page
    assert_loads_from_here(client, page)


def assert_loads_from_here(client: TestClient, page: str) -> None:
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert {address.rpartition(".")[2] for address in loaded} >= {"js", "css"}
    assert all(address.startswith("/") for address in loaded)
    assert [client.get(address).status_code for address in loaded] == [200] * len(loaded)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("classify", Predictions),
        ("events", EventList),
        ("event", Event),
        ("check", QueryCheck),
        ("overview", Overview),
        ("timeline", Timeline),
        ("facets", Facets),
        ("messages", Messages),
        ("sources", Statuses),
        ("dead_letters", DeadLetterPage),
        ("health", Alive),
        ("ready", Health),
    ],
)
def test_the_examples_are_what_is_answered(name: str, model: type) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(model)
    assert json.loads(adapter.dump_json(adapter.validate_python(EXAMPLES[name]))) == EXAMPLES[name]


def test_it_works_behind_a_prefix(app: FastAPI) -> None:
    with TestClient(Starlette(routes=[Mount("/v1", app)])) as client:
        assert client.get("/v1/health").status_code == 200
        page = client.get("/v1/docs").text
        assert "'/v1/openapi.json'" in page
        assert_loads_from_here(client, page)
        described = client.get("/v1/openapi.json").json()
        assert described["servers"] == [{"url": "/v1"}]
        assert "/classify" in described["paths"]
        made = client.post("/v1/events", json=DRAFT | {"name": "Été 2026"})
        assert made.headers["location"] == "/v1/events/%C3%A9t%C3%A9-2026"
        assert client.get(made.headers["location"]).json()["name"] == "Été 2026"
        assert error(client.get("/v1/nothing"))["code"] == "not_found"
