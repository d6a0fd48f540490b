"""Comparison over HTTP."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from app.adapters.records import Progress
from app.adapters.store import Store
from app.core.types import Label
from app.services.before_after import BeforeAfter
from app.services.comparison import Comparison
from app.serving.comparison_api import COMPARISON_EXAMPLES
from tests.fakes.clock import START
from tests.serving.support import EVENT, record

FIRST = {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T11:00:00Z"}
SECOND = {"start": "2026-11-23T11:00:00Z", "end": "2026-11-23T12:00:00Z"}
MOMENT = "2026-11-23T11:00:00Z"


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    """Praise until eleven, then anger."""
    calm = [record(f"b{n}", f"good {n}", minutes=61 + n / 2, label=Label.POSITIVE) for n in range(100)]
    loud = [record(f"m{n}", f"bad {n}", minutes=1 + n / 2, label=Label.NEGATIVE) for n in range(100)]
    first = record("first", "good morning", minutes=600)
    store.put_page(EVENT, "x", [first, *calm, *loud], Progress(live_to=START))


def test_windows_are_compared(client: TestClient) -> None:
    sides = [{"event_id": EVENT, "name": name, **window} for name, window in (("A", FIRST), ("B", SECOND))]
    answer = client.post("/compare", json={"sides": sides, "step_s": 3600})
    assert answer.status_code == 200
    made = answer.json()
    first, second = made["sides"]
    assert (made["step_s"], made["align"], first["name"], second["name"]) == (3600, "start", "A", "B")
    assert first["classified"]["positive"]["value"] == second["classified"]["negative"]["value"] == 1.0
    assert first["differences"] == {}
    assert second["differences"]["negative"]["verdict"] == "higher"
    assert first["voice"]["value"] == 0.5
    assert [bucket["offset_s"] for bucket in second["buckets"]] == [0]
    assert made["warnings"] == [
        f'"{name}" is not corrected for the classifier\'s errors: the errors of tiny were not measured' for name in "AB"
    ]


def test_before_and_after_a_moment_or_an_annotation(client: TestClient) -> None:
    home = f"/events/{EVENT}"
    found = client.get(f"{home}/before-after", params={"at": MOMENT, "hours": 1}).json()
    assert found["comparison"]["sides"][1]["differences"]["negative"]["verdict"] == "higher"
    assert found["sentence"].startswith("Negative share 100 %")
    assert (found["annotation"], found["hours"]) == (None, 1.0)
    note = {"at": MOMENT, "kind": "statement", "text": "Our statement"}
    made = client.post(f"{home}/annotations", json=note).json()
    again = client.get(f"{home}/before-after", params={"annotation": made["id"], "hours": 1, "source": "x"}).json()
    assert (again["annotation"]["text"], again["at"]) == ("Our statement", MOMENT)
    assert again["comparison"]["sides"][0]["source"] == "x"


@pytest.mark.parametrize(
    ("sides", "status", "field"),
    [
        ([{"event_id": EVENT}], 422, "sides"),
        ([{"event_id": EVENT}, {"event_id": "no-such"}], 404, "sides.1.event_id"),
        ([{"event_id": EVENT}, {"event_id": EVENT, "hours": 0}], 422, "sides.1.hours"),
        ([{"event_id": EVENT, "start": MOMENT}, {"event_id": EVENT}], 422, "sides.0.end"),
        ([{"event_id": EVENT, "start": "2026-11-23T10:00:00", "end": MOMENT}] * 2, 422, "sides.0.start"),
        ([{"event_id": EVENT, "colour": "red"}, {"event_id": EVENT}], 422, "sides.0.colour"),
    ],
)
def test_what_is_refused_is_named(client: TestClient, sides: list[object], status: int, field: str) -> None:
    answer = client.post("/compare", json={"sides": sides})
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 422),
        ({"annotation": "no-such"}, 404),
        ({"at": "2030-01-01T00:00:00Z"}, 422),
        ({"at": MOMENT, "hours": 0}, 422),
    ],
)
def test_moments_that_cannot_be_compared_are_refused(
    client: TestClient, parameters: dict[str, str], status: int
) -> None:
    assert client.get(f"/events/{EVENT}/before-after", params=parameters).status_code == status
    assert client.get("/events/no-such/before-after", params={"at": MOMENT}).status_code == 404


@pytest.mark.parametrize(("name", "model"), [("comparison", Comparison), ("before_after", BeforeAfter)])
def test_the_examples_are_what_is_answered(name: str, model: type) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(model)
    example = COMPARISON_EXAMPLES[name]
    assert adapter.dump_python(adapter.validate_python(example), mode="json") == example
