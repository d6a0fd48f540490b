from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.core.canary import NOTHING, PROMOTED, walk
from app.core.errors import ConfigError
from pipelines import promotion_walk
from pipelines.promotion_report import Outcome
from tests.fakes.promotions import ARM, AT_ONCE, Behaviour, Cluster, run


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
