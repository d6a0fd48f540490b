from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.adapters.serve_control import Deployed
from app.core.errors import AppError, ConfigError, Overloaded
from app.core.promotion import NOTHING, PROMOTED, Policy, walk
from app.serving.ledger import ArmReport, Report
from pipelines import promote, promotion_report, promotion_walk
from pipelines.promote import Candidate, arm_config
from pipelines.promotion_report import Outcome
from pipelines.promotion_walk import Plan, World

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
    return promotion_walk.promote(cluster.world, Plan(ARM, **options))


def weights(cluster: Cluster) -> list[float]:
    return [routing["weights"].get("challenger", 0) for _, routing in cluster.routings]


def assert_rolled_back(cluster: Cluster, outcome: Outcome) -> None:
    assert not outcome.promoted
    assert cluster.routings[-1][1] == {"weights": {"champion": 100}, "shadow": []}
    assert cluster.arms == {}


def test_a_good_challenger_walks_to_all_of_the_traffic_and_stays() -> None:
    cluster = Cluster()
    outcome = run(cluster)
    assert outcome.promoted
    assert [row.step.name for row in outcome.rows] == ["shadow", "5 %", "25 %", "50 %", "100 %"]
    assert weights(cluster) == [0, 0, 5, 25, 50, 100, 100]
    assert cluster.routings[-1][1] == PROMOTED.routing
    assert cluster.arms == {"challenger": ARM}
    assert outcome.undone_s is None


def test_what_the_routers_saw_is_added_up() -> None:
    cluster = Cluster(routers=("r1", "r2", "r3", "r4"))
    shadow = run(cluster, every_s=1.0).rows[0]
    assert sum(shadow.seen.pairs.values()) == pytest.approx(20 * shadow.seconds, rel=0.15)


@pytest.mark.parametrize("from_weight", [AT_ONCE, 5.0, 25.0])
def test_a_failing_challenger_is_back_within_thirty_seconds(from_weight: float) -> None:
    cluster = Cluster(behaviour=Behaviour(fails=True, from_weight=from_weight))
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert "errors: the challenger failed on" in outcome.reason
    assert max(weights(cluster)) == from_weight
    assert outcome.rows[-1].seconds <= 20
    assert cluster.routings[-1][0] - cluster.routings[-2][0] <= 30


def test_a_slow_challenger_is_rolled_back_from_the_shadow() -> None:
    cluster = Cluster(behaviour=Behaviour(p95_s=0.2))
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert outcome.reason.startswith("latency: p95 200 ms against 20 ms of the champion; at most 50 ms")
    assert max(weights(cluster)) == 0


def test_a_challenger_that_disagrees_answers_nobody() -> None:
    cluster = Cluster(behaviour=Behaviour(agree=50))
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert "agreement: the same label on" in outcome.reason
    assert max(weights(cluster)) == 0
    assert outcome.rows[-1].seconds <= 10


def test_too_little_traffic_waits_then_goes_back_and_says_what_is_missing() -> None:
    cluster = Cluster(per_s=0.1, routers=("r1",))
    outcome = run(cluster, step_s=300.0)
    assert_rolled_back(cluster, outcome)
    assert outcome.reason.startswith("no decision in 300 s at the step shadow: ")
    assert "400 are needed" in outcome.reason
    assert 300 < outcome.rows[-1].seconds <= 303


@pytest.mark.parametrize(
    ("starts_as", "reason"),
    [
        (["DEPLOYING", "DEPLOY_FAILED"], "the challenger did not start: no such folder"),
        (["DEPLOYING"], "the challenger did not start in 300 s: DEPLOYING no such folder"),
    ],
)
def test_a_challenger_that_does_not_start_is_taken_away(starts_as: Sequence[str], reason: str) -> None:
    cluster = Cluster(starts_as=starts_as)
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert outcome.reason == reason
    assert outcome.rows == ()


def test_a_silence_while_the_challenger_starts_is_waited_out() -> None:
    cluster = Cluster(refuses={"applications"})
    cluster.events = {1_040.0: cluster.refuses.clear}
    assert run(cluster).promoted
    assert "no answer: Ray's dashboard does not answer" in cluster.lines


def test_a_traceback_is_cut_to_what_failed_and_why() -> None:
    message = "Failed to start 3 times.\nTraceback:\n  File x\n\nModelNotFound: no manifest\n"
    outcome = run(Cluster(starts_as=["DEPLOY_FAILED"], message=message))
    assert outcome.reason == "the challenger did not start: Failed to start 3 times. ... ModelNotFound: no manifest"


def test_a_control_that_fails_on_the_way_leads_back_when_it_is_there_again() -> None:
    cluster = Cluster()
    cluster.events = {1_003.0: lambda: cluster.refuses.add("route"), 1_060.0: cluster.refuses.clear}
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert outcome.reason == "Ray's dashboard does not answer"
    assert outcome.undone_s is not None
    assert 0 < outcome.undone_s < 60


def test_a_rollback_that_does_not_get_through_says_what_to_do() -> None:
    cluster = Cluster(behaviour=Behaviour(agree=10))
    cluster.events = {1_003.0: lambda: cluster.refuses.add("route")}
    with pytest.raises(ConfigError, match=r"did not get through: .+ python -m pipelines.promote --rollback"):
        run(cluster)


def test_routers_that_stay_silent_lead_back() -> None:
    cluster = Cluster()
    cluster.events = {1_010.0: lambda: setattr(cluster, "lost", True)}
    outcome = run(cluster)
    assert_rolled_back(cluster, outcome)
    assert outcome.reason == "the routers have not answered for 16 s: the classifier does not answer"


def test_a_short_silence_is_waited_out() -> None:
    cluster = Cluster()
    cluster.events = {
        1_010.0: lambda: setattr(cluster, "lost", True),
        1_020.0: lambda: setattr(cluster, "lost", False),
    }
    assert run(cluster).promoted
    assert "no report: the classifier does not answer" in cluster.lines


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("a defect of ours")])
def test_an_interruption_leads_back(error: BaseException | type[BaseException]) -> None:
    cluster = Cluster()

    def interrupt() -> None:
        raise error

    cluster.events = {1_050.0: interrupt}
    if error is KeyboardInterrupt:
        outcome = run(cluster)
        assert outcome.reason == "it was interrupted"
        assert_rolled_back(cluster, outcome)
    else:
        with pytest.raises(RuntimeError, match="a defect of ours"):
            run(cluster)
        assert cluster.routings[-1][1] == NOTHING.routing
        assert cluster.arms == {}


@pytest.mark.parametrize("step", [*walk(), PROMOTED])
def test_a_second_promotion_changes_nothing(step: Any) -> None:
    cluster = Cluster(routings=[(0.0, step.routing)])
    with pytest.raises(ConfigError, match=r"a challenger has a part in models already: .+ --rollback"):
        run(cluster)
    assert len(cluster.routings) == 1
    assert cluster.arms == {}


def test_the_rollback_routes_before_it_takes_the_arm_away() -> None:
    cluster = Cluster(arms={"challenger": ARM}, refuses={"remove"})
    with pytest.raises(ConfigError):
        promotion_walk.roll_back(cluster.world, "models", seconds=5.0)
    assert cluster.routings[-1][1] == NOTHING.routing
    cluster.refuses.clear()
    promotion_walk.roll_back(cluster.world, "models")
    assert cluster.arms == {}


def test_a_line_for_each_look_says_where_it_is() -> None:
    cluster = Cluster()
    run(cluster)
    assert cluster.lines[0] == "deploying the application challenger ..."
    assert any(line.startswith("shadow after 2 s: ") and "are needed" in line for line in cluster.lines)
    assert any(line.startswith("100 % after ") and line.endswith(": advance") for line in cluster.lines)


def test_the_report_has_a_row_for_each_step_and_every_check(tmp_path: Path) -> None:
    outcome = run(Cluster(behaviour=Behaviour(fails=True, from_weight=25.0)))
    path = promotion_report.write_report(outcome, tmp_path / "new")
    text = path.read_text()
    assert text.startswith("# Promotion: rolled back\n")
    for told in ("| shadow | ", "| 5 % | ", "| 25 % | ", "roll back |", "- errors, bad: the challenger failed on"):
        assert told in text
    found = json.loads((tmp_path / "new" / "promotion.json").read_text())
    assert found["promoted"] is False
    assert [step["verdict"] for step in found["steps"]] == ["advance", "advance", "roll back"]
    assert found["steps"][0]["agreement"][0] == pytest.approx(0.95, abs=0.01)
    assert found["steps"][0]["challenger"]["p95_s"] == 0.02
    assert found["steps"][2]["routing"]["weights"] == {"champion": 75, "challenger": 25}


def test_a_report_without_a_step_is_still_one(tmp_path: Path) -> None:
    outcome = run(Cluster(starts_as=["DEPLOY_FAILED"]))
    assert "did not start: no such folder." in promotion_report.write_report(outcome, tmp_path).read_text()


class FakeRegistry(promote.Registry):
    """Answers of `pipelines.registry`."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []

    def _run(self, *arguments: str) -> str:
        self.commands.append(arguments)
        versions = [{"version": 4, "aliases": ["challenger"]}, {"version": 3, "aliases": ["champion"]}]
        return json.dumps(versions if arguments == ("list",) else {})


@pytest.mark.parametrize("wanted", ["challenger", "4"])
def test_a_name_of_the_registry_is_fetched_by_its_number(wanted: str, tmp_path: Path) -> None:
    registry = FakeRegistry()
    chosen = promote.candidate(wanted, tmp_path, registry)
    assert chosen == Candidate(tmp_path / "version-4", 4)
    assert registry.commands == [("list",), ("fetch", "4", str(tmp_path / "version-4"))]
    registry.promote(4)
    assert registry.commands[-1] == ("promote", "4")


def test_an_unknown_name_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody is neither a model folder nor in the registry, which has 4 chall"):
        promote.candidate("nobody", tmp_path, FakeRegistry())


def test_a_folder_is_verified_before_anything_is_deployed(tmp_path: Path) -> None:
    with pytest.raises(AppError):
        promote.candidate(str(tmp_path), tmp_path, FakeRegistry())
    assert promote.candidate("models/default", tmp_path, FakeRegistry()).version is None


def test_the_command_line_makes_the_policy() -> None:
    options = promote.parse_arguments(
        "--challenger x --min-pairs 9 --step-seconds 3 --timeout 77 --application other --replicas 2".split()
    )
    plan = promote.plan_of(options, Path("/x"))
    assert plan.policy == Policy(min_pairs=9, min_seconds=3.0)
    assert (plan.step_s, plan.application) == (77.0, "other")
    assert plan.arm["args"] == {"model_dir": "/x"}
    assert plan.arm["deployments"][0]["num_replicas"] == 2


def test_something_must_be_asked_for() -> None:
    with pytest.raises(SystemExit):
        promote.parse_arguments([])


def test_a_rollback_without_a_cluster_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(promote, "roll_back", _no_cluster)
    assert promote.main(["--rollback"]) == promote.ERROR_STATUS
    assert capsys.readouterr().err == "promote: Ray's dashboard does not answer\n"


def test_an_interrupted_rollback_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(promote, "roll_back", _interrupted)
    assert promote.main(["--rollback"]) == promote.ERROR_STATUS
    assert capsys.readouterr().err.endswith("python -m pipelines.promote --rollback\n")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _no_cluster(*_: object) -> None:
    raise ConfigError("Ray's dashboard does not answer")


def test_what_to_do_to_make_it_last() -> None:
    assert "model_dir: /m/new under the args of the application models" in promote.permanent(Candidate(Path("/m/new")))
