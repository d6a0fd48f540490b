"""A replica that classifies: one loaded model behind one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.adapters.classifiers import Classifier
from app.core.errors import ClassifierError
from app.core.types import Prediction

LONGEST_CALL_S = 10.0
"""A call that takes longer is a hung runtime: calls are cut to a fraction of a second."""


@dataclass(frozen=True, slots=True)
class About:
    """What a caller must know of a model to use it. `tokens_per_call` is the most padded tokens of one run."""

    model: str
    backend: str
    tokenizer: str
    languages: frozenset[str]
    tokens_per_call: int


class ClassifierReplica:
    """One model; the runtime uses the cores or the GPU itself, so calls queue instead of competing."""

    def __init__(self, classifier: Classifier, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._classifier = classifier
        self._clock = clock
        self._begun: float | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="classify")

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """One prediction a row of token ids of the model's own tokenizer, in order. Raises ClassifierError."""
        return await self._run(lambda: self._classifier.score(rows))

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order. Raises ClassifierError."""
        return await self._run(lambda: self._classifier.classify(texts))

    async def about(self) -> About:
        """The model of this replica."""
        model = self._classifier
        return About(model.model, model.backend, model.tokenizer, model.languages, model.tokens_per_call)

    def check_health(self) -> None:
        """Called by Serve, which replaces the replica after an error: raises ClassifierError when the runtime hangs."""
        begun = self._begun
        if begun is not None and self._clock() - begun > LONGEST_CALL_S:
            raise ClassifierError(f"the runtime has not answered for {LONGEST_CALL_S:.0f} seconds")

    async def _run(self, ask: Callable[[], list[Prediction]]) -> list[Prediction]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, ask)

    def _timed(self, ask: Callable[[], list[Prediction]]) -> list[Prediction]:
        self._begun = self._clock()
        try:
            return ask()
        finally:
            self._begun = None
