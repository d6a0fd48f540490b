"""What is deployed on a Ray cluster, read and changed by the REST API of its dashboard; does not import Ray.

The API takes only the whole list of applications, and deletes what is not in it. So each change here reads the list,
changes one thing and puts everything back as it was: two that change at the same time overwrite each other. A change
of nothing but `user_config` restarts no replica (ray: serve/advanced-guides/inplace-updates.md).
"""

from __future__ import annotations

import copy
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.core.errors import ConfigError

ADDRESS: Final = "http://127.0.0.1:8265"
"""Where Ray's dashboard listens unless it is told otherwise."""

MODELS: Final = "models"
"""The application in serve_config.yaml that classifies."""

ROUTER: Final = "Router"
"""The deployment whose `user_config` is the routing."""

_PATH = "/api/serve/applications/"
_ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS", "RAY_ADDRESS")
_KEPT = ("proxy_location", "http_options", "grpc_options", "target_capacity")

Configs = dict[str, dict[str, Any]]
"""The configuration of each application that was deployed by one, by the application's name."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """An application as it stands. `status` is Ray's: RUNNING, DEPLOYING, DEPLOY_FAILED, UNHEALTHY, DELETING, ...

    `message` says what is wrong. `replicas` are the process ids of the running ones, by deployment.
    """

    name: str
    status: str
    message: str
    config: Mapping[str, Any] | None
    replicas: Mapping[str, tuple[int, ...]]


class ServeControl:
    """The control of one cluster at the address of its dashboard. `token` is Ray's own, where it asks for one."""

    def __init__(self, address: str = ADDRESS, token: str | None = None, *, timeout_s: float = 30.0) -> None:
        if urllib.parse.urlsplit(address).scheme not in {"http", "https"}:
            raise ConfigError(f"{address} is no address of Ray's dashboard: give --address http://HOST:8265")
        self.address = address.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def applications(self) -> dict[str, Deployed]:
        """All applications by name. Raises ConfigError when Ray does not answer or refuses."""
        return {name: _deployed(name, each) for name, each in self._details().get("applications", {}).items()}

    def routing(self, application: str) -> dict[str, Any]:
        """The `user_config` of the application's router, as it was deployed. Raises ConfigError."""
        deployed = self.applications()
        if application not in deployed:
            raise ConfigError(_missing(application, deployed))
        config = deployed[application].config or {}
        for deployment in config.get("deployments", []):
            if deployment["name"] == ROUTER:
                return dict(deployment.get("user_config") or {})
        return {}

    def route(self, application: str, routing: Mapping[str, object]) -> None:
        """Give the application's router another routing. Raises ConfigError."""

        def change(configs: Configs) -> None:
            if application not in configs:
                raise ConfigError(_missing(application, configs))
            deployments = configs[application].setdefault("deployments", [])
            for deployment in deployments:
                if deployment["name"] == ROUTER:
                    deployment["user_config"] = dict(routing)
                    return
            deployments.append({"name": ROUTER, "user_config": dict(routing)})

        self._change(change)

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Deploy a whole configuration, like serve_config.yaml, in the place of all there is. Raises ConfigError."""
        self._ask("PUT", config)

    def add(self, config: Mapping[str, Any]) -> None:
        """Deploy an application, or change the one of that name. Raises ConfigError."""
        self._change(lambda configs: configs.update({str(config["name"]): dict(config)}))

    def remove(self, name: str) -> None:
        """Take an application away, if it is there. Raises ConfigError."""

        def change(configs: Configs) -> None:
            configs.pop(name, None)

        self._change(change)

    def _change(self, change: Callable[[Configs], None]) -> None:
        details = self._details()
        configs: Configs = {}
        for name, each in details.get("applications", {}).items():
            if (config := each.get("deployed_app_config")) is not None:
                configs[name] = copy.deepcopy(config)
            elif each.get("source") == "declarative" and each["status"] != "DELETING":
                raise ConfigError(
                    f"Ray does not say how {name} was deployed, and a change would delete it: try again in some seconds"
                )
        before = copy.deepcopy(configs)
        change(configs)
        if configs != before:
            kept = {key: details[key] for key in _KEPT if details.get(key) is not None}
            self._ask("PUT", {**kept, "applications": list(configs.values())})

    def _details(self) -> dict[str, Any]:
        text = self._ask("GET", None)
        try:
            details = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{self.address} is not Ray's dashboard: give its address with --address") from error
        if not isinstance(details, dict):
            raise ConfigError(f"{self.address} is not Ray's dashboard: give its address with --address")
        return details

    def _ask(self, method: str, body: object) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(
            self.address + _PATH,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                text: bytes = answer.read()
                return text
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace").strip()[:2_000]
            if error.code in {401, 403}:
                raise ConfigError(
                    f"Ray at {self.address} refuses the token ({error.code}): set RAY_AUTH_TOKEN, or "
                    f"RAY_AUTH_TOKEN_PATH to the file that holds it"
                ) from error
            raise ConfigError(f"Ray at {self.address} refused ({error.code}): {told}") from error
        except OSError as error:
            raise ConfigError(
                f"Ray's dashboard does not answer at {self.address} ({error}): start the cluster, or give its address "
                f"with --address"
            ) from error


def find_address(environment: Mapping[str, str]) -> str | None:
    """The address of the dashboard that the environment names; RAY_ADDRESS counts only where it is a URL."""
    given = (environment.get(name, "") for name in _ADDRESS_VARIABLES)
    return next((address for address in given if address.startswith(("http://", "https://"))), None)


def find_token(environment: Mapping[str, str]) -> str | None:
    """Ray's token from where Ray itself takes it: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token.

    Raises ConfigError for a file that is named and can't be read.
    """
    if token := environment.get("RAY_AUTH_TOKEN", "").strip():
        return token
    if named := environment.get("RAY_AUTH_TOKEN_PATH"):
        try:
            return Path(named).read_text().strip()
        except OSError as error:
            raise ConfigError(f"RAY_AUTH_TOKEN_PATH names {named}, which can't be read: {error.strerror}") from error
    usual = Path(environment.get("HOME", "/")) / ".ray" / "auth_token"
    return usual.read_text().strip() if usual.is_file() else None


def _deployed(name: str, details: Mapping[str, Any]) -> Deployed:
    deployments = details.get("deployments", {})
    messages = [details.get("message", ""), *(each.get("message", "") for each in deployments.values())]
    return Deployed(
        name,
        details["status"],
        " ".join(message.strip() for message in messages if message.strip()),
        details.get("deployed_app_config"),
        {
            deployment: tuple(
                sorted(
                    replica["pid"]
                    for replica in each.get("replicas", ())
                    if replica["state"] == "RUNNING" and replica.get("pid") is not None
                )
            )
            for deployment, each in deployments.items()
        },
    )


def _missing(application: str, there: Mapping[str, object]) -> str:
    names = ", ".join(sorted(there)) or "none"
    return f"there is no application {application} (there is {names}): name it with --application"
