"""A preprocessor and a backend without a model, and a clock, for the tests of serving."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.errors import ClassifierError
from app.core.types import CLASSES, Prediction
from app.serving.classifier import About
from app.serving.preprocess import Prepared

TOKENIZER = "sha-of-the-tokenizer"


def prepared(*texts: str) -> list[Prepared]:
    """Texts in lower case; as many tokens as characters, each the code of one."""
    return [Prepared(text.lower(), [ord(letter) for letter in text.lower()]) for text in texts]


class FakePreprocessor:
    """`prepared`, as a stage."""

    async def prepare(self, texts: Sequence[str]) -> list[Prepared]:
        return prepared(*texts)


@dataclass
class FakeBackend:
    """The label of a text is its length modulo 3; `broken` in it is refused. Waits for `gate` and notes its calls."""

    model: str = "m-1"
    tokenizer: str = TOKENIZER
    tokens_per_call: int = 10
    calls: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    failure: Exception | None = None

    async def about(self) -> About:
        return About(self.model, "fake", self.tokenizer, frozenset({"en"}), self.tokens_per_call)

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        return await self.classify(["".join(map(chr, row)) for row in rows])

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        self.calls.append(list(texts))
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if any("broken" in text for text in texts):
            raise ClassifierError("can't read it")
        return [self.said(text) for text in texts]

    def said(self, text: str) -> Prediction:
        """The prediction of a text."""
        shares = [0.1, 0.1, 0.1]
        shares[len(text) % 3] = 0.8
        return Prediction(CLASSES[len(text) % 3], (shares[0], shares[1], shares[2]), self.model, "fake")


class ManualClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
