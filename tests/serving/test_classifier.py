from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from app.core.errors import ClassifierError
from app.core.types import Prediction
from app.serving.classifier import LONGEST_CALL_S, ClassifierReplica
from tests.fakes.serving import ManualClock
from tests.serving.test_handles import Judge

pytestmark = pytest.mark.anyio


class Hanging(Judge):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        self.begun.set()
        self.go_on.wait(10)
        return super().classify(texts)


async def test_a_refused_text_is_a_classifier_error_and_the_replica_lives() -> None:
    replica = ClassifierReplica(Judge())
    with pytest.raises(ClassifierError, match="can't read it"):
        await replica.classify(["broken"])
    replica.check_health()
    assert len(await replica.score([[1], [2]])) == 2


class Pair(Hanging):
    """Can do two things at once; token ids are answered whatever the texts wait for."""

    calls = 2

    def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        return Judge().score(rows)


async def test_a_model_that_can_do_two_things_at_once_is_asked_to() -> None:
    clock, judge = ManualClock(), Pair()
    replica = ClassifierReplica(judge, clock=clock)
    first = asyncio.create_task(replica.classify(["a"]))
    assert await asyncio.to_thread(judge.begun.wait, 5)
    clock.now += LONGEST_CALL_S / 2
    assert len(await replica.score([[1]])) == 1  # while the first call goes on
    clock.now += LONGEST_CALL_S / 2 + 1
    with pytest.raises(ClassifierError, match="has not answered"):
        replica.check_health()
    judge.go_on.set()
    await first


async def test_a_hung_runtime_is_reported_to_serve() -> None:
    clock, judge = ManualClock(), Hanging()
    replica = ClassifierReplica(judge, clock=clock)
    asked = asyncio.create_task(replica.classify(["a"]))
    assert await asyncio.to_thread(judge.begun.wait, 5)
    replica.check_health()
    clock.now += LONGEST_CALL_S + 1
    with pytest.raises(ClassifierError, match="has not answered for 10 seconds"):
        replica.check_health()
    judge.go_on.set()
    await asked
    replica.check_health()
