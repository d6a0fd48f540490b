"""Acceptance of the canary: what callers notice while the weights move, a replica dies and a bad challenger comes.

    python -m benchmarks.canary [--requests 20000] [--callers 24]    # prints JSON; progress on stderr
    python -m benchmarks.canary --requests 500 --callers 8           # a quick look: too few keys to judge the split by

On a Ray head of its own: preprocessor, router, two replicas of the champion, and a challenger made of the same
artifact. The challenger's weight goes 0 -> 5 -> 25 -> 50 -> 100 -> 0 under load, and at 25 one replica of the champion
is killed. Ids repeat, so a key that changes its arm at a fixed weight is seen; texts do not, so the cache answers
nothing. Then two bad challengers, one that raises and one that gives the wrong label, go straight to 5 % at 20
requests a second, and `pipelines.promote`'s walk has to find them: the shadow step, which would keep both from every
caller, is left out.
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
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray

from app.adapters.ports import HOST, free_port
from app.adapters.serve_control import MODELS, ROUTER, ServeControl
from app.core.canary import CHALLENGER, NOTHING, Step, walk
from app.core.errors import AppError, ConfigError
from app.core.split import TrafficSplit
from app.serving.router import Routing
from app.settings import Settings
from benchmarks.canary_traffic import Answer, Load, session
from cluster.local import LocalCluster, Ports
from pipelines.promote import Routers, say
from pipelines.promotion_report import as_json
from pipelines.promotion_walk import Plan, World, promote

WEIGHTS = (0.0, 5.0, 25.0, 50.0, 100.0, 0.0)
KILL_AT = 2
EFFECTIVE_S = 1.0
KEYS_PER_REQUEST = 0.25
FEWEST_KEYS = 100
BAD_PER_S = 20.0
BAND = 0.999
_BAD = ("raising", "wrong")


def arm_config(name: str, import_path: str, replicas: int = 1) -> dict[str, Any]:
    """The configuration of an application with replicas of a model."""
    deployment = {
        "name": "CpuClassifier",
        "num_replicas": replicas,
        "max_ongoing_requests": 16,
        "health_check_period_s": 1,
        "ray_actor_options": {"num_cpus": 0.2},
    }
    return {"name": name, "import_path": import_path, "route_prefix": None, "args": {}, "deployments": [deployment]}


def models_config() -> dict[str, Any]:
    """The models, each stage a deployment."""
    return {
        **arm_config(MODELS, "app.main:models", replicas=2),
        "route_prefix": "/v1/classify",
        "args": {"fused": False},
        "deployments": [
            *arm_config(MODELS, "", replicas=2)["deployments"],
            {"name": "Preprocessor", "max_ongoing_requests": 100, "ray_actor_options": {"num_cpus": 0.1}},
            {
                "name": ROUTER,
                "max_ongoing_requests": 1000,
                "max_queued_requests": 1000,
                "ray_actor_options": {"num_cpus": 0.2},
                "user_config": NOTHING.routing,
            },
        ],
    }


def wait_running(control: ServeControl, names: Sequence[str], seconds: float = 180.0) -> None:
    """Until these applications run. Raises ConfigError."""
    deadline = time.monotonic() + seconds
    while True:
        found = control.applications()
        states = {name: found[name].status if name in found else "not there" for name in names}
        if set(states.values()) == {"RUNNING"}:
            return
        if "DEPLOY_FAILED" in states.values() or time.monotonic() > deadline:
            told = " ".join(found[name].message for name in names if name in found)
            raise ConfigError(f"{states} after {seconds:.0f} s: {told}")
        time.sleep(0.3)


def pids(control: ServeControl) -> dict[str, list[int]]:
    """Process ids of the replicas by application and deployment."""
    return {
        f"{name}/{deployment}": list(running)
        for name, application in control.applications().items()
        for deployment, running in application.replicas.items()
    }


def kill_champion(cluster: LocalCluster, control: ServeControl) -> int:
    """SIGKILL one replica of the champion. Raises AppError when it is none of this cluster's processes."""
    pid = control.applications()[MODELS].replicas["CpuClassifier"][0]
    if pid not in {process.pid for process in cluster.processes()}:
        raise AppError(f"{pid} does not belong to this cluster")
    os.kill(pid, signal.SIGKILL)
    return pid


async def move_weights(
    cluster: LocalCluster, control: ServeControl, traffic: Load, requests: int, callers: int
) -> tuple[list[tuple[Step, float, float]], int]:
    """Load under moving weights: (step, change asked for, change accepted) of each, and the pid that was killed."""
    changes: list[tuple[Step, float, float]] = []
    done = asyncio.Event()
    killed = 0
    async with session() as shared:
        running = [asyncio.create_task(traffic.closed(shared, done)) for _ in range(callers)]
        try:
            for place, weight in enumerate(WEIGHTS):
                step = Step(f"{weight:g} %", weight)
                asked = time.monotonic()
                await asyncio.to_thread(control.route, MODELS, step.routing)
                changes.append((step, asked, time.monotonic()))
                end = len(traffic.answers) + requests // len(WEIGHTS)
                while len(traffic.answers) < end:
                    await asyncio.sleep(0.05)
                    if place == KILL_AT and not killed and len(traffic.answers) > end - requests // len(WEIGHTS) // 2:
                        killed = await asyncio.to_thread(kill_champion, cluster, control)
                say(f"{step.name}: {len(traffic.answers)} answers")
        finally:
            done.set()
            await asyncio.gather(*running)
    return changes, killed


def judge_steps(answers: Sequence[Answer], changes: Sequence[tuple[Step, float, float]]) -> list[dict[str, Any]]:
    """What the answers of each step say of the split."""
    ends = [asked for _, asked, _ in changes[1:]] + [math.inf]
    found = []
    for (step, asked, accepted), end in zip(changes, ends, strict=True):
        split = TrafficSplit(Routing.model_validate(step.routing).weights)
        ours = sorted((each for each in answers if asked <= each.at < end and each.arm), key=lambda each: each.at)
        stale = [each for each in ours if each.arm != split.arm(each.key)]
        settled = [each for each in ours if each.at > asked + EFFECTIVE_S]
        arms: dict[str, set[str]] = {}
        for each in settled:
            arms.setdefault(each.key, set()).add(each.arm)
        with_challenger = sum(CHALLENGER in each for each in arms.values())
        low, high = band(len(arms), step.weight / 100)
        found.append(
            {
                "weight": step.weight,
                "answers": len(ours),
                "effective_s": round(max((each.at - asked for each in stale), default=0.0), 3),
                "accepted_s": round(accepted - asked, 3),
                "against_the_split": sum(each.at > asked + EFFECTIVE_S for each in stale),
                "flapping_keys": sum(len(each) > 1 for each in arms.values()),
                "keys": len(arms),
                "keys_with_challenger": with_challenger,
                "band": [low, high],
                "in_band": low <= with_challenger <= high,
                "share_of_answers": round(sum(each.arm == CHALLENGER for each in settled) / max(1, len(settled)), 4),
            }
        )
    return found


def band(n: int, share: float) -> tuple[int, int]:
    """The exact two-sided band that a Binomial(n, share) count stays in with 99.9 %."""
    if share in {0.0, 1.0}:
        return round(n * share), round(n * share)
    tail, below, low = (1 - BAND) / 2, 0.0, 0
    for count in range(n + 1):
        term = math.exp(
            math.lgamma(n + 1)
            - math.lgamma(count + 1)
            - math.lgamma(n - count + 1)
            + count * math.log(share)
            + (n - count) * math.log1p(-share)
        )
        if below + term <= tail:
            low = count + 1
        below += term
        if below >= 1 - tail:
            return low, count
    return low, n


async def bad_challenger(name: str, traffic: Load, environment: Mapping[str, str]) -> dict[str, Any]:
    """Traffic while a program beside it promotes a bad challenger; gives what that and the callers saw."""
    done = asyncio.Event()
    async with session() as shared:
        callers = asyncio.create_task(traffic.paced(shared, BAD_PER_S, done))
        try:
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.canary", "--promote", name),
                stdout=subprocess.PIPE,
                env={**os.environ, **environment},
            )
            out, _ = await program.communicate()
        finally:
            done.set()
            await callers
    if not out.strip():
        raise AppError(f"the promotion of the challenger {name} ended with {program.returncode} and no report")
    outcome = json.loads(out.splitlines()[-1])
    if not outcome["steps"]:
        raise AppError(f"the challenger {name} got no traffic: {outcome['reason']}")
    step = outcome["steps"][-1]
    return {
        "promoted": outcome["promoted"],
        "reason": outcome["reason"],
        "rolled_back_s": None if outcome["undone_s"] is None else round(step["seconds"] + outcome["undone_s"], 1),
        "requests": len(traffic.answers),
        "failed_requests": sum(not each.arm for each in traffic.answers),
        "failures": sorted({each.failure[:200] for each in traffic.answers if not each.arm})[:5],
        "answers_of_the_challenger": sum(each.arm == CHALLENGER for each in traffic.answers),
    }


def promote_bad(name: str) -> int:
    """What `--promote` does: the walk from 5 % on, inside the cluster that the environment names."""
    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False)
    control = ServeControl(os.environ["RAY_API_SERVER_ADDRESS"], Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text())
    routers = Routers(MODELS, control)
    world = World(control, routers.look, time.time, time.sleep, say)
    plan = Plan(arm_config(CHALLENGER, f"benchmarks.bad_challengers:{name}"), steps=walk()[1:], step_s=180.0)
    print(json.dumps(as_json(promote(world, plan))))
    routers.close()
    return 0


def gcs_address(cluster: LocalCluster) -> str:
    """Where programs join this cluster, from the command line of its own head. Raises AppError."""
    for process in cluster.processes():
        try:
            for word in process.cmdline():
                if word.startswith("--gcs_server_port="):
                    return f"{HOST}:{word.partition('=')[2]}"
        except psutil.NoSuchProcess:
            continue
    raise AppError("the head of the cluster was not found")


def measure(cluster: LocalCluster, state: Path, options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Everything; adds to `report`, so that what was measured before an error is kept."""
    cluster.start()
    address = f"http://{HOST}:{cluster.ports.ray_dashboard}"
    token = state / "ray-token"
    control = ServeControl(address, token.read_text())
    cluster.wait("Ray", lambda: _answers(control), 240)
    control.deploy(
        {
            "http_options": {"host": HOST, "port": cluster.ports.http},
            "applications": [models_config(), arm_config(CHALLENGER, "app.main:arm")],
        }
    )
    wait_running(control, [MODELS, CHALLENGER])
    before = pids(control)
    say(f"up: {before}")
    traffic = Load(cluster.url, max(50, int(options.requests * KEYS_PER_REQUEST)), "weights")
    begun = time.monotonic()
    changes, killed = asyncio.run(move_weights(cluster, control, traffic, options.requests, options.callers))
    seconds = time.monotonic() - begun
    wait_running(control, [MODELS, CHALLENGER])
    after = pids(control)
    failures = [each.failure for each in traffic.answers if not each.arm]
    report |= {
        "requests": len(traffic.answers),
        "callers": options.callers,
        "requests_per_s": round(len(traffic.answers) / seconds, 1),
        "failed_requests": len(failures),
        "failures": sorted(set(failures))[:5],
        "steps": judge_steps(traffic.answers, changes),
        "pids_before": before,
        "pids_after": after,
        "killed_pid": killed,
        "router_unchanged": before[f"{MODELS}/{ROUTER}"] == after[f"{MODELS}/{ROUTER}"],
        "load_average": os.getloadavg()[0],
    }
    control.remove(CHALLENGER)
    environment = {
        "RAY_ADDRESS": gcs_address(cluster),
        "RAY_API_SERVER_ADDRESS": address,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name in _BAD:
        _wait_gone(control)
        say(f"a challenger that is {name} ...")
        report[name] = asyncio.run(bad_challenger(name, Load(cluster.url, 10_000, name), environment))


def _answers(control: ServeControl) -> bool:
    try:
        control.applications()
    except ConfigError:
        return False
    return True


def _wait_gone(control: ServeControl) -> None:
    deadline = time.monotonic() + 60
    while CHALLENGER in control.applications() and time.monotonic() < deadline:
        time.sleep(0.3)


def failed(report: Mapping[str, Any]) -> list[str]:
    """What does not hold of the goal; empty when all does."""
    steps = report.get("steps", [])
    wanted = {
        "no failed request": not any(
            each.get("failed_requests", 1) for each in (report, *(report.get(name, {}) for name in _BAD))
        ),
        "no flapping key": not any(step["flapping_keys"] or step["against_the_split"] for step in steps),
        f"at least {FEWEST_KEYS} keys in each step to judge the split by": bool(steps)
        and all(step["keys"] >= FEWEST_KEYS for step in steps),
        "shares in their bands": all(step["in_band"] for step in steps),
        "weights effective within a second": all(step["effective_s"] <= EFFECTIVE_S for step in steps),
        "the router was not restarted": bool(report.get("router_unchanged")),
        "the challenger was not restarted": report.get("pids_before", {}).get(f"{CHALLENGER}/CpuClassifier")
        == report.get("pids_after", {}).get(f"{CHALLENGER}/CpuClassifier"),
        **{
            f"a challenger that is {name} is back in 30 s": name in report
            and (report[name]["rolled_back_s"] or 99) <= 30
            for name in _BAD
        },
    }
    return [name for name, holds in wanted.items() if not holds]


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.canary", description="Acceptance of the canary.")
    parser.add_argument("--requests", type=int, default=20_000, help="while the weights move")
    parser.add_argument("--callers", type=int, default=24, help="requests at the same time")
    parser.add_argument("--promote", choices=_BAD, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status: 1 when something does not hold."""
    options = parse_arguments(arguments)
    if options.promote:
        return promote_bad(options.promote)
    report: dict[str, Any] = {}
    model = (Path.cwd() / Settings().model_dir).resolve()
    with tempfile.TemporaryDirectory(prefix="eventpulse-canary-") as folder:
        environment = {"EVENTPULSE_MODEL_THREADS": "1", "EVENTPULSE_MODEL_DIR": str(model)}
        cluster = LocalCluster(Ports(free_port(), free_port()), Path(folder), environment)
        try:
            measure(cluster, Path(folder).resolve(), options, report)
        except AppError as error:
            report["error"] = str(error)
        finally:
            report["left_behind"] = len(cluster.stop())
    report["failed"] = failed(report)
    print(json.dumps(report, indent=2))
    return 1 if report["failed"] or "error" in report or report["left_behind"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
