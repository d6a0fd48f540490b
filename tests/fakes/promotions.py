"""A cluster for promotions without Ray: what is deployed, the routers, and a clock with which the traffic passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.adapters.serve_control import Deployed
from app.core.canary import NOTHING
from app.core.errors import ConfigError, Overloaded
from app.serving.ledger import ArmReport, Report
from pipelines.promote import arm_config
from pipelines.promotion_report import Outcome
from pipelines.promotion_walk import Plan, World, promote

ARM = arm_config(Path("/models/new"))
AT_ONCE = 0.0


@dataclass(frozen=True)
class Behaviour:
    """How the challenger is, from its beginning or from a weight on. `agree` of 100 messages get the same label."""

    fails: bool = False
    p95_s: float = 0.02
    agree: int = 95
    from_weight: float = AT_ONCE


@dataclass
class Cluster:
    """A cluster whose traffic, `per_s` texts in equal parts to each router, passes with its clock.

    Is the control, the routers and the clock of a `World`.
    """

    per_s: float = 20.0
    behaviour: Behaviour = field(default_factory=Behaviour)
    routers: tuple[str, ...] = ("r1", "r2")
    starts_as: Sequence[str] = ("DEPLOYING", "RUNNING")
    now: float = 1_000.0
    routings: list[tuple[float, dict[str, Any]]] = field(default_factory=lambda: [(0.0, NOTHING.routing)])
    arms: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    events: dict[float, Callable[[], None]] = field(default_factory=dict)
    lost: bool = False
    refuses: set[str] = field(default_factory=set)
    asked: int = 0
    message: str = "no such folder"

    @property
    def world(self) -> World:
        return World(self, self.look, lambda: self.now, self.sleep, self.lines.append)

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        for at in sorted(at for at in self.events if self.now < at <= until):
            self.now = at
            self.events[at]()
        self.now = until

    def applications(self) -> dict[str, Deployed]:
        self._may("applications")
        status = self.starts_as[min(self.asked, len(self.starts_as) - 1)]
        self.asked += 1
        return {name: Deployed(name, status, self.message, config, {}) for name, config in self.arms.items()}

    def routing(self, application: str) -> dict[str, Any]:
        assert application == "models"
        return self.routings[-1][1]

    def route(self, application: str, routing: Mapping[str, object]) -> None:
        assert application == "models"
        self._may("route")
        self.routings.append((self.now, dict(routing)))

    def add(self, config: Mapping[str, Any]) -> None:
        self._may("add")
        self.arms[config["name"]] = config

    def remove(self, name: str) -> None:
        self._may("remove")
        self.arms.pop(name, None)

    def look(self, since: float) -> list[Report]:
        if self.lost:
            raise Overloaded("the classifier does not answer")
        asked = [self._report(name, since) for name in self.routers]
        return asked[int(self.now) % len(asked) :][:1]  # one of them answers

    def _may(self, what: str) -> None:
        if what in self.refuses:
            raise ConfigError("Ray's dashboard does not answer")

    def _report(self, router: str, since: float) -> Report:
        """Integrates the traffic over the routings."""
        counts = {"champion": 0.0, "challenger": 0.0}
        failed = pairs = 0.0
        ends = [begun for begun, _ in self.routings[1:]] + [self.now]
        for (begun, routing), end in zip(self.routings, ends, strict=True):
            texts = max(0.0, end - max(begun, since)) * self.per_s / len(self.routers)
            weight = routing["weights"].get("challenger", 0)
            to_challenger = texts if "challenger" in routing["shadow"] else texts * weight / 100
            counts["champion"] += texts * (1 - weight / 100)
            if "champion" in routing["shadow"] and weight:
                counts["champion"] += to_challenger
            if self.behaviour.fails and weight >= self.behaviour.from_weight:
                failed += to_challenger
            else:
                counts["challenger"] += to_challenger
                pairs += to_challenger
        same = int(pairs * self.behaviour.agree / 100)
        return Report(
            router,
            {
                "champion": self._arm(counts["champion"], 0, 0.02),
                "challenger": self._arm(counts["challenger"], failed, self.behaviour.p95_s),
            },
            {
                ("challenger", "champion"): {
                    ("neutral", "neutral"): same,
                    ("negative", "positive"): (int(pairs) - same) // 2,
                    ("positive", "negative"): (int(pairs) - same + 1) // 2,
                }
            },
        )

    @staticmethod
    def _arm(texts: float, failed: float, p95_s: float) -> ArmReport:
        answered = int(texts)
        seconds = p95_s if answered else math.nan
        return ArmReport(answered, answered, int(failed), 0, 0, seconds / 2, seconds, seconds)


def run(cluster: Cluster, **options: Any) -> Outcome:
    """Promote; `options` are those of Plan."""
    return promote(cluster.world, Plan(ARM, **options))
