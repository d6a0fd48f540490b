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
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import ray
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from app.adapters.artifact import verify
from app.adapters.serve_control import ADDRESS, ROUTER, Deployed, ServeControl, find_address, find_token
from app.core.errors import AppError, ClassifierError, ConfigError
from app.core.promotion import (
    CHALLENGER,
    NOTHING,
    PROMOTED,
    Counts,
    Judgement,
    Observed,
    Policy,
    Seen,
    Step,
    Verdict,
    Window,
    agreement,
    judge,
    observed,
    walk,
)
from app.serving.handles import MODELS, RouterHandle, application_handle
from app.settings import Settings
from pipelines import markdown

REPORT = "promotion"
PROMOTED_STATUS, ROLLED_BACK_STATUS, ERROR_STATUS = 0, 1, 2

_REPORT_TIMEOUT_S = 4.0
_SETTLE_S = 2.0


class Control(Protocol):
    """What is deployed; `app.adapters.serve_control.ServeControl`. Every call may raise ConfigError."""

    def applications(self) -> dict[str, Deployed]:
        """All applications by name."""

    def routing(self, application: str) -> dict[str, Any]:
        """The routing of the application."""

    def route(self, application: str, routing: Mapping[str, object]) -> None:
        """Another routing."""

    def add(self, config: Mapping[str, Any]) -> None:
        """Deploy an application."""

    def remove(self, name: str) -> None:
        """Take one away."""


@dataclass(frozen=True, slots=True)
class World:
    """All that is outside. `look` gives the report of every router since a Unix time, and raises AppError when none
    can be had; `clock` is the Unix clock; `say` takes a line for the person who waits.
    """

    control: Control
    look: Callable[[float], Sequence[Seen]]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """One promotion. `arm` is the configuration of the challenger's application.

    Seconds: `start_s` to be up, `step_s` the longest step, `lost_s` without a report before the cluster counts as
    lost, `every_s` between two looks, `undo_s` to keep trying a rollback.
    """

    arm: Mapping[str, Any]
    application: str = MODELS
    policy: Policy = field(default_factory=Policy)
    steps: tuple[Step, ...] = field(default_factory=walk)
    start_s: float = 300.0
    step_s: float = 1800.0
    lost_s: float = 15.0
    every_s: float = 2.0
    undo_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a step showed, up to the last look at it."""

    step: Step
    seconds: float
    seen: Observed
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `undone_s` is the time from the decision to the champion's having all traffic again."""

    promoted: bool
    reason: str
    rows: tuple[Row, ...]
    seconds: float
    undone_s: float | None = None


class _Against(AppError):
    """Something speaks against the challenger."""


def promote(world: World, plan: Plan) -> Outcome:
    """Walk the challenger through the steps, or back.

    Raises ConfigError, with nothing changed, when a challenger is on its way already, and when the rollback itself
    does not get through.
    """
    _require_idle(world.control, plan.application)
    begun = world.clock()
    promotion = _Promotion(world, plan)
    try:
        promotion.run()
    except AppError as error:
        reason = str(error)
    except KeyboardInterrupt:
        reason = "it was interrupted"
    except BaseException:
        roll_back(world, plan.application, seconds=plan.undo_s)
        raise
    else:
        return Outcome(True, "every step spoke for it", promotion.rows, world.clock() - begun)
    world.say(f"rolling back: {reason}")
    decided = world.clock()
    undone = roll_back(world, plan.application, seconds=plan.undo_s)
    return Outcome(False, reason, promotion.rows, world.clock() - begun, undone - decided)


def roll_back(world: World, application: str, *, seconds: float = 60.0) -> float:
    """All traffic to the champion, and the challenger's application away. Gives the time when the first was done.

    Tries again for so many seconds; raises ConfigError after that.
    """
    deadline = world.clock() + seconds
    _insist(world, deadline, lambda: world.control.route(application, NOTHING.routing))
    done = world.clock()
    world.sleep(_SETTLE_S)  # what is on its way to the challenger is still answered
    _insist(world, deadline, lambda: world.control.remove(CHALLENGER))
    return done


def _insist(world: World, deadline: float, act: Callable[[], None]) -> None:
    while True:
        try:
            act()
            return
        except ConfigError as error:
            if world.clock() >= deadline:
                raise ConfigError(
                    f"the rollback did not get through: {error}. As soon as the cluster answers, say "
                    f"python -m pipelines.promote --rollback"
                ) from error
            world.say(f"trying again: {error}")
            world.sleep(_SETTLE_S)


def _require_idle(control: Control, application: str) -> None:
    routing = control.routing(application)
    if CHALLENGER in routing.get("weights", {}) or CHALLENGER in routing.get("shadow", ()):
        raise ConfigError(
            f"a challenger has a part in {application} already: {json.dumps(routing)}. Wait for its end, or say "
            f"python -m pipelines.promote --rollback"
        )


class _Promotion:
    """The walk, without the way back."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._begun = world.clock()
        self._heard = self._begun
        self._whole: dict[str, Seen] = {}
        self._rows: dict[str, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The steps so far."""
        return tuple(self._rows.values())

    def run(self) -> None:
        """Raises AppError with the reason when it must go back."""
        self._start()
        self._begun = self._heard = self._world.clock()
        for step in self._plan.steps:
            self._world.say(f"{step.name}: routing {json.dumps(step.routing)}")
            self._world.control.route(self._plan.application, step.routing)
            self._pass(step)
        self._world.control.route(self._plan.application, PROMOTED.routing)

    def _start(self) -> None:
        world = self._world
        world.say(f"deploying the application {CHALLENGER} ...")
        world.control.add(self._plan.arm)
        deadline = world.clock() + self._plan.start_s
        while True:
            found = self._arm()
            if found is not None and found.status == "RUNNING":
                return
            if found is not None and found.status in {"DEPLOY_FAILED", "UNHEALTHY"}:
                raise _Against(f"the challenger did not start: {_short(found.message) or found.status}")
            if world.clock() > deadline:
                state = "is not there" if found is None else f"{found.status} {_short(found.message)}".strip()
                raise _Against(f"the challenger did not start in {self._plan.start_s:.0f} s: {state}")
            world.sleep(self._plan.every_s)

    def _arm(self) -> Deployed | None:
        """The challenger's application. A question that gets no answer is asked again: nobody depends on it yet."""
        try:
            return self._world.control.applications().get(CHALLENGER)
        except ConfigError as error:
            self._world.say(f"no answer: {error}")
            return None

    def _pass(self, step: Step) -> None:
        """Until the step is passed."""
        begun = self._world.clock()
        reports: dict[str, Seen] = {}
        while True:
            self._world.sleep(self._plan.every_s)
            if not self._look(begun, reports):
                continue
            seconds = self._world.clock() - begun
            seen = observed(reports.values())
            judgement = judge(Window(seconds, seen, observed(self._whole.values())), self._plan.policy)
            self._rows[step.name] = Row(step, seconds, seen, judgement)
            self._world.say(progress(self._rows[step.name]))
            if judgement.verdict is Verdict.ADVANCE:
                return
            if judgement.verdict is Verdict.ROLL_BACK:
                raise _Against("; ".join(judgement.reasons))
            if seconds > self._plan.step_s:
                raise _Against(
                    f"no decision in {self._plan.step_s:.0f} s at the step {step.name}: {'; '.join(judgement.reasons)}"
                )

    def _look(self, begun: float, reports: dict[str, Seen]) -> bool:
        """Take the newest report of every router; what one of them said before it went stays. False without any.

        Raises _Against when there has been none for too long.
        """
        try:
            step, whole = self._world.look(begun), self._world.look(self._begun)
        except AppError as error:
            silent = self._world.clock() - self._heard
            if silent > self._plan.lost_s:
                raise _Against(f"the routers have not answered for {silent:.0f} s: {error}") from error
            self._world.say(f"no report: {error}")
            return False
        self._heard = self._world.clock()
        reports.update({report.router: report for report in step})
        self._whole.update({report.router: report for report in whole})
        return True


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


def progress(row: Row) -> str:
    """A look in a line."""
    champion, challenger = row.seen.champion, row.seen.challenger
    line = (
        f"{row.step.name} after {row.seconds:.0f} s: {challenger.requests:,} requests, {challenger.failed:,} failed, "
        f"p95 {_ms(challenger.p95_s)} (champion {champion.requests:,}, {champion.failed:,}, {_ms(champion.p95_s)}), "
        f"{sum(row.seen.pairs.values()):,} pairs: {row.judgement.verdict}"
    )
    return f"{line}; {'; '.join(row.judgement.reasons)}" if row.judgement.verdict is Verdict.WAIT else line


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The report for programs."""
    return {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 1),
        "undone_s": None if outcome.undone_s is None else round(outcome.undone_s, 2),
        "steps": [_row_json(row) for row in outcome.rows],
    }


def as_markdown(outcome: Outcome) -> str:
    """The report for people."""
    head = ["step", "s", "arm", "requests", "failed", "p50", "p95", "same label", "decision"]
    rows = []
    for row in outcome.rows:
        found = agreement(row.seen.pairs)
        same = f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})" if found else markdown.NONE
        of = f"{same} of {sum(row.seen.pairs.values()):,}" if found else same
        for name, arm in (("challenger", row.seen.challenger), ("champion", row.seen.champion)):
            ours = name == "challenger"
            rows.append(
                [
                    row.step.name if ours else "",
                    f"{row.seconds:.0f}" if ours else "",
                    name,
                    f"{arm.requests:,}",
                    f"{arm.failed:,}",
                    _ms(arm.p50_s),
                    _ms(arm.p95_s),
                    of if ours else "",
                    str(row.judgement.verdict) if ours else "",
                ]
            )
    lines = [
        f"# Promotion: {'promoted' if outcome.promoted else 'rolled back'}",
        "",
        f"After {outcome.seconds:.0f} s: {outcome.reason}.",
        "",
        *markdown.table(head, rows),
        "Requests, failures, times and labels are those of the step; in brackets the exact 99.9 % interval.",
        "",
    ]
    for row in outcome.rows:
        lines += [f"## {row.step.name}", ""]
        lines += [f"- {check.name}, {check.state}: {check.text}" for check in row.judgement.checks]
        lines.append("")
    return "\n".join(lines)


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Write both; gives the path of the one for people."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{REPORT}.json").write_text(json.dumps(as_json(outcome), indent=2) + "\n")
    path = folder / f"{REPORT}.md"
    path.write_text(as_markdown(outcome))
    return path


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


def _row_json(row: Row) -> dict[str, Any]:
    found = agreement(row.seen.pairs)
    return {
        "step": row.step.name,
        "routing": row.step.routing,
        "seconds": round(row.seconds, 1),
        "champion": _counts_json(row.seen.champion),
        "challenger": _counts_json(row.seen.challenger),
        "pairs": sum(row.seen.pairs.values()),
        "agreement": None if found is None else [round(each, 4) for each in (found.value, found.low, found.high)],
        "verdict": str(row.judgement.verdict),
        "checks": [{"name": each.name, "state": str(each.state), "text": each.text} for each in row.judgement.checks],
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    timed = counts.requests > 0
    return {
        "requests": counts.requests,
        "texts": counts.texts,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "p50_s": round(counts.p50_s, 5) if timed else None,
        "p95_s": round(counts.p95_s, 5) if timed else None,
    }


def _short(message: str) -> str:
    """Of a message with a traceback, what failed and why: its first line and its last."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


def _ms(seconds: float) -> str:
    return markdown.NONE if math.isnan(seconds) else f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
