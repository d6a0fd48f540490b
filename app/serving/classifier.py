"""A replica that classifies: one loaded model behind as many threads as it can use."""

from __future__ import annotations

import asyncio
import threading
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
    """One model. As many calls run side by side as it can use; others queue instead of competing."""

    def __init__(self, classifier: Classifier, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._classifier = classifier
        self._clock = clock
        self._begun: dict[int, float] = {}  # by thread
        self._threads = ThreadPoolExecutor(max_workers=classifier.calls, thread_name_prefix="classify")

    @property
    def calls(self) -> int:
        """How many calls run side by side."""
        return self._classifier.calls

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
        oldest = min(self._begun.copy().values(), default=None)
        if oldest is not None and self._clock() - oldest > LONGEST_CALL_S:
            raise ClassifierError(f"the runtime has not answered for {LONGEST_CALL_S:.0f} seconds")

    async def _run(self, ask: Callable[[], list[Prediction]]) -> list[Prediction]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._timed, ask)

    def _timed(self, ask: Callable[[], list[Prediction]]) -> list[Prediction]:
        thread = threading.get_ident()
        self._begun[thread] = self._clock()
        try:
            return ask()
        finally:
            del self._begun[thread]
