"""The size of a body, the token, the one shape of error, and a loop that stays free."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import event
from starlette.testclient import TestClient

from app.adapters.store import Store
from app.core.errors import ConfigError
from app.service import Service
from app.serving.api import build_api
from app.settings import Settings
from tests.serving.support import EVENT, TOKEN, classify, drive

JSON_TYPE = (b"content-type", b"application/json")
SHAPE = {"code", "message", "field", "position"}


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status
    said = answer.json()["error"]
    assert set(said) == SHAPE
    assert said["code"] == code
    return dict(said)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_declared_too_large_is_not_read(app: FastAPI, method: str) -> None:
    headers = [JSON_TYPE, (b"content-length", b"2001")]
    answer = asyncio.run(drive(app, "/classify", method=method, headers=headers, chunks=()))
    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == "too_large"


@pytest.mark.parametrize("declared", [(), ((b"content-length", b"10"),), ((b"content-length", b"1" * 5000),)])
def test_a_body_that_grows_too_large_is_cut_off(app: FastAPI, declared: tuple[tuple[bytes, bytes], ...]) -> None:
    chunks = [b"x" * 500] * 100
    answer = asyncio.run(drive(app, "/classify", method="POST", headers=[JSON_TYPE, *declared], chunks=chunks))
    assert answer.status == 413
    assert set(json.loads(answer.body)["error"]) == SHAPE


def test_a_body_as_large_as_allowed_is_taken(client: TestClient) -> None:
    body = json.dumps({"text": "good"}).ljust(2_000).encode()
    assert client.post("/classify", content=body, headers={"content-type": "application/json"}).status_code == 200
    refused(
        client.post("/classify", content=body + b" ", headers={"content-type": "application/json"}), 413, "too_large"
    )


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json", "application/"])
@pytest.mark.parametrize("path", ["/classify", "/events", "/query/check"])
def test_a_body_must_be_declared_as_json(client: TestClient, path: str, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    refused(client.post(path, content=b'{"text": "a"}', headers=headers), 415, "unsupported_media_type")


def test_other_kinds_of_json_are_taken(client: TestClient) -> None:
    headers = {"content-type": "application/vnd.api+json; charset=utf-8"}
    assert client.post("/classify", content=b'{"text": "a"}', headers=headers).status_code == 200


def test_broken_json_is_pointed_at(client: TestClient) -> None:
    answer = client.post("/classify", content=b'{"text": }', headers={"content-type": "application/json"})
    assert refused(answer, 422, "invalid_json")["position"] == 9


def test_unknown_addresses_and_methods(client: TestClient) -> None:
    refused(client.get("/nothing"), 404, "not_found")
    refused(client.get("/events/"), 404, "not_found")
    answer = client.patch("/classify")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_when_the_classifier_has_no_place_or_no_answer(client: TestClient) -> None:
    busy = client.post("/classify", json={"text": "queue full"})
    refused(busy, 503, "overloaded")
    assert busy.headers["retry-after"] == "3"
    refused(client.post("/classify", json={"text": "broken"}), 503, "classifier_failed")


def test_an_unexpected_error_is_logged_and_not_told(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="app.serving.limits"):
        said = refused(client.post("/classify", json={"text": "crash"}), 500, "internal")
    assert "secret" not in said["message"]
    (entry,) = caplog.records
    assert said["message"].rpartition(" ")[2] in entry.getMessage()
    assert "a secret of the inside" in caplog.text


@pytest.fixture
def broken(tmp_path: Path, settings: Settings) -> Iterator[TestClient]:
    """An API whose database has no tables."""
    with Store(f"sqlite:///{tmp_path}/empty.db") as store:
        app = build_api(Service(store, classify, settings), classify, settings)
        with TestClient(app) as client:
            yield client


def test_a_refusing_database_is_a_503(broken: TestClient) -> None:
    for path in ("/events", "/events/a", "/events/a/overview", "/events/a/stream"):
        answer = broken.get(path)
        refused(answer, 503, "store_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert broken.get("/health").status_code == 200
    ready = broken.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["parts"]["model"] is None
    assert "migrate" in ready.json()["parts"]["store"]


@pytest.fixture
def guarded(service: Service, settings: Settings) -> FastAPI:
    return build_api(service, classify, settings.model_copy(update={"api_token": SecretStr(TOKEN)}))


def test_a_token_opens_what_is_guarded(guarded: FastAPI) -> None:
    with TestClient(guarded) as client:
        for path in ("/events", "/docs", "/openapi.json", "/nothing", f"/events/{EVENT}/stream"):
            answer = client.get(path)
            refused(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for header in ("Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x"):
            refused(client.get("/events", headers={"authorization": header}), 401, "unauthorized")
        assert client.get("/events", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        described = client.get("/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}).json()
        assert described["paths"]["/classify"]["post"]["security"] == [{"HTTPBearer": []}]


def test_the_open_addresses_are_open_behind_a_prefix_too(guarded: FastAPI) -> None:
    assert asyncio.run(drive(guarded, "/health", prefix="/v1")).status == 200
    assert asyncio.run(drive(guarded, "/events", prefix="/v1")).status == 401
    odd = [(b"authorization", b"Bearer \xff\xfe")]
    assert asyncio.run(drive(guarded, "/events", prefix="/v1", headers=odd)).status == 401


def test_a_large_body_without_token_is_not_read(guarded: FastAPI) -> None:
    answer = asyncio.run(drive(guarded, "/classify", method="POST", headers=[JSON_TYPE], chunks=()))
    assert answer.status == 401


def test_without_token_nobody_is_told_where_the_database_is(tmp_path: Path, settings: Settings) -> None:
    with Store(f"sqlite:///{tmp_path}/empty.db") as store:
        guarded = settings.model_copy(update={"api_token": SecretStr(TOKEN)})
        with TestClient(build_api(Service(store, classify, guarded), classify, guarded)) as client:
            assert client.get("/ready").json() == {"ready": False, "parts": {"store": "does not work", "model": None}}


def test_an_empty_token_is_no_protection(service: Service, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="EVENTPULSE_API_TOKEN"):
        build_api(service, classify, settings.model_copy(update={"api_token": SecretStr(" ")}))


def test_a_slow_database_does_not_hold_up_others(app: FastAPI, store: Store) -> None:
    slow, go_on = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        slow.set()
        assert go_on.wait(10)

    async def both() -> tuple[int, int]:
        event.listen(store.engine, "before_cursor_execute", hold)
        waiting = asyncio.create_task(drive(app, "/events"))
        await asyncio.to_thread(slow.wait, 10)
        quick = await drive(app, "/health")
        assert not waiting.done()
        go_on.set()
        return quick.status, (await waiting).status

    assert asyncio.run(both()) == (200, 200)
