from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from app.adapters.shadow_log import ShadowLog
from app.core.errors import ClassifierError, ConfigError, Overloaded
from app.core.split import TrafficSplit
from app.serving.arms import Arm
from app.serving.lane import Lane
from app.serving.ledger import Ledger
from app.serving.router import CHAMPION, Router, Routing
from tests.fakes.serving import TOKENIZER, FakeBackend, FakePreprocessor

pytestmark = pytest.mark.anyio
HALF = Routing(weights={CHAMPION: 50, "challenger": 50})


class Setup:
    """A router with two arms, and what they were asked."""

    def __init__(self, log: ShadowLog | None = None, cached: int = 100) -> None:
        self.backends = {CHAMPION: FakeBackend("m-1"), "challenger": FakeBackend("m-2")}
        self.ledger = Ledger("r1", log=log)
        self.router = Router(FakePreprocessor(), self.connect, self.ledger, cached=cached)

    def connect(self, name: str) -> Arm:
        if name not in self.backends:
            raise Overloaded(f"{name} is not up")
        return Arm(name, {"cpu": Lane(self.backends[name], TOKENIZER)})

    def texts(self, arm: str) -> list[str]:
        """What an arm's model has computed."""
        return [text for call in self.backends[arm].calls for text in call]


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def settled(condition: Callable[[], bool]) -> None:
    """Until what runs in the background has come so far."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_each_message_is_answered_by_the_arm_of_its_id(setup: Setup) -> None:
    setup.router.reconfigure(HALF)
    ids = [f"post-{number}" for number in range(40)]
    texts = [f"text number {number}" for number in range(40)]
    said = await setup.router.classify(texts, ids)
    split = TrafficSplit(HALF.weights)
    assert [each.arm for each in said] == [split.arm(key) for key in ids]
    assert {(each.arm, each.model) for each in said} == {(CHAMPION, "m-1"), ("challenger", "m-2")}
    assert [each.probabilities for each in said] == [
        setup.backends[CHAMPION].said(text).probabilities for text in texts
    ]


async def test_a_message_without_an_id_sticks_to_its_text(setup: Setup) -> None:
    setup.router.reconfigure(HALF)
    first = await setup.router.classify(["one", "two", "three", "four"])
    again = await setup.router.classify(["four", "three", "two", "one"])
    assert [each.arm for each in first] == [each.arm for each in reversed(again)]


async def test_a_text_is_computed_once_for_each_model(setup: Setup) -> None:
    first = await setup.router.classify(["Hello", "hello", "you"])
    assert await setup.router.classify(["HELLO"]) == first[:1]
    assert setup.texts(CHAMPION) == ["you", "hello"]
    setup.router.reconfigure(Routing(weights={"challenger": 100}))
    (other,) = await setup.router.classify(["hello"])
    assert (other.arm, other.model) == ("challenger", "m-2")
    assert setup.texts("challenger") == ["hello"]
    assert setup.ledger.report(0).arms[CHAMPION].remembered == 2


async def test_the_cache_is_bounded() -> None:
    setup = Setup(cached=2)
    for text in ("a", "b", "c", "a"):
        await setup.router.classify([text])
    assert setup.texts(CHAMPION) == ["a", "b", "c", "a"]


@pytest.mark.parametrize("failure", [Overloaded("full"), ClassifierError("broken")])
async def test_the_champion_answers_for_an_arm_that_fails(setup: Setup, failure: ClassifierError) -> None:
    setup.backends["challenger"].failure = failure
    setup.router.reconfigure(Routing(weights={"challenger": 100}))
    (said,) = await setup.router.classify(["hello"])
    assert (said.arm, said.model) == (CHAMPION, "m-1")
    report = setup.ledger.report(0)
    assert (report.arms["challenger"].failed, report.arms[CHAMPION].failed) == (1, 0)


async def test_the_champion_answers_in_time_for_an_arm_that_hangs(setup: Setup) -> None:
    setup.backends["challenger"].gate = asyncio.Event()
    setup.router.reconfigure(Routing(weights={"challenger": 100}))
    assert [said.arm for said in await setup.router.classify(["hello"], deadline_s=0.5)] == [CHAMPION]


async def test_the_champion_answers_for_an_arm_that_is_not_there(setup: Setup) -> None:
    setup.router.reconfigure(Routing(weights={"nobody": 100}))
    assert [said.arm for said in await setup.router.classify(["hello"])] == [CHAMPION]


async def test_a_champion_that_fails_is_an_error_and_counted(setup: Setup) -> None:
    setup.backends[CHAMPION].failure = Overloaded("full")
    with pytest.raises(Overloaded, match="full"):
        await setup.router.classify(["a", "b"])
    assert setup.ledger.report(0).arms[CHAMPION].failed == 2


async def test_a_shadow_scores_and_is_kept_but_never_answers(tmp_path: Path) -> None:
    setup = Setup(ShadowLog(tmp_path))
    setup.router.reconfigure(Routing(shadow=("challenger",)))
    said = await setup.router.classify(["one", "three"], ["id-1", "id-3"])
    assert {each.arm for each in said} == {CHAMPION}
    await settled(lambda: bool(setup.ledger.report(0).pairs))
    assert setup.ledger.report(0).pairs == {
        ("challenger", CHAMPION): {("negative", "negative"): 1, ("positive", "positive"): 1}
    }
    setup.ledger.close()
    rows = pq.read_table(tmp_path).to_pylist()
    assert [(row["key"], row["answer_arm"], row["shadow_arm"], row["shadow_model"]) for row in rows] == [
        ("id-1", CHAMPION, "challenger", "m-2"),
        ("id-3", CHAMPION, "challenger", "m-2"),
    ]


async def test_a_champion_that_is_a_shadow_scores_what_the_challenger_has_answered(setup: Setup) -> None:
    setup.router.reconfigure(Routing(weights=HALF.weights, shadow=(CHAMPION,)))
    ids = [f"post-{number}" for number in range(40)]
    said = await setup.router.classify([f"text {number}" for number in range(40)], ids)
    by_challenger = sum(each.arm == "challenger" for each in said)
    await settled(lambda: bool(setup.ledger.report(0).pairs))
    assert 0 < by_challenger < 40
    assert sum(setup.ledger.report(0).pairs["challenger", CHAMPION].values()) == by_challenger


async def test_a_shadow_that_fails_or_hangs_harms_nobody(setup: Setup) -> None:
    setup.router.reconfigure(Routing(shadow=("challenger",)))
    setup.backends["challenger"].failure = ClassifierError("broken")
    await setup.router.classify(["one"])
    await settled(lambda: "challenger" in setup.ledger.report(0).arms)
    assert setup.ledger.report(0).arms["challenger"].failed == 1
    setup.backends["challenger"].failure = None
    setup.backends["challenger"].gate = asyncio.Event()
    for number in range(70):
        await setup.router.classify([f"text {number}"])
    assert setup.ledger.report(0).arms["challenger"].skipped == 6
    setup.backends["challenger"].gate.set()
    await settled(lambda: bool(setup.ledger.report(0).pairs))
    await settled(lambda: sum(setup.ledger.report(0).pairs["challenger", CHAMPION].values()) == 64)


async def test_weights_that_are_no_split_are_refused_and_the_old_ones_stay(setup: Setup) -> None:
    setup.router.reconfigure(Routing(weights={"challenger": 100}))
    with pytest.raises(ConfigError, match="sum to 60"):
        setup.router.reconfigure(Routing(weights={CHAMPION: 50, "challenger": 10}))
    assert [said.arm for said in await setup.router.classify(["a"])] == ["challenger"]


def test_a_word_that_routing_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="wieghts"):
        Routing.model_validate({"wieghts": {}})


async def test_the_languages_are_those_of_the_champion(setup: Setup) -> None:
    assert await setup.router.languages() == {"en"}
