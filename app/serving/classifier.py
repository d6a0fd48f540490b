"""The classifier as a deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from app.adapters.classifiers import Classifier
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
