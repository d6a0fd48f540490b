"""A challenger on its way through the steps of a promotion, and back. What touches Ray and the clock is given to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.adapters.serve_control import MODELS, Deployed
from app.core.arm_counts import Seen, observed
from app.core.canary import CHALLENGER, NOTHING, PROMOTED, Step, walk
from app.core.errors import AppError, ConfigError
from app.core.promotion import Policy, Verdict, Window, judge
from pipelines.promotion_report import Outcome, Row, progress, short

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
                raise _Against(f"the challenger did not start: {short(found.message) or found.status}")
            if world.clock() > deadline:
                state = "is not there" if found is None else f"{found.status} {short(found.message)}".strip()
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
