from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from ray import serve
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Label, Prediction
from app.serving.classifier import ClassifierReplica
from app.serving.handles import RemotePreprocessor, RemoteReplicas
from app.serving.preprocess import Prepared

pytestmark = pytest.mark.anyio


class Judge:
    """Calls everything positive; refuses the text "broken"."""

    model = "judge-1"
    backend = "none"
    tokenizer = "sha"
    languages = frozenset({"en"})
    tokens_per_call = 10
    calls = 1

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        if "broken" in texts:
            raise ClassifierError("can't read it")
        return [Prediction(Label.POSITIVE, (0.1, 0.2, 0.7), self.model, text) for text in texts]

    def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        return self.classify([str(len(row)) for row in rows])


class Replies:
    """A Serve handle that gives, or raises, one after the other; None never answers."""

    def __init__(self, *replies: object) -> None:
        self._replies = iter(replies)
        self.classify = self.score = self.prepare = self
        self.calls = 0

    async def remote(self, *asked: object) -> object:
        self.calls += 1
        reply = next(self._replies)
        if reply is None:
            await asyncio.Event().wait()
        if isinstance(reply, Exception):
            raise reply
        return reply


def test_texts_and_ids_come_back_judged_in_order_through_serve() -> None:
    deployment = serve.deployment(ClassifierReplica)
    replicas = RemoteReplicas(serve.run(deployment.bind(Judge()), _local_testing_mode=True))

    async def ask() -> tuple[list[Prediction], list[Prediction], str]:
        return await replicas.classify(["a", "b"]), await replicas.score([[1], [1, 2]]), (await replicas.about()).model

    by_text, by_ids, model = asyncio.run(ask())
    assert [each.backend for each in by_text] == ["a", "b"]
    assert [each.backend for each in by_ids] == ["1", "2"]
    assert model == "judge-1"


async def test_a_call_that_lost_its_replica_is_made_again() -> None:
    handle = Replies(ActorDiedError(), ["answer"])
    assert await RemoteReplicas(handle).classify(["a"]) == ["answer"]


async def test_a_call_that_hangs_is_made_again_on_another_replica() -> None:
    handle = Replies(None, ["answer"])
    assert await RemoteReplicas(handle, timeout_s=0.01).classify(["a"]) == ["answer"]


async def test_three_lost_calls_are_enough() -> None:
    handle = Replies(*[ActorDiedError()] * 4)
    with pytest.raises(Overloaded, match="does not answer"):
        await RemoteReplicas(handle).classify(["a"])
    assert handle.calls == 3


@pytest.mark.parametrize("error", [BackPressureError(1, 1), DeploymentUnavailableError(None)])
async def test_no_room_is_said_at_once(error: Exception) -> None:
    handle = Replies(error)
    with pytest.raises(Overloaded) as raised:
        await RemotePreprocessor(handle).prepare(["a"])
    assert raised.value.retry_after > 0
    assert handle.calls == 1


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Overloaded("full", retry_after=7), Overloaded),
        (ClassifierError("no"), ClassifierError),
        (KeyError("x"), ClassifierError),
    ],
)
async def test_the_error_of_a_replica_arrives_as_ours(cause: Exception, kind: type[ClassifierError]) -> None:
    error = RayTaskError("classify", "the traceback", cause).as_instanceof_cause()
    with pytest.raises(ClassifierError) as raised:
        await RemoteReplicas(Replies(error)).classify(["a"])
    assert type(raised.value) is kind
    if isinstance(raised.value, Overloaded):
        assert raised.value.retry_after == 7


async def test_prepared_texts_pass() -> None:
    prepared = [Prepared("a", [1])]
    assert await RemotePreprocessor(Replies(prepared)).prepare(["A"]) == prepared
