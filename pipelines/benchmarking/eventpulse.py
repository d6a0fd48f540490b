"""EventPulse as a side: the one that runs at a URL, or one of our own through its launcher."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from app.adapters.artifact import verify
from app.adapters.ports import free_port
from app.core.errors import AppError, ConfigError
from app.settings import Settings
from pipelines.benchmarking.children import Child, end_orphans, environment
from pipelines.benchmarking.sides import Generator, HttpSide, LeftOut, post, wait_for_answer

NAME = "eventpulse"
PATH = "/v1/classify"
_UP_S = 240.0
# The processes on the way of a message, by what their command lines hold: the proxies, and the replicas of `models`.
_ANSWERING = ("haproxy", "ProxyActor", "HAProxyManager", "ServeReplica:models")
_CLUSTER = ("raylet", "/ray start")


def started(generator: Generator, settings: Settings, logs: Path) -> HttpSide:
    """Bring EventPulse up on free ports with a state folder of its own and without a replay.

    It is started as a person would, by `python -m cluster.local`, so it has the switches of the launcher. Raises
    ConfigError when it does not come up.
    """
    state = Path(tempfile.mkdtemp(prefix="eventpulse-benchmark-"))
    port = free_port()
    more = {
        "EVENTPULSE_STATE_DIR": str(state),
        "EVENTPULSE_MODEL_DIR": str(settings.model_dir.resolve()),
        "EVENTPULSE_MODEL_THREADS": str(settings.model_threads),
    }
    arguments = ["--port", str(port), "--ray-dashboard-port", str(free_port()), "--no-replay"]
    begun = time.monotonic()
    child = Child("cluster.local", arguments, {**environment(settings.model_threads), **more}, logs / "eventpulse.log")
    child.ignore_output()

    def close() -> None:
        child.close()
        end_orphans("EVENTPULSE_STATE_DIR", str(state))
        shutil.rmtree(state, ignore_errors=True)

    url = f"http://127.0.0.1:{port}{PATH}"
    headers = _headers(settings)
    try:
        wait_for_answer(url, child, _UP_S, headers)
        took = time.monotonic() - begun
        backend = _backend(url, headers, settings)
    except BaseException as error:
        close()
        if isinstance(error, AppError):
            raise ConfigError(f"EventPulse did not come up: {error}") from error
        raise
    return HttpSide(
        NAME,
        url,
        generator,
        lambda: _parts(child.processes()),
        close,
        backend=backend,
        startup_s=took,
        headers=headers,
    )


def running(base_url: str, generator: Generator, settings: Settings) -> HttpSide:
    """The EventPulse at a URL; nothing is ended afterwards. Raises ConfigError when it does not classify."""
    url = f"{base_url.rstrip('/')}{PATH}"
    headers = _headers(settings)
    port = urlsplit(url).port or 80
    try:
        backend = _backend(url, headers, settings)
    except LeftOut as error:
        raise ConfigError(f"{error}: start EventPulse there (make run), or leave out --url") from error
    return HttpSide(NAME, url, generator, lambda: _parts(_around(port)), lambda: None, backend=backend, headers=headers)


def _backend(url: str, headers: Mapping[str, str], settings: Settings) -> str:
    """What computes there. Raises ConfigError when it is another model than that of the settings."""
    said = post(url, ["Which model is this?"], headers)[0]
    ours = verify(settings.model_dir).model
    if said.get("model") != ours:
        raise ConfigError(
            f"{url} serves {said.get('model')}, but the model folder {settings.model_dir} holds {ours}: "
            "set EVENTPULSE_MODEL_DIR to the model that is served"
        )
    return str(said.get("backend", ""))


def _headers(settings: Settings) -> dict[str, str]:
    token = settings.api_token
    return {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}


def _parts(processes: Sequence[psutil.Process]) -> tuple[Sequence[psutil.Process], Sequence[psutil.Process]]:
    """All of them, and those on the way of a message."""
    return processes, [process for process in processes if any(mark in _command(process) for mark in _ANSWERING)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join([process.name(), *process.cmdline()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _around(port: int) -> list[psutil.Process]:
    """The process that listens on the port, with the cluster it belongs to; nothing where that can't be seen."""
    try:
        sockets = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    for each in sockets:
        if each.status != psutil.CONN_LISTEN or getattr(each.laddr, "port", None) != port or each.pid is None:
            continue
        try:
            head = psutil.Process(each.pid)
            for parent in head.parents():
                if any(mark in _command(parent) for mark in _CLUSTER):
                    head = parent
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return []
