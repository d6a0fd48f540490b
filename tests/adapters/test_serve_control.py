from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.adapters.serve_control import ADDRESS, ServeControl, find_address, find_token
from app.core.errors import ConfigError

ROUTING = {"weights": {"champion": 95, "challenger": 5}, "shadow": ["champion"]}
MODELS: dict[str, Any] = {
    "name": "models",
    "import_path": "app.main:models",
    "route_prefix": "/v1/classify",
    "runtime_env": {"env_vars": {"A": "1"}},
    "args": {"fused": True},
    "deployments": [
        {"name": "Preprocessor", "num_replicas": 2},
        {"name": "Router", "num_replicas": 1, "user_config": {"weights": {"champion": 100}, "shadow": []}},
    ],
}
API = {"name": "api", "import_path": "app.main:api", "route_prefix": "/v1"}
ARM = {"name": "challenger", "import_path": "app.main:arm", "route_prefix": None, "args": {"model_dir": "/m"}}


class Ray:
    """Answers GET and PUT of the Serve API as Ray 2.60 does: what is not in the list of a PUT is gone."""

    def __init__(self) -> None:
        self.token: str | None = "secret"
        self.applications: dict[str, dict[str, Any]] = {}
        self.puts: list[dict[str, Any]] = []
        self.refusal: tuple[int, str] | None = None
        self.page: bytes | None = None
        self.deploy(MODELS, API)

    def deploy(self, *configs: dict[str, Any]) -> None:
        self.applications = {
            each["name"]: {
                "name": each["name"],
                "status": "RUNNING",
                "message": "",
                "source": "declarative",
                "deployed_app_config": each,
                "deployments": {},
            }
            for each in json.loads(json.dumps(configs))
        }

    def details(self) -> dict[str, Any]:
        return {
            "controller_info": {},
            "proxy_location": "EveryNode",
            "http_options": {"host": "127.0.0.1", "port": 8123},
            "grpc_options": {"port": 9000},
            "target_capacity": None,
            "proxies": {},
            "applications": self.applications,
        }

    def answer(self, method: str, token: str | None, body: bytes) -> tuple[int, bytes]:
        if self.token is not None and token != f"Bearer {self.token}":
            return 401, b"Unauthenticated"
        if self.refusal is not None:
            return self.refusal[0], self.refusal[1].encode()
        if method == "PUT":
            asked = json.loads(body)
            self.puts.append(asked)
            self.deploy(*asked["applications"])
            return 200, b""
        return 200, self.page if self.page is not None else json.dumps(self.details()).encode()


@pytest.fixture
def ray() -> Ray:
    return Ray()


@pytest.fixture
def address(ray: Ray) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            assert self.path == "/api/serve/applications/"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, text = ray.answer(self.command, self.headers.get("Authorization"), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = _serve

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def control(address: str) -> ServeControl:
    return ServeControl(f"{address}/", "secret")


def test_new_weights_change_the_router_and_nothing_else(ray: Ray, control: ServeControl) -> None:
    control.route("models", ROUTING)
    (put,) = ray.puts
    models, api = put["applications"]
    assert api == API
    assert models["deployments"][1] == {"name": "Router", "num_replicas": 1, "user_config": ROUTING}
    models["deployments"][1] = MODELS["deployments"][1]
    assert models == MODELS
    assert {key: put[key] for key in put if key != "applications"} == {
        "proxy_location": "EveryNode",
        "http_options": {"host": "127.0.0.1", "port": 8123},
        "grpc_options": {"port": 9000},
    }
    assert control.routing("models") == ROUTING


def test_the_same_weights_again_put_nothing(ray: Ray, control: ServeControl) -> None:
    control.route("models", {"weights": {"champion": 100}, "shadow": []})
    assert ray.puts == []


def test_a_router_that_the_config_does_not_name_gets_an_entry(ray: Ray, control: ServeControl) -> None:
    ray.deploy({"name": "models", "import_path": "app.main:models"})
    assert control.routing("models") == {}
    control.route("models", ROUTING)
    assert ray.puts[0]["applications"][0]["deployments"] == [{"name": "Router", "user_config": ROUTING}]


def test_an_arm_comes_and_goes_and_the_others_stay(ray: Ray, control: ServeControl) -> None:
    control.add(ARM)
    assert [each["name"] for each in ray.puts[0]["applications"]] == ["models", "api", "challenger"]
    control.add({**ARM, "args": {"model_dir": "/n"}})
    assert ray.puts[1]["applications"][2]["args"] == {"model_dir": "/n"}
    control.remove("challenger")
    assert ray.puts[2]["applications"] == [MODELS, API]
    control.remove("challenger")
    assert len(ray.puts) == 3


def test_a_whole_configuration_takes_the_place_of_all(ray: Ray, control: ServeControl) -> None:
    control.deploy({"applications": [ARM]})
    assert list(control.applications()) == ["challenger"]


def test_an_application_without_a_config_is_left_alone(ray: Ray, control: ServeControl) -> None:
    ray.applications["by-hand"] = {**ray.applications["api"], "source": "imperative", "deployed_app_config": None}
    ray.applications["old"] = {**ray.applications["api"], "status": "DELETING", "deployed_app_config": None}
    control.add(ARM)
    assert [each["name"] for each in ray.puts[0]["applications"]] == ["models", "api", "challenger"]


def test_nothing_is_changed_while_ray_does_not_know_a_config(ray: Ray, control: ServeControl) -> None:
    ray.applications["api"]["deployed_app_config"] = None
    with pytest.raises(ConfigError, match="how api was deployed, and a change would delete it: try again"):
        control.add(ARM)
    assert ray.puts == []


def test_status_message_and_process_ids(ray: Ray, control: ServeControl) -> None:
    ray.applications["models"] |= {
        "status": "DEPLOY_FAILED",
        "message": "one deployment failed",
        "deployments": {
            "Router": {
                "message": " no such folder\n",
                "replicas": [
                    {"state": "RUNNING", "pid": 12},
                    {"state": "RUNNING", "pid": 11},
                    {"state": "STARTING", "pid": 13},
                    {"state": "RUNNING"},
                ],
            }
        },
    }
    models = control.applications()["models"]
    assert (models.status, models.message) == ("DEPLOY_FAILED", "one deployment failed no such folder")
    assert models.replicas == {"Router": (11, 12)}
    assert models.config == MODELS


def test_an_unknown_application_is_named_with_those_there(control: ServeControl) -> None:
    for ask in (lambda: control.routing("modles"), lambda: control.route("modles", ROUTING)):
        with pytest.raises(ConfigError, match=r"no application modles \(there is api, models\): name it with"):
            ask()


def test_a_wrong_token_says_where_it_comes_from(address: str) -> None:
    with pytest.raises(ConfigError, match=r"refuses the token \(401\): set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH"):
        ServeControl(address, "wrong").applications()


def test_what_ray_says_of_a_refusal_is_passed_on(ray: Ray, control: ServeControl) -> None:
    ray.refusal = (400, "1 validation error")
    with pytest.raises(ConfigError, match=r"refused \(400\): 1 validation error"):
        control.applications()


@pytest.mark.parametrize("page", [b"<html>", b"[]"])
def test_another_server_is_not_taken_for_ray(page: bytes, ray: Ray, control: ServeControl) -> None:
    ray.page = page
    with pytest.raises(ConfigError, match="is not Ray's dashboard"):
        control.applications()


def test_nobody_there() -> None:
    with pytest.raises(ConfigError, match=r"does not answer at http://127\.0\.0\.1:1 .+ --address"):
        ServeControl("http://127.0.0.1:1").applications()


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "ray://host:10001", "auto"])
def test_only_a_url_is_an_address(address: str) -> None:
    with pytest.raises(ConfigError, match="give --address http://HOST:8265"):
        ServeControl(address)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"RAY_ADDRESS": "10.0.0.1:6379"}, None),
        ({"RAY_ADDRESS": ADDRESS}, ADDRESS),
        ({"RAY_ADDRESS": "10.0.0.1:6379", "RAY_API_SERVER_ADDRESS": "https://head"}, "https://head"),
        ({"RAY_DASHBOARD_ADDRESS": "http://head:1"}, "http://head:1"),
    ],
)
def test_the_address_comes_from_rays_variables(environment: dict[str, str], found: str | None) -> None:
    assert find_address(environment) == found


def test_the_token_comes_from_where_ray_takes_it(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert find_token(home) is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("usual\n")
    assert find_token(home) == "usual"
    named = tmp_path / "token"
    named.write_text(" named\n")
    assert find_token({**home, "RAY_AUTH_TOKEN_PATH": str(named)}) == "named"
    assert find_token({**home, "RAY_AUTH_TOKEN_PATH": str(named), "RAY_AUTH_TOKEN": "given"}) == "given"


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"RAY_AUTH_TOKEN_PATH names .*nowhere, which can't be read: No such file"):
        find_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "nowhere")})
