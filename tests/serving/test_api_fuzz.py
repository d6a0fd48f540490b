"""Whatever is sent: an answer below 500, and a refusal in the one shape."""

import asyncio
import json
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.serving.support import EVENT, drive

READS = (
    "",
    "/overview",
    "/timeline",
    "/facets",
    "/messages",
    "/sources",
    "/dead-letters",
    "/feedback",
    "/feedback/queue",
    "/feedback/summary",
)
PARAMETERS = (
    "who",
    "hours",
    "start",
    "end",
    "step_s",
    "source",
    "country",
    "label",
    "text",
    "distinct",
    "limit",
    "after",
)
NASTY = (
    "", " ", "0", "-1", "1", "60", "1e9", "1e308", "nan", "inf", "-inf", "NaN", "true", "null", "9" * 400, "9" * 5000,
    "-" + "9" * 30, str(2**63), str(-(2**63) - 1), "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "2026-11-23T12:00:00Z", "2026-11-23", "-0001-01-01",
    "12:00", "\0", "a\0b", "\ufffe", "\U0001f600", "'; DROP TABLE events; --", "%", "_" * 499, "\\", "WzEsIjEiXQ==",
    "W251bGwsICIxIl0=", "WzFlMzA4LCAiMSJd", "W1tbW1tbW1tbW1tb", "é" * 300, "??", "us", "negative",
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("text", "texts", "name", "query", "languages", "countries", "starts_at", "ends_at", "read_budget", "\ud800")
TRIALS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def sound(status: int, body: bytes, what: object) -> None:
    assert status < 500, (status, body[:300], what)
    made = json.loads(body.decode()) if body else None
    json.dumps(made, ensure_ascii=False).encode()  # no lone surrogates either
    if status >= 400:
        assert set(made) == {"error"}
        assert set(made["error"]) == {"code", "message", "field", "position"}
        assert len(made["error"]["message"]) <= 500


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("/overview", ("hours", "start", "end", "source", "country")),
        ("/timeline", ("step_s",)),
        ("/messages", ("start", "end", "label", "text", "distinct", "limit", "after")),
        ("/dead-letters", ("limit", "after")),
    ],
)
def test_one_wild_parameter(client: TestClient, name: str, parameters: tuple[str, ...]) -> None:
    for parameter in parameters:
        for value in NASTY:
            answer = client.get(f"/events/{EVENT}{name}", params={parameter: value})
            sound(answer.status_code, answer.content, (parameter, value))


@TRIALS
@given(st.sampled_from(READS), st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(NASTY) | st.text()))
def test_wild_parameters_together(client: TestClient, name: str, parameters: dict[str, str]) -> None:
    readable = {key: value.encode(errors="replace").decode() for key, value in parameters.items()}
    answer = client.get(f"/events/{EVENT}{name}", params=readable)
    sound(answer.status_code, answer.content, parameters)


@pytest.mark.parametrize("name", [*READS, "/stream", "/nothing"])
def test_wild_ids(app: FastAPI, name: str) -> None:
    async def ask() -> None:
        for event_id in ("\0", "a\0b", "\ud800", "a" * 10_000, "é" * 200, "..", "%2e%2e", " ", "\n", "'", "\u202e"):
            for method in ("GET", "DELETE"):
                answer = await drive(app, f"/events/{event_id}{name}", method=method)
                sound(answer.status, answer.body, (method, event_id[:20]))
                assert answer.status in (404, 405, 422)

    asyncio.run(ask())


WRITES = [
    ("POST", "/classify"),
    ("POST", "/events"),
    ("PUT", f"/events/{EVENT}"),
    ("POST", f"/events/{EVENT}/feedback"),
    ("POST", "/compare"),
]
BODIES = [
    b"", b"null", b"[]", b"1", b'"\\ud800"', b"{", b"\xff\xfe", b"\x00", b"NaN", b"[" * 1_900, b'{"a":' * 380,
    b'{"texts": ["\\ud800"]}', b'{"text": "\\udfff\\ud800"}', b'{"text": "\\u0000"}', b'{"text": NaN}',
    b'{"texts": [[[[]]]]}', b'{"\\ud800": "\\ud800"}', b'{"text": ' + b"9" * 1_900 + b"}", b'{"text": 1e999}',
    b'{"query": "\\ud800"}', b'{"query": "\\"\\ud800"}', b'{"query": "\\u0000"}', b'{"query": "#\\ud800"}',
    b'{"query": "' + b"(" * 1_900 + b'"}', b'{"query": "' + b"-" * 1_900 + b'a"}',
    b'{"query": "a", "languages": ["\\ud800"]}',
    b'{"name": "\\ud800", "query": "a"}', b'{"name": "a\\ud800", "query": "a"}', b'{"name": "\\u0000", "query": "a"}',
    b'{"name": "a", "query": "a\\ud800 b"}', b'{"name": "b", "query": "a", "countries": ["\\ud800a"]}',
    b'{"name": "b", "query": "a", "starts_at": "0001-01-01T00:00:00+10:00"}',
    b'{"name": "b", "query": "a", "ends_at": 1e308}', b'{"name": "b", "query": "a", "ends_at": 253402300800}',
    b'{"name": "b", "query": "a", "ends_at": NaN}', b'{"name": "b", "query": "a", "read_budget": NaN}',
    b'{"name": "b", "query": "a", "read_budget": 1e400}', b'{"name": "' + "é".encode() * 120 + b'", "query": "a"}',
    b'{"name": "' + "\U0001d49c".encode() * 120 + b'", "query": "a"}',
    b'{"message_id": "\\ud800", "verdict": "neutral"}', b'{"message_id": "\\u0000", "verdict": "neutral"}',
    b'{"message_id": "a", "verdict": "neutral", "who": "\\ud800"}',
    b'{"sides": [{"event_id": "\\ud800"}, {"event_id": "\\u0000"}]}', b'{"sides": [{}, {}]}', b'{"sides": 7}',
    b'{"sides": [{"event_id": "apple-launch", "hours": 1e308}, {"event_id": "apple-launch", "hours": NaN}]}',
    b'{"sides": [{"event_id": "apple-launch", "source": "\\ud800"}, {"event_id": "apple-launch"}]}',
    b'{"sides": [{"event_id": "apple-launch", "start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"},'
    b' {"event_id": "apple-launch", "country": "\\u0000\\u0000"}]}',
    b'{"sides": [{"event_id": "apple-launch"}, {"event_id": "apple-launch"}], "step_s": 1e400}',
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_wild_bodies(client: TestClient, method: str, path: str) -> None:
    for body in BODIES:
        answer = client.request(method, path, content=body, headers={"content-type": "application/json"})
        sound(answer.status_code, answer.content, body)
    assert client.get("/events").status_code == 200  # what was taken can be read


def test_wild_queries_to_check(client: TestClient) -> None:
    for body in BODIES:
        answer = client.post("/query/check", content=body, headers={"content-type": "application/json"})
        sound(answer.status_code, answer.content, body)


@TRIALS
@given(
    st.sampled_from(
        [("POST", "/classify"), ("POST", "/events"), ("PUT", f"/events/{EVENT}"), ("POST", "/query/check")]
    ),
    st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=5) | JSON_VALUES,
)
def test_wild_json(client: TestClient, to: tuple[str, str], body: object) -> None:
    content = json.dumps(body).encode()
    answer = client.request(*to, content=content, headers={"content-type": "application/json"})
    sound(answer.status_code, answer.content, body)


@TRIALS
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_wild_addresses(client: TestClient, text: str) -> None:
    for path in (f"/{quote(text, safe='')}", f"/events/{quote(text, safe='')}/overview"):
        answer = client.get(path)
        if answer.headers.get("content-type") == "application/json":
            sound(answer.status_code, answer.content, path)
        assert answer.status_code < 500
