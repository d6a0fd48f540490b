"""Evidence over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from app.adapters.records import Progress
from app.adapters.store import Store
from app.core.types import Label
from app.serving.evidence_api import EVIDENCE_EXAMPLES, EvidenceAnswer
from tests.serving.support import EVENT, record

HOME = f"/events/{EVENT}/evidence"
HOUR = {"start": "2026-11-23T11:00:00Z", "end": "2026-11-23T12:00:00Z"}
WORDS = ("shop", "screen", "queue", "light", "city", "train", "glass")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    """A day of chatter, then an hour in which many ask for a refund; one of them with markup in it."""
    calm = [
        record(f"b{n}", f"{WORDS[n % 7]} {WORDS[n % 5]} good", minutes=61 + 10 * n, label=Label.POSITIVE)
        for n in range(140)
    ]
    loud = [
        record(f"m{n:02}", f"{WORDS[n % 7]} refund refused", minutes=1 + n, label=Label.NEGATIVE, country="GB")
        for n in range(40)
    ]
    store.put_page(EVENT, "x", [*calm, *loud], Progress())
    store.put_page(EVENT, "x", [record("evil", f"{HOSTILE} refund refused", minutes=50)], Progress())


def card(client: TestClient, **parameters: str) -> dict[str, Any]:
    answer = client.get(HOME, params=HOUR | parameters)
    assert answer.status_code == 200
    made: dict[str, Any] = answer.json()
    return made


def messages(client: TestClient, **parameters: str | int) -> dict[str, Any]:
    made: dict[str, Any] = client.get(f"{HOME}/messages", params={**HOUR, **parameters}).json()
    return made


def test_a_card_names_its_phrases_and_on_what_it_rests(client: TestClient) -> None:
    made = card(client)
    assert (made["start"], made["end"], made["label"], made["against"]) == (*HOUR.values(), None, "before")
    assert made["window"] == HOUR | {"messages": 41, "read": 41}
    assert made["before"]["messages"] == 140
    phrase = made["phrases"][0]
    assert (phrase["text"], phrase["statement"], phrase["authors"]) == ("refund refused", "phrase:refund refused", 41)
    assert (phrase["times"], phrase["authors_before"], phrase["texts"]) == (None, 0, 41)
    assert phrase["counts"] == {"negative": {"raw": 40, "distinct": 40}, "positive": {"raw": 1, "distinct": 1}}
    assert made["stories"][0]["first"]["id"] == made["first"]["id"] == "evil"
    assert [part["key"] for part in made["rise"]["country"]] == ["GB", None]
    for parts in made["rise"].values():
        assert sum(part["rise"] for part in parts) == pytest.approx(made["rate"] - made["rate_before"])


def test_each_statement_opens_its_messages(client: TestClient) -> None:
    made = card(client)
    statements = [each["statement"] for each in (*made["phrases"], *made["stories"])]
    statements += [part["statement"] for parts in made["rise"].values() for part in parts if part["statement"]]
    assert len(statements) >= 4
    for statement in statements:
        assert messages(client, statement=statement)["items"]
    first = messages(client, statement="phrase:refund refused", limit=30)
    second = messages(client, statement="phrase:refund refused", limit=30, after=first["next"])
    ids = [item["id"] for item in (*first["items"], *second["items"])]
    assert (len(ids), second["next"]) == (41, None)
    assert set(ids) == {"evil", *(f"m{n:02}" for n in range(40))}
    assert {item["text"] for item in second["items"]} >= {f"{HOSTILE} refund refused"}  # as it was sent


def test_filters_choose_what_is_explained(client: TestClient) -> None:
    assert card(client, country="gb")["window"]["messages"] == 40
    assert card(client, source="newsapi")["window"]["messages"] == 0
    assert card(client, label="negative")["window"]["messages"] == 40
    rest = card(client, label="negative", against="rest")
    assert rest["rest"] == HOUR | {"messages": 1, "read": 1}
    assert client.get(HOME, params={"hours": 1}).json()["window"]["messages"] > 0


@pytest.mark.parametrize(
    ("path", "parameters", "status", "field"),
    [
        ("", {"against": "rest"}, 422, "label"),
        ("", {"against": "rest", "label": "unscored"}, 422, "label"),
        ("", {"against": "yesterday"}, 422, "against"),
        ("", {"label": "angry"}, 422, "label"),
        ("", {"start": HOUR["end"], "end": HOUR["start"]}, 422, "end"),
        ("", {"source": "\0"}, 422, "source"),
        ("/messages", {}, 422, "statement"),
        ("/messages", {"statement": "phrase:" + "a" * 700}, 422, "statement"),
        ("/messages", {"statement": "phrase:unheard of"}, 404, "statement"),
        ("/messages", {"statement": "phrase:refund refused", "after": "x"}, 422, "after"),
        ("/messages", {"statement": "phrase:refund refused", "limit": "501"}, 422, "limit"),
    ],
)
def test_what_cannot_be_answered_is_named(
    client: TestClient, path: str, parameters: dict[str, str], status: int, field: str
) -> None:
    answer = client.get(f"{HOME}{path}", params=HOUR | parameters)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


def test_an_unknown_event_is_not_found(client: TestClient) -> None:
    assert client.get("/events/nowhere/evidence").status_code == 404
    assert client.get("/events/nowhere/evidence/messages", params={"statement": "phrase:a"}).status_code == 404


def test_the_example_is_what_is_answered() -> None:
    adapter = TypeAdapter(EvidenceAnswer)
    example = EVIDENCE_EXAMPLES["card"]
    assert json.loads(adapter.dump_json(adapter.validate_python(example))) == example
