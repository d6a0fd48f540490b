"""Incidents, rules, annotations and time to insight over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.adapters.incident_records import Findings
from app.adapters.store import Progress, Store
from app.core.annotations import Annotation
from app.core.detection import Lane, Memory
from app.core.dial import Dial
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from app.core.types import Event, Label
from app.core.watch import Rule, Watch
from app.services.incidents import DryRun, EventState, IncidentCard, IncidentPage, RuleView
from app.services.insight import InsightReport
from app.serving.incident_api import INCIDENT_EXAMPLES, AnnotationList, States
from tests.fakes.clock import START
from tests.serving.support import EVENT, record
from tests.serving.test_api_fuzz import BODIES, JSON_VALUES, NASTY, sound

NOTE = {"at": "2026-11-23T11:10:00Z", "kind": "statement", "text": "Our statement"}
RULE = {"alarms_per_week": 0.5, "least_size": 20, "kinds": ["volume"], "enabled": False}


def opened(number: int, minutes: float = 10, severity: Severity = Severity.HIGH) -> Update:
    """An incident that began so many minutes ago and was noticed five minutes later."""
    began = START - timedelta(minutes=minutes)
    seen = Signal(Kind.NEGATIVE_SHARE, "x", began, 0.6, 0.2, 30.0, 6.0, 5.0)
    noticed = began + timedelta(minutes=5)
    kinds = (Kind.NEGATIVE_SHARE,)
    incident = Incident(number, kinds, severity, began, noticed, noticed, None, 1, 30.0, 0, (seen,))
    return Update(Change.OPENED, noticed, incident)


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    """Two events, each with an open incident; the first with messages."""
    records = [record(f"{n}", f"bad {n}", minutes=8, label=Label.NEGATIVE) for n in range(30)]
    records += [record(f"old{n}", f"good {n}", minutes=300) for n in range(30)]
    store.put_page(EVENT, "x_stream", records, Progress(live_to=START))
    store.put_event(Event("other", "Other", "*"))
    memory = Memory(Watch(Rule()).state(), {"x": Lane(1, 0)}, START, Dial(), "default/0").as_json()
    store.incidents.advance(EVENT, 0, memory, START, Findings((opened(1),)))
    store.incidents.advance("other", 0, memory, START, Findings((opened(1, 60, Severity.WATCH),)))


def names(answer: Any) -> list[tuple[str, int]]:
    return [(item["event_id"], item["number"]) for item in answer.json()["items"]]


def test_incidents_of_all_events(client: TestClient) -> None:
    assert names(client.get("/incidents")) == [(EVENT, 1), ("other", 1)]
    assert names(client.get("/incidents", params={"severity": "high"})) == [(EVENT, 1)]
    assert names(client.get("/incidents", params={"state": "closed"})) == []
    assert names(client.get("/incidents", params={"start": "2026-11-23T11:59:00Z", "state": "open"})) != []
    first = client.get("/incidents", params={"limit": 1}).json()
    assert [item["event_id"] for item in first["items"]] == [EVENT]
    assert names(client.get("/incidents", params={"limit": 1, "after": first["next"]})) == [("other", 1)]


def test_incidents_of_one_event(client: TestClient) -> None:
    (incident,) = client.get(f"/events/{EVENT}/incidents").json()["items"]
    assert incident["headline"].startswith("Negative share 100 % (89-100), up from 0 %; 30 messages since 11:50 UTC")
    assert (incident["severity"], incident["is_open"], incident["verdict"]) == ("high", True, None)
    assert client.get("/events/nobody/incidents").status_code == 404


def test_an_incident_is_judged_and_the_verdict_withdrawn(client: TestClient) -> None:
    path = f"/events/{EVENT}/incidents/1"
    assert client.get(path).json()["changes"][0]["text"] == "opened as high: negative share"
    card = client.post(f"{path}/verdict", json={"verdict": "expected", "note": "keynote"}).json()
    assert (card["incident"]["verdict"]["verdict"], card["offer"]["text"]) == ("expected", "keynote")
    offer = {"at": card["offer"]["at"], "until": card["offer"]["until"], "times": card["offer"]["times"]}
    made = client.post(f"/events/{EVENT}/annotations", json={**offer, "kind": "expected", "text": "keynote"})
    assert made.status_code == 201
    assert client.get(path).json()["offer"] is None
    card = client.delete(f"{path}/verdict").json()
    assert card["incident"]["verdict"] is None
    assert [line["verdict"] for line in card["verdicts"]] == ["expected", None]
    assert client.delete(f"{path}/verdict").status_code == 404
    assert client.get(f"/events/{EVENT}/incidents/2").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "verdict"), ({"verdict": "maybe"}, "verdict"), ({"verdict": "real", "note": 1}, "note")],
)
def test_a_verdict_that_is_none_is_named(client: TestClient, body: object, field: str) -> None:
    answer = client.post(f"/events/{EVENT}/incidents/1/verdict", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_states_say_where_something_is_wrong(client: TestClient) -> None:
    states = {item["event_id"]: (item["state"], item["text"]) for item in client.get("/states").json()["items"]}
    assert states == {
        EVENT: ("incident", "incident 1"),
        "other": ("watch", "watch: incident 1; no data: no source is followed"),
    }
    assert client.get(f"/events/{EVENT}/state").json()["incident"]["number"] == 1
    assert client.get("/events/nobody/state").status_code == 404


def test_a_rule_is_read_set_and_tried(client: TestClient) -> None:
    path = f"/events/{EVENT}/rule"
    assert client.get(path).json()["is_default"]
    changed = client.put(path, json=RULE).json()
    assert changed == client.get(path).json()
    assert changed["rule"] == {"calm_minutes": 60.0, "cooldown_hours": 18.0} | RULE | {"least_size": 20.0}
    tried = client.post(f"{path}/dry-run", json={"least_size": 1_000}, params={"days": 7}).json()
    assert (tried["fired"], tried["incidents"]) == (0, [])
    assert tried["text"].startswith("This rule would not have fired in the 0.")
    assert client.get(path).json() == changed
    for refused in (
        client.put(path, json={"alarms_per_week": 0}),
        client.put(path, json={"kinds": []}),
        client.put(path, json={"kinds": ["weather"]}),
        client.post(f"{path}/dry-run", json={}, params={"days": 31}),
    ):
        assert refused.status_code == 422


def test_annotations_live_and_die(app: FastAPI) -> None:
    with TestClient(Starlette(routes=[Mount("/v1", app)])) as client:
        path = f"/v1/events/{EVENT}/annotations"
        made = client.post(path, json=NOTE)
        place = made.headers["location"]
        assert place == f"{path}/{made.json()['id']}"
        assert client.get(path).json()["items"] == [made.json()]
        assert client.get(path, params={"start": "2026-11-23T11:11:00Z"}).json()["items"] == []
        assert client.put(place, json=NOTE | {"text": "Better"}).json()["text"] == "Better"
        assert client.delete(place).status_code == 204
        assert client.delete(place).status_code == 404
        assert client.get(path).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"at": "2026-11-23T11:10:00"}, "at"),
        ({"until": "2026-11-23T11:00:00Z"}, "until"),
        ({"text": ""}, "text"),
        ({"text": "\0"}, "text"),
        ({"times": 3}, "times"),
        ({"kind": "system"}, "kind"),
        ({"kind": "expected", "times": 1}, "times"),
    ],
)
def test_an_annotation_that_cannot_be_is_named(client: TestClient, change: dict[str, object], field: str) -> None:
    answer = client.post(f"/events/{EVENT}/annotations", json=NOTE | change)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_time_to_insight_is_recorded_and_told(client: TestClient) -> None:
    path = f"/events/{EVENT}/incidents/1"
    for step in ("shown", "evidence", "shown"):
        assert client.post(f"{path}/steps", json={"step": step}).status_code == 204
    client.post(f"{path}/verdict", json={"verdict": "real"})
    told = {(each["start"], each["end"]): each["incidents"] for each in client.get("/insight").json()["stretches"]}
    assert told[("noticed", "shown")] == told[("shown", "evidence")] == told[("began", "verdict")] == 1
    assert client.get("/insight", params={"event_id": "other"}).json()["event_id"] == "other"
    assert client.get("/insight", params={"event_id": "nobody"}).status_code == 404
    assert client.post(f"{path}/steps", json={"step": "verdict"}).status_code == 422
    assert client.post(f"/events/{EVENT}/incidents/9/steps", json={"step": "shown"}).status_code == 404


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("incidents", IncidentPage),
        ("incident", IncidentCard),
        ("state", EventState),
        ("states", States),
        ("rule", RuleView),
        ("dry_run", DryRun),
        ("annotation", Annotation),
        ("annotations", AnnotationList),
        ("insight", InsightReport),
    ],
)
def test_the_examples_are_what_is_answered(name: str, model: type) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(model)
    example = INCIDENT_EXAMPLES[name]
    assert json.loads(adapter.dump_json(adapter.validate_python(example))) == example


# Whatever is sent

READS = (
    ("/incidents", ("state", "severity", "start", "end", "limit", "after")),
    (f"/events/{EVENT}/incidents", ("state", "severity", "start", "end", "limit", "after")),
    (f"/events/{EVENT}/annotations", ("start", "end")),
    ("/insight", ("event_id",)),
)
WRITES = (
    ("POST", f"/events/{EVENT}/incidents/1/verdict"),
    ("POST", f"/events/{EVENT}/incidents/1/steps"),
    ("PUT", f"/events/{EVENT}/rule"),
    ("POST", f"/events/{EVENT}/rule/dry-run"),
    ("POST", f"/events/{EVENT}/annotations"),
    ("PUT", f"/events/{EVENT}/annotations/x"),
)
FIELDS = (
    *("verdict", "note", "step", "alarms_per_week", "kinds", "least_size", "calm_minutes", "cooldown_hours"),
    *("enabled", "at", "until", "kind", "text", "times", "\ud800"),
)
TRIALS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize(("path", "parameters"), READS)
def test_one_wild_parameter(client: TestClient, path: str, parameters: tuple[str, ...]) -> None:
    for parameter in parameters:
        for value in NASTY:
            answer = client.get(path, params={parameter: value})
            sound(answer.status_code, answer.content, (parameter, value))


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_wild_bodies(client: TestClient, method: str, path: str) -> None:
    for body in BODIES:
        answer = client.request(method, path, content=body, headers={"content-type": "application/json"})
        sound(answer.status_code, answer.content, body)
    for read in ("rule", "incidents", "annotations", "state"):
        assert client.get(f"/events/{EVENT}/{read}").status_code == 200  # what was taken can be read


@TRIALS
@given(st.sampled_from(WRITES), st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=6) | JSON_VALUES)
def test_wild_json(client: TestClient, to: tuple[str, str], body: object) -> None:
    content = json.dumps(body).encode()
    answer = client.request(*to, content=content, headers={"content-type": "application/json"})
    sound(answer.status_code, answer.content, body)


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "1.5", "%00", "1e3"])
def test_wild_numbers(client: TestClient, number: str) -> None:
    for path in ("", "/verdict"):
        answer = client.request("DELETE" if path else "GET", f"/events/{EVENT}/incidents/{number}{path}")
        sound(answer.status_code, answer.content, number)
        assert answer.status_code in (404, 422)


@pytest.mark.parametrize("name", ["%00", "a" * 300, "%F0%9F%98%80", "source:x_stream:1"])
def test_wild_annotation_ids(client: TestClient, name: str) -> None:
    answer = client.delete(f"/events/{EVENT}/annotations/{name}")
    sound(answer.status_code, answer.content, name)
    assert answer.status_code in (404, 405, 422)
