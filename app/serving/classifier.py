"""The classifier as a deployment, and the way to it for everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.adapters.classifiers import Classifier
from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction


class ClassifierReplica:
    """One loaded model behind one thread: the runtime uses the cores itself, so calls queue instead of competing."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="classify")

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order. Raises ClassifierError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._classifier.classify, texts)

    def languages(self) -> frozenset[str]:
        """The languages that the model was trained for."""
        return self._classifier.languages


class ClassifierHandle:
    """The classifier deployment, seen from another replica: a Serve handle with our errors."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order. Raises Overloaded when the queue is full, ClassifierError."""
        try:
            predictions: list[Prediction] = await self._handle.classify.remote(list(texts))
        except BackPressureError as error:
            raise Overloaded("the classifier's queue is full: try again in a second", retry_after=1.0) from error
        except (DeploymentUnavailableError, RayActorError) as error:
            raise Overloaded("the classifier is not up: try again in some seconds", retry_after=5.0) from error
        except RayTaskError as error:
            raise ClassifierError(f"the classifier failed: {error.cause}") from error
        return predictions

    async def languages(self) -> frozenset[str]:
        """The languages that the model was trained for."""
        languages: frozenset[str] = await self._handle.languages.remote()
        return languages
