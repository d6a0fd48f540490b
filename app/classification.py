"""What a user can ask the model: limits first, then the router. The code path behind the API and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.core.errors import InvalidInput
from app.core.types import Prediction
from app.settings import Settings


class Classify(Protocol):
    """Texts to predictions, in order: the router, or what stands in for it."""

    async def __call__(
        self, texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        """`keys` are the ids of the messages, `deadline_s` the time there is. Raises Overloaded, ClassifierError."""


class Classification:
    """Texts within the limits of the settings go to the model; others are refused by name."""

    def __init__(self, classify: Classify, settings: Settings) -> None:
        self._classify = classify
        self._settings = settings

    async def classify(
        self, texts: Sequence[str], ids: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        """One prediction a text, in order. The same id gets the same version of the model while weights are unchanged.

        Raises InvalidInput, naming the text, beyond the limits; Overloaded when there is no answer in `deadline_s`
        seconds or the queue is full; ClassifierError.
        """
        self._check(texts)
        if ids is not None and len(ids) != len(texts):
            raise InvalidInput(f"{len(ids)} ids for {len(texts)} texts: give one each, or none", field="ids")
        longest = self._settings.classify_deadline_s
        return await self._classify(texts, ids, min(deadline_s or longest, longest))

    def _check(self, texts: Sequence[str]) -> None:
        most, longest = self._settings.max_batch, self._settings.max_text_chars
        if not texts:
            raise InvalidInput("no text: give at least one", field="texts")
        if len(texts) > most:
            raise InvalidInput(f"{len(texts)} texts: at most {most} in one request", field="texts")
        for index, text in enumerate(texts):
            if len(text) > longest:
                raise InvalidInput(
                    f"text {index} has {len(text)} characters: at most {longest}", field=f"texts.{index}"
                )
            if not text.strip():
                raise InvalidInput(f"text {index} is empty", field=f"texts.{index}")
