"""Challengers that a canary has to find: one that raises on every text, and one that gives the wrong label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ray import serve
from ray.serve import Application

from app.adapters.backends import load
from app.core.errors import ClassifierError
from app.core.types import CLASSES, Prediction
from app.serving.classifier import About, ClassifierReplica
from app.serving.handles import bind
from app.settings import Settings


class RaisingReplica(ClassifierReplica):
    """Says who it is, and fails on every text."""

    def __init__(self) -> None:
        self._about = About("raising", "none", "none", frozenset({"en"}), 512)

    async def about(self) -> About:
        """Another model, or the cache would answer for it."""
        return self._about

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """Raises ClassifierError."""
        raise ClassifierError("this challenger is meant to fail")

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """Raises ClassifierError."""
        raise ClassifierError("this challenger is meant to fail")

    def check_health(self) -> None:
        """Ray believes that it is well."""


class WrongReplica(ClassifierReplica):
    """The model of the artifact, with each label turned into the next one."""

    def __init__(self) -> None:
        super().__init__(load(Settings().model_dir, "onnx", threads=1))

    async def about(self) -> About:
        """Another model, or the cache would answer for it."""
        return replace(await super().about(), model="wrong")

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """Wrong labels."""
        return [_turned(each) for each in await super().classify(texts)]

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """Wrong labels."""
        return [_turned(each) for each in await super().score(rows)]


def _turned(said: Prediction) -> Prediction:
    a, b, c = said.probabilities
    label = CLASSES[(CLASSES.index(said.label) + 1) % len(CLASSES)]
    return replace(said, label=label, probabilities=(c, a, b), model="wrong")


def raising(arguments: dict[str, str]) -> Application:
    """The application of a challenger that raises."""
    return bind(serve.deployment(RaisingReplica, name="CpuClassifier"))


def wrong(arguments: dict[str, str]) -> Application:
    """The application of a challenger that is wrong."""
    return bind(serve.deployment(WrongReplica, name="CpuClassifier"))
