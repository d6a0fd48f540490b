"""Feedback over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from app.adapters.feedback_tables import JudgementPage
from app.adapters.records import Progress
from app.adapters.store import Store
from app.core.types import Label
from app.services.feedback import FeedbackSummary, Judged
from app.serving.feedback_api import FEEDBACK_EXAMPLES, QueueAnswer
from tests.serving.support import EVENT, record

HOME = f"/events/{EVENT}/feedback"
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    """Ten messages, one of them hostile, one unscored."""
    good = [record(f"m{number}", f"good {number}", minutes=number) for number in range(8)]
    odd = [record("evil", HOSTILE, label=Label.NEGATIVE), record("ja", "?", label=None)]
    store.put_page(EVENT, "x", [*good, *odd], Progress())


def post(client: TestClient, body: object, to: str = "") -> Any:
    return client.post(f"{HOME}{to}", json=body)


def test_a_message_is_asked_for_judged_shown_and_taken_back(client: TestClient) -> None:
    queue = client.get(f"{HOME}/queue", params={"who": "ann", "limit": 20}).json()
    asked = [item["message"]["id"] for item in queue["items"]]
    assert sorted(asked) == ["evil", *(f"m{number}" for number in range(8))]
    assert queue["items"][0]["message"]["prediction"]["label"] in ("positive", "negative")
    first = queue["items"][0]
    body = {"message_id": first["message"]["id"], "verdict": "neutral", "stratum": first["stratum"], "who": "ann"}
    made = post(client, body)
    assert made.status_code == 200
    row = made.json()["judgement"]
    assert (row["verdict"], row["who"], row["said"]) == ("neutral", "ann", first["message"]["label"])
    assert made.json()["feedback"]["verdict"] == "neutral"
    assert post(client, body).json()["judgement"] == row  # sent again after a lost answer
    shown = {item["id"]: item for item in client.get(f"/events/{EVENT}/messages").json()["items"]}
    assert shown[row["message_id"]]["feedback"]["who"] == "ann"
    assert shown[row["message_id"]]["label"] == first["message"]["label"]
    assert len(client.get(f"{HOME}/queue", params={"who": "ann"}).json()["items"]) == 8
    taken = post(client, {"who": "ann"}, "/undo").json()
    assert (taken["judgement"], taken["feedback"]) == (row, None)
    log = client.get(HOME).json()["items"]
    assert [(each["verdict"], each["undoes"]) for each in log] == [("undone", row["id"]), ("neutral", None)]


def test_the_summary_counts_the_random_part(client: TestClient) -> None:
    for number, verdict in enumerate(["positive", "negative", "off_topic"]):
        post(client, {"message_id": f"m{number}", "verdict": verdict, "stratum": "random", "who": "ann"})
    found = client.get(f"{HOME}/summary").json()
    assert (found["quality"]["accuracy"]["value"], found["quality"]["accuracy"]["n"]) == (0.5, 2)
    assert found["quality"]["confusion"] == [[0, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert found["models"][0]["model"] == "tiny"
    assert (found["messages"], found["strata"]["random"]) == (3, 3)


def test_the_log_is_paged(client: TestClient) -> None:
    for number in range(3):
        post(client, {"message_id": f"m{number}", "verdict": "neutral"})
    first = client.get(HOME, params={"limit": 2}).json()
    second = client.get(HOME, params={"limit": 2, "after": first["next"]}).json()
    ids = [row["message_id"] for row in first["items"] + second["items"]]
    assert (ids, second["next"]) == (["m2", "m1", "m0"], None)
    assert first["items"][0]["who"] == "analyst"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"message_id": "nothing", "verdict": "neutral"}, 404, "message_id"),
        ({"message_id": "m1", "verdict": "angry"}, 422, "verdict"),
        ({"message_id": "m1", "verdict": "undone"}, 422, "verdict"),
        ({"message_id": "m1", "verdict": "neutral", "stratum": "why"}, 422, "stratum"),
        ({"message_id": "m1", "verdict": "neutral", "who": " "}, 422, "who"),
        ({"message_id": "m1", "verdict": "neutral", "who": "a\0"}, 422, "who"),
        ({"message_id": "m1", "verdict": "neutral", "who": "a" * 61}, 422, "who"),
        ({"message_id": "", "verdict": "neutral"}, 422, "message_id"),
        ({"verdict": "neutral"}, 422, "message_id"),
        ({"message_id": "m1", "verdict": "neutral", "label": "x"}, 422, "label"),
    ],
)
def test_what_cannot_be_said_is_named(client: TestClient, body: object, status: int, field: str) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert client.get(HOME).json()["items"] == []


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("/queue?limit=0", "limit"),
        ("/queue?limit=101", "limit"),
        ("/queue?who=", "who"),
        ("/queue?who=%00", "who"),
        ("?limit=501", "limit"),
        ("?after=x", "after"),
    ],
)
def test_a_bad_parameter_is_named(client: TestClient, where: str, field: str) -> None:
    answer = client.get(f"{HOME}{where}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_an_unknown_event_is_not_found(client: TestClient) -> None:
    for name in ("", "/queue", "/summary"):
        assert client.get(f"/events/nowhere/feedback{name}").status_code == 404
    for name, body in (("", {"message_id": "m1", "verdict": "neutral"}), ("/undo", {})):
        assert client.post(f"/events/nowhere/feedback{name}", json=body).status_code == 404
    assert post(client, {}, "/undo").json()["error"]["field"] == "who"


def test_a_body_must_say_that_it_is_json(client: TestClient) -> None:
    body = json.dumps({"message_id": "m1", "verdict": "neutral"})
    assert client.post(HOME, content=body, headers={"content-type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("name", "model"),
    [("queue", QueueAnswer), ("judged", Judged), ("summary", FeedbackSummary), ("rows", JudgementPage)],
)
def test_the_examples_are_what_is_answered(name: str, model: type) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(model)
    given = FEEDBACK_EXAMPLES[name]
    assert json.loads(adapter.dump_json(adapter.validate_python(given))) == given
