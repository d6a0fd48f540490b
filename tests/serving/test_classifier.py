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
