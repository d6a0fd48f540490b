"""Challenger to champion, step by step, on a running cluster; it goes back by itself when something speaks against it.

    python -m pipelines.promote --challenger var/models/new          # a model folder
    python -m pipelines.promote --challenger challenger              # alias or number in the registry
    python -m pipelines.promote --rollback                           # all traffic to the champion, at once
    ray job submit -- python -m pipelines.promote --challenger /models/new --out /reports

The challenger is deployed beside the champion and scores in silence at first; then it answers 5, 25, 50 and 100 % of
the traffic, each as soon as `app.core.promotion.judge` lets it. Reports go to --out. The exit status is 0 when it was
promoted, 1 when it was rolled back, 2 for an error; Ctrl-C rolls back. See docs/canary.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from app.adapters.artifact import verify
from app.adapters.serve_control import ADDRESS, MODELS, ROUTER, ServeControl, find_address, find_token
from app.core.arm_counts import Seen
from app.core.canary import CHALLENGER
from app.core.errors import AppError, ClassifierError, ConfigError
from app.core.promotion import Policy
from app.serving.handles import RouterHandle, application_handle
from app.settings import Settings
from pipelines.promotion_report import REPORT, as_json, write_report
from pipelines.promotion_walk import Control, Plan, World, promote, roll_back

PROMOTED_STATUS, ROLLED_BACK_STATUS, ERROR_STATUS = 0, 1, 2

_REPORT_TIMEOUT_S = 4.0


class Routers:
    """The reports of all replicas of the router, which take turns in answering."""

    def __init__(self, application: str, control: Control) -> None:
        self._application = application
        self._control = control
        self._runner = asyncio.Runner()
        self._handle = RouterHandle(application_handle(application), timeout_s=_REPORT_TIMEOUT_S)

    def look(self, since: float) -> list[Seen]:
        """The newest report of each that was met. Raises AppError."""
        found = self._control.applications().get(self._application)
        replicas = len(found.replicas.get(ROUTER, ())) if found else 0
        reports: dict[str, Seen] = {}
        for _ in range(max(1, 4 * (replicas - 1))):
            try:
                report: Seen = self._runner.run(self._handle.report(since))
            except (RayError, RayServeException, OSError) as error:
                raise ClassifierError(f"the router gave no report: {error}") from error
            reports[report.router] = report
            if len(reports) >= replicas:
                break
        return list(reports.values())

    def close(self) -> None:
        """End the event loop."""
        self._runner.close()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The challenger: its folder, and its number where it came from the registry."""

    folder: Path
    version: int | None = None


class Registry:
    """`python -m pipelines.registry` as a program of its own: serving machines need no MLflow for a plain folder."""

    def fetch(self, wanted: str, models: Path) -> Candidate:
        """The version of that alias or number, in a folder below `models`. Raises ConfigError."""
        versions = json.loads(self._run("list"))
        found = next((each for each in versions if wanted in {str(each["version"]), *each["aliases"]}), None)
        if found is None:
            there = ", ".join(" ".join([str(each["version"]), *each["aliases"]]) for each in versions) or "none"
            raise ConfigError(f"{wanted} is neither a model folder nor in the registry, which has {there}")
        folder = (models / f"version-{found['version']}").absolute()
        self._run("fetch", str(found["version"]), str(folder))
        return Candidate(folder, int(found["version"]))

    def promote(self, version: int) -> None:
        """Make that version the champion of the registry. Raises ConfigError."""
        self._run("promote", str(version))

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "pipelines.registry", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = done.stderr.strip().splitlines()
            raise ConfigError(f"the registry refused: {told[-1] if told else f'exit status {done.returncode}'}")
        return done.stdout


def candidate(wanted: str, models: Path, registry: Registry) -> Candidate:
    """The challenger that the command line names. Raises ConfigError, ModelNotFound."""
    folder = Path(wanted)
    if not folder.is_dir():
        return registry.fetch(wanted, models)
    verify(folder)
    return Candidate(folder.absolute())


def arm_config(folder: Path, *, replicas: int = 1, cpus: float = 0.5) -> dict[str, Any]:
    """The configuration of the application of a challenger."""
    return {
        "name": CHALLENGER,
        "import_path": "app.main:arm",
        "route_prefix": None,
        "args": {"model_dir": str(folder)},
        "deployments": [
            {
                "name": "CpuClassifier",
                "num_replicas": replicas,
                "max_ongoing_requests": 16,
                "graceful_shutdown_timeout_s": 10,
                "ray_actor_options": {"num_cpus": cpus},
            }
        ],
    }


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    policy = Policy()
    parser = argparse.ArgumentParser(prog="python -m pipelines.promote", description="Challenger to champion.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--challenger", help="model folder, or alias or number in the registry")
    what.add_argument("--rollback", action="store_true", help="give all traffic to the champion, at once")
    parser.add_argument("--application", default=MODELS, help="Serve application with the router")
    parser.add_argument("--address", help=f"Ray's dashboard (default: what Ray's variables say, or {ADDRESS})")
    parser.add_argument("--min-pairs", type=int, default=policy.min_pairs, help="messages that both must have scored")
    parser.add_argument("--min-requests", type=int, default=policy.min_requests, help="requests of each arm in a step")
    parser.add_argument("--min-agreement", type=float, default=policy.min_agreement, help="part with the same label")
    parser.add_argument("--max-shift", type=float, default=policy.max_shift, help="of the share of a class")
    parser.add_argument("--step-seconds", type=float, default=policy.min_seconds, help="shortest step")
    parser.add_argument("--timeout", type=float, default=1800.0, help="longest step, in seconds; then it goes back")
    parser.add_argument("--replicas", type=int, default=1, help="of the challenger")
    parser.add_argument("--cpus", type=float, default=0.5, help="logical CPUs of a replica of the challenger")
    parser.add_argument("--out", type=Path, help="folder for the report (default: promotion/ in the state folder)")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace, folder: Path) -> Plan:
    """The promotion that the command line asks for."""
    return Plan(
        arm=arm_config(folder, replicas=options.replicas, cpus=options.cpus),
        application=options.application,
        policy=Policy(
            min_pairs=options.min_pairs,
            min_requests=options.min_requests,
            min_seconds=options.step_seconds,
            min_agreement=options.min_agreement,
            max_shift=options.max_shift,
        ),
        step_s=options.timeout,
    )


def permanent(chosen: Candidate) -> str:
    """What to do so that it outlives the next deployment."""
    return (
        f"It answers everything from the application {CHALLENGER}. To make it the champion for good, put "
        f"model_dir: {chosen.folder} under the args of the application {MODELS} in serve_config.yaml (or set "
        f"EVENTPULSE_MODEL_DIR to it before the next start), then: serve deploy serve_config.yaml"
    )


def say(text: str) -> None:
    """A line for the person who waits; standard output is for the result."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stderr.flush()


def undo(options: argparse.Namespace) -> int:
    """--rollback; needs the dashboard alone. Gives the exit status."""
    control = ServeControl(options.address or find_address(os.environ) or ADDRESS, find_token(os.environ))
    roll_back(World(control, lambda since: [], time.time, time.sleep, say), options.application)
    say("the champion answers everything; if the registry was changed too: python -m pipelines.registry rollback")
    return PROMOTED_STATUS


def run(options: argparse.Namespace, settings: Settings) -> int:
    """--challenger. Gives the exit status; raises AppError."""
    registry = Registry()
    chosen = candidate(options.challenger, settings.state_dir / "models", registry)
    try:
        context = ray.init(address="auto", log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, RayError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster was found ({error}): run this on one of its nodes with RAY_ADDRESS=HOST:PORT, or as a job "
            f"by ray job submit"
        ) from error
    address = options.address or find_address(os.environ) or (f"http://{url}" if (url := context.dashboard_url) else "")
    control = ServeControl(address or ADDRESS, find_token(os.environ))
    routers = Routers(options.application, control)
    world = World(control, routers.look, time.time, time.sleep, say)
    try:
        outcome = promote(world, plan_of(options, chosen.folder))
    finally:
        routers.close()
    folder = options.out or settings.state_dir / REPORT / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    say(f"report: {write_report(outcome, folder)}")
    sys.stdout.write(json.dumps(as_json(outcome)) + "\n")
    if not outcome.promoted:
        return ROLLED_BACK_STATUS
    say(permanent(chosen))
    if chosen.version is not None:
        registry.promote(chosen.version)
        say(f"version {chosen.version} is the champion of the registry now")
    return PROMOTED_STATUS


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status."""
    for each in (signal.SIGINT, signal.SIGTERM):  # a job that is stopped gets SIGTERM
        signal.signal(each, signal.default_int_handler)
    options = parse_arguments(arguments)
    try:
        return undo(options) if options.rollback else run(options, Settings())
    except AppError as error:
        sys.stderr.write(f"promote: {error}\n")
    except KeyboardInterrupt:  # before the walk began, or in the middle of a rollback
        sys.stderr.write("promote: interrupted; to be sure say: python -m pipelines.promote --rollback\n")
    return ERROR_STATUS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
