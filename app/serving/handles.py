"""How deployments are bound, and how they find each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction

MODELS = "models"
"""The application in serve_config.yaml that classifies."""


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


def classifier_handle() -> ClassifierHandle:
    """The way to the classifier from inside any replica."""
    return ClassifierHandle(serve.get_app_handle(MODELS))


def bind(deployment: Any, *arguments: object) -> Application:
    """`deployment.bind`, which Ray's decorator hides from the type checker."""
    application: Application = deployment.bind(*arguments)
    return application
