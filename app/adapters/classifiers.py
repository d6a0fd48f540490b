"""What every classifier is: texts or token ids in, predictions out, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.core.types import Prediction


class TextClassifier(Protocol):
    """Anything that judges texts as people wrote them: it cleans them itself, so that no caller can forget to."""

    @property
    def model(self) -> str:
        """Name and version of the model, as stored with each prediction."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages that the model was trained for."""

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction for each text, in order; an empty sequence gives an empty list. Raises ClassifierError."""


class Classifier(TextClassifier, Protocol):
    """A model in service, which also takes token ids."""

    @property
    def backend(self) -> str:
        """What computes it, and in which precision: onnx-int8, torch-bf16 ..."""

    @property
    def tokenizer(self) -> str:
        """SHA-256 of the tokenizer's file: whoever has the same one may send token ids."""

    @property
    def tokens_per_call(self) -> int:
        """The most padded tokens of one call of the runtime: a good size for a batch is some of these."""

    @property
    def calls(self) -> int:
        """How many calls may run side by side."""

    def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """One prediction for each row of token ids, in order. Raises ClassifierError."""
