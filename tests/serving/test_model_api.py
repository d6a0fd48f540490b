from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.core.errors import ConfigError
from app.serving.model_api import build_classify_api
from app.settings import Settings
from tests.serving.support import TOKEN, classify


@pytest.fixture
def client() -> Iterator[TestClient]:
    """The application where Serve mounts it: everything before the route is `root_path`."""
    with TestClient(build_classify_api(classify, Settings(max_batch=3)), root_path="/v1/classify") as made:
        yield made


def test_the_prefix_itself_is_the_address(client: TestClient) -> None:
    for address in ("/v1/classify", "/v1/classify/"):
        answer = client.post(address, json={"texts": ["good", "bad"], "ids": ["1", "2"], "deadline_s": 2})
        assert [said["label"] for said in answer.json()["predictions"]] == ["positive", "negative"]
        assert answer.json()["predictions"][0]["arm"] == "champion"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "texts"),
        ({"text": ""}, 422, "texts.0"),
        ({"texts": []}, 422, "texts"),
        ({"texts": ["a"] * 4}, 422, "texts"),
        ({"text": "x" * 1_000_000}, 422, "texts.0"),
        ({"texts": ["a"], "ids": []}, 422, "ids"),
        ({"text": "a", "ids": ["x" * 201]}, 422, "ids.0"),
        ({"text": "a", "deadline_s": 0}, 422, "deadline_s"),
        ({"text": "queue full"}, 503, None),
    ],
)
def test_what_can_t_be_answered_is_said_clearly(
    client: TestClient, body: dict[str, object], status: int, field: str | None
) -> None:
    answer = client.post("/v1/classify", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert ("retry-after" in answer.headers) is (status == 503)


def test_lone_surrogates_are_refused_or_mended_but_answered(client: TestClient) -> None:
    answer = client.post(
        "/v1/classify", content=b'{"text": "good \\ud83d"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code in {200, 422}


def test_another_address_below_is_not_found(client: TestClient) -> None:
    assert client.post("/v1/classify/more", json={"text": "a"}).status_code == 404
    assert client.get("/v1/classify").status_code == 405


def test_a_token_is_asked_for() -> None:
    with TestClient(build_classify_api(classify, Settings(api_token=SecretStr(TOKEN)))) as client:
        assert client.post("/", json={"text": "a"}).status_code == 401
        assert client.post("/", json={"text": "a"}, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_an_empty_token_is_no_token() -> None:
    with pytest.raises(ConfigError, match="EVENTPULSE_API_TOKEN"):
        build_classify_api(classify, Settings(api_token=SecretStr(" ")))
