"""How deployments are bound, how they find each other, and how Ray's errors become ours."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from app.adapters.serve_control import MODELS
from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction
from app.serving.classifier import LONGEST_CALL_S, About
from app.serving.ledger import Report
from app.serving.preprocess import Prepared

GRACE_S = 5.0
"""What a caller of the router waits beyond the deadline: the router's own refusal says more than a broken call."""

_ATTEMPTS = 3


class Remote:
    """A Serve handle with our errors: a call that loses its replica, or hangs, is made again on another one."""

    def __init__(self, handle: Any, *, timeout_s: float = LONGEST_CALL_S) -> None:
        self._handle = handle
        self._timeout_s = timeout_s

    async def call(self, method: str, *arguments: object) -> Any:
        """What the method gives. Raises Overloaded when no replica can answer, ClassifierError when one refuses."""
        failure: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await getattr(self._handle, method).remote(*arguments)
            except BackPressureError as error:
                raise Overloaded("the classifier's queue is full: try again in a second") from error
            except DeploymentUnavailableError as error:
                raise Overloaded("the classifier is not up: try again in some seconds", retry_after=5.0) from error
            except RayTaskError as error:
                cause = error.cause
                if isinstance(cause, ClassifierError):
                    raise cause from error
                raise ClassifierError(f"the classifier failed: {cause}") from error
            except (RayActorError, TimeoutError) as error:
                failure = error
        raise Overloaded("the classifier does not answer: try again in some seconds", retry_after=5.0) from failure


class RemoteReplicas:
    """The replicas of a classifier deployment, seen from the router: a `app.serving.lane.Backend`."""

    def __init__(self, handle: Any, *, timeout_s: float = LONGEST_CALL_S) -> None:
        self._remote = Remote(handle, timeout_s=timeout_s)

    async def about(self) -> About:
        """What they are."""
        about: About = await self._remote.call("about")
        return about

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """One prediction a row of token ids, in order."""
        predictions: list[Prediction] = await self._remote.call("score", rows)
        return predictions

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order."""
        predictions: list[Prediction] = await self._remote.call("classify", texts)
        return predictions


class RemotePreprocessor:
    """The preprocessor deployment, seen from the router."""

    def __init__(self, handle: Any) -> None:
        self._remote = Remote(handle)

    async def prepare(self, texts: Sequence[str]) -> list[Prepared]:
        """Each text prepared, in order."""
        prepared: list[Prepared] = await self._remote.call("prepare", texts)
        return prepared


class RouterHandle:
    """The router, seen from another application."""

    def __init__(self, handle: Any, *, timeout_s: float) -> None:
        self._remote = Remote(handle, timeout_s=timeout_s)

    async def classify(
        self, texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        """What `app.serving.router.Router.classify` says. Raises Overloaded, ClassifierError."""
        predictions: list[Prediction] = await self._remote.call("classify", texts, keys, deadline_s)
        return predictions

    async def languages(self) -> frozenset[str]:
        """The languages that the champion was trained for."""
        languages: frozenset[str] = await self._remote.call("languages")
        return languages

    async def report(self, since: float) -> Report:
        """What the router has seen since that Unix time."""
        report: Report = await self._remote.call("report", since)
        return report


def application_handle(name: str) -> Any:
    """The handle of an application. Raises Overloaded while there is none of that name."""
    try:
        return serve.get_app_handle(name)
    except RayServeException as error:
        raise Overloaded(f"the application {name} is not up: try again in some seconds", retry_after=5.0) from error


@functools.cache
def router_handle(timeout_s: float) -> RouterHandle:
    """The way to the router from inside any replica. Raises Overloaded while the application is not there."""
    return RouterHandle(application_handle(MODELS), timeout_s=timeout_s)


def bind(deployment: Any, *arguments: object) -> Application:
    """`deployment.bind`, which Ray's decorator hides from the type checker."""
    application: Application = deployment.bind(*arguments)
    return application
