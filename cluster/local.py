"""EventPulse on this machine: a Ray head of its own, as a child process, with serve_config.yaml deployed to it.

    python -m cluster.local                                              # the sample event, as `make run`
    python -m cluster.local --replay FILE --event NAME --speed 50        # any recording

Starts only children of its own, on its own ports and in its own folder, and on Ctrl-C ends exactly those.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import yaml
from pydantic import SecretStr

from app.adapters.ports import HOST, free_port, require_free
from app.adapters.store import Store
from app.core.errors import AppError, ConfigError
from app.core.ids import slug
from app.core.types import SourceState
from app.settings import Settings
from cluster.front import front_environment
from samples.build import EVENT_NAME, EVENT_QUERY

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lumen-watch-launch.jsonl"
_NEEDED_BYTES = 1_000_000_000
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where people find things. All other ports of Ray are chosen free at each start."""

    http: int = 8000
    ray_dashboard: int = 8265


def require_disk(folder: Path, needed: int = _NEEDED_BYTES) -> None:
    """Raises ConfigError when the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"only {free // 1_000_000} MB are free in {folder}: make at least {needed / 1e9:.0f} GB of room"
        )


class LocalCluster:
    """A Ray head with EventPulse on it. A context manager: leaving it ends everything it started."""

    def __init__(self, ports: Ports, state_dir: Path, environment: Mapping[str, str]) -> None:
        self.ports = ports
        self._state_dir = state_dir.resolve()
        self.temp = Path(tempfile.mkdtemp(prefix="ep-"))
        self._token = self._state_dir / "ray-token"
        self._environment = dict(environment)
        self._head: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, psutil.Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_logs=isinstance(error, AppError) and self._head is not None)

    @property
    def url(self) -> str:
        """Base URL of the dashboard; the API is below /v1."""
        return f"http://{HOST}:{self.ports.http}"

    def start(self) -> None:
        """Start the Ray head. Raises ConfigError when a port is taken, the disk is full or Ray does not come up."""
        require_free(self.ports.http, "PORT=...")
        require_free(self.ports.ray_dashboard, "RAY_DASHBOARD_PORT=...")
        self._state_dir.mkdir(parents=True, exist_ok=True)
        require_disk(self._state_dir)
        if not self._token.is_file():
            self._token.touch(mode=0o600)
            self._token.write_text(secrets.token_hex(32))
        log = (self._state_dir / "ray.log").open("wb")
        self._head = subprocess.Popen(
            self._command(), env=self._child_environment(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )

    def deploy(self, live_arguments: Mapping[str, Any] | None = None) -> None:
        """Hand serve_config.yaml to the head, as `serve deploy` does; again with other arguments updates in place."""
        config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        config["http_options"] = {**config["http_options"], "host": HOST, "port": self.ports.http}
        for application in config["applications"]:
            if application["name"] == "live" and live_arguments:
                application["args"] = dict(live_arguments)
        self.wait("Ray", lambda: self._ask_ray("GET", None) is not None, 180)
        self._ask_ray("PUT", config)

    def wait_ready(self, seconds: float = 120) -> None:
        """Until every application runs and the API says it is ready. Raises ConfigError with the cause otherwise."""
        self.wait("the applications", self._applications_run, seconds)
        self.wait("the API", self._api_ready, seconds)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Until `condition` holds. Raises ConfigError, naming `what` and the log, after so many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._head is None or self._head.poll() is not None:
                raise ConfigError(f"Ray ended while waiting for {what}: see {self._state_dir / 'ray.log'}")
            if time.monotonic() > deadline:
                raise ConfigError(f"{what} did not come up in {seconds:.0f} s: see {self.temp} for the logs")
            time.sleep(0.2)

    def processes(self) -> list[psutil.Process]:
        """Everything this cluster has started that still runs."""
        if self._head is not None and psutil.pid_exists(self._head.pid):
            try:
                parent = psutil.Process(self._head.pid)
                for process in [parent, *parent.children(recursive=True)]:
                    self._seen[process.pid] = process
            except psutil.NoSuchProcess:
                pass
        return [process for process in self._seen.values() if _alive(process)]

    def pss_mb(self) -> float:
        """Memory of all processes in megabytes, shared pages counted once."""
        total = 0
        for process in self.processes():
            try:
                total += process.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return total / 1e6

    def stop(self, *, keep_logs: bool = False) -> list[int]:
        """End all of it and remove its temporary folder; gives the pids that would not go (normally none)."""
        running = self.processes()
        if self._head is not None and self._head.poll() is None:
            self._head.terminate()
        _, alive = psutil.wait_procs(running, timeout=10)
        for process in {*alive, *self._strays()}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs({*alive, *self._strays()}, timeout=5)
        if self._head is not None:
            self._head.wait(timeout=5)
        if not keep_logs:
            shutil.rmtree(self.temp, ignore_errors=True)
        return [process.pid for process in alive]

    def _strays(self) -> list[psutil.Process]:
        """What lost its parent: HAProxy, when it is reloaded in the moment that its manager ends."""
        mark = str(self.temp)
        return [each for each in psutil.process_iter(["cmdline"]) if mark in " ".join(each.info["cmdline"] or ())]

    def get(self, path: str, timeout: float = 10) -> Any:
        """The JSON answer of the API below /v1. Raises OSError."""
        token = Settings().api_token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        request = urllib.request.Request(f"{self.url}/v1{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)

    def _command(self) -> list[str]:
        ports = {
            "port": free_port(),
            "dashboard-port": self.ports.ray_dashboard,
            "node-manager-port": free_port(),
            "object-manager-port": free_port(),
            "ray-client-server-port": free_port(),
            "dashboard-agent-listen-port": free_port(),
            "dashboard-agent-grpc-port": free_port(),
            "runtime-env-agent-port": free_port(),
            "metrics-export-port": free_port(),
            "min-worker-port": 0,  # 0 lets workers take any free port, so that none meets the ones above
            "max-worker-port": 0,
        }
        ray = Path(sys.executable).parent / "ray"
        return [
            str(ray),
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
            f"--node-ip-address={HOST}",
            f"--dashboard-host={HOST}",
            f"--temp-dir={self.temp}",
            f"--num-cpus={max(2, os.cpu_count() or 2)}",
            "--object-store-memory=200000000",
            *(f"--{name}={port}" for name, port in ports.items()),
        ]

    def _child_environment(self) -> dict[str, str]:
        settings = Settings()
        return {
            **os.environ,
            **_QUIET,
            **front_environment(self.temp),
            **exported(settings),
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "EVENTPULSE_STATE_DIR": str(self._state_dir),
            "EVENTPULSE_MODEL_DIR": str((ROOT / settings.model_dir).resolve()),
            **self._environment,
        }

    def _ask_ray(self, method: str, body: Any) -> Any:
        """Ray's Serve REST API; None while it does not answer."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.ports.ray_dashboard}/api/serve/applications/",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token.read_text()}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            raise ConfigError(f"Ray refused serve_config.yaml: {error.read().decode(errors='replace')}") from error
        except OSError:
            return None

    def _applications_run(self) -> bool:
        answer = self._ask_ray("GET", None) or {}
        applications = answer.get("applications", {})
        for name, application in applications.items():
            if application["status"] == "DEPLOY_FAILED":
                causes = [each["message"] for each in application["deployments"].values()]
                raise ConfigError(f"{name} did not start: {application['message']} {' '.join(causes)}")
        return bool(applications) and all(each["status"] == "RUNNING" for each in applications.values())

    def _api_ready(self) -> bool:
        try:
            return bool(self.get("/ready")["ready"])
        except OSError:
            return False


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def exported(settings: Settings) -> dict[str, str]:
    """What is set in the environment or in `.env`, as variables: a job's working folder has no `.env` of its own."""
    values = {name: getattr(settings, name) for name in sorted(settings.model_fields_set)}
    return {
        f"EVENTPULSE_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }


def start_over(settings: Settings, event: str) -> None:
    """A replay that had come to its end starts over; one that was interrupted goes on."""
    with Store(settings.database) as store:
        store.migrate()
        states = {status.source: status.state for status in store.statuses(slug(event))}
        if states.get("replay") is SourceState.FINISHED:
            store.delete_event(slug(event))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m cluster.local", description="Run EventPulse on this machine.")
    parser.add_argument("--port", type=int, default=Ports().http, help="port of the dashboard and the API")
    parser.add_argument("--ray-dashboard-port", type=int, default=Ports().ray_dashboard, help="port of Ray's dashboard")
    parser.add_argument("--replay", type=Path, help="recording to replay (Parquet, JSONL or CSV); default: the sample")
    parser.add_argument("--event", help="name of the event that the recording belongs to")
    parser.add_argument("--query", help="query of that event; default: every record")
    parser.add_argument("--speed", type=float, help="times real speed; 0 is as fast as possible")
    parser.add_argument("--times", choices=("kept", "shifted"), help="keep the recorded times or end the recording now")
    parser.add_argument("--no-replay", action="store_true", help="live sources only")
    return parser.parse_args(arguments)


def replay_environment(options: argparse.Namespace) -> dict[str, str]:
    """The settings of the replay that the command line asks for. Raises ConfigError when the file is not there."""
    if options.no_replay:
        return {}
    if options.replay is None:
        chosen = {"PATH": str(SAMPLE), "EVENT": EVENT_NAME, "QUERY": EVENT_QUERY, "SPEED": "600", "TIMES": "shifted"}
    else:
        if not options.replay.is_file():
            raise ConfigError(f"{options.replay} is not there: give a Parquet, JSONL or CSV file")
        chosen = {"PATH": str(options.replay.resolve()), "EVENT": options.replay.stem, "QUERY": "*", "SPEED": "50"}
    given = {"EVENT": options.event, "QUERY": options.query, "SPEED": options.speed, "TIMES": options.times}
    chosen |= {name: str(value) for name, value in given.items() if value is not None}
    return {f"EVENTPULSE_REPLAY_{name}": value for name, value in chosen.items()}


def run(options: argparse.Namespace) -> None:
    """Bring everything up, say where it is, and wait for Ctrl-C."""
    started = time.monotonic()
    settings = Settings()
    environment = replay_environment(options)
    ports = Ports(options.port, options.ray_dashboard_port)
    with LocalCluster(ports, settings.state_dir, environment) as cluster:
        say("starting Ray ...")
        cluster.start()
        if event := environment.get("EVENTPULSE_REPLAY_EVENT"):
            start_over(settings, event)
        cluster.deploy()
        say("starting the classifier, the API, the live pipeline and the dashboard ...")
        cluster.wait_ready()
        say(f"ready in {time.monotonic() - started:.0f} s, {cluster.pss_mb():.0f} MB of memory (PSS)")
        say(f"  dashboard      {cluster.url}/")
        say(f"  API            {cluster.url}/v1/docs")
        say(f"  Ray dashboard  http://{HOST}:{ports.ray_dashboard}/  (token: {settings.state_dir / 'ray-token'})")
        say("Ctrl-C ends it.")
        try:
            signal.pause()
        finally:
            say("stopping ...")


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status."""
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(each, signal.default_int_handler)
    try:
        run(parse_arguments(arguments))
    except AppError as error:
        sys.stderr.write(f"eventpulse: {error}\n")
        return 1
    except KeyboardInterrupt:
        say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
