"""What every classifier is: texts in, predictions out, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.core.types import Prediction


class Classifier(Protocol):
    """A loaded model. Takes original texts: it normalises them itself, so that no caller can forget to."""

    @property
    def model(self) -> str:
        """Name and version of the model, as stored with each prediction."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages that the model was trained for."""

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction for each text, in order; an empty sequence gives an empty list."""
