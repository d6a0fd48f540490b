from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from ray import serve
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Label, Prediction
from app.serving.classifier import ClassifierReplica
from app.serving.handles import ClassifierHandle


class Judge:
    """Calls everything positive; refuses the text "broken"."""

    model = "judge-1"
    languages = frozenset({"en"})

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        if "broken" in texts:
            raise ClassifierError("can't read it")
        return [Prediction(Label.POSITIVE, (0.1, 0.2, 0.7), self.model, text) for text in texts]


class Refusal:
    """A Serve handle whose calls fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.classify = self

    async def remote(self, texts: list[str]) -> list[Prediction]:
        raise self._error


def test_texts_come_back_judged_in_order_through_serve() -> None:
    deployment = serve.deployment(ClassifierReplica)
    handle = ClassifierHandle(serve.run(deployment.bind(Judge()), _local_testing_mode=True))

    async def ask() -> tuple[list[Prediction], frozenset[str]]:
        return await handle.classify(["a", "b"]), await handle.languages()

    predictions, languages = asyncio.run(ask())
    assert [prediction.backend for prediction in predictions] == ["a", "b"]
    assert languages == {"en"}


def test_a_refused_text_is_a_classifier_error() -> None:
    replica = ClassifierReplica(Judge())
    with pytest.raises(ClassifierError, match="can't read it"):
        asyncio.run(replica.classify(["broken"]))


@pytest.mark.parametrize(
    "error",
    [BackPressureError(1, 1), DeploymentUnavailableError(None), ActorDiedError()],
    ids=lambda e: type(e).__name__,
)
def test_a_replica_that_can_t_answer_asks_to_come_back(error: Exception) -> None:
    with pytest.raises(Overloaded) as raised:
        asyncio.run(ClassifierHandle(Refusal(error)).classify(["a"]))
    assert raised.value.retry_after > 0
