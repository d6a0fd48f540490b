"""A classifier that knows two words, sets for it, and an artifact folder that verifies without holding a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from app.adapters.artifact import ONNX, TOKENIZER, write_manifest
from app.adapters.classifiers import Classifier
from app.core.types import CLASSES, Label, Prediction
from pipelines.contestants import Contestant
from pipelines.corpora import EvaluationSet

_SURE = {
    Label.NEGATIVE: (0.95, 0.04, 0.01),
    Label.NEUTRAL: (0.03, 0.95, 0.02),
    Label.POSITIVE: (0.01, 0.04, 0.95),
}


class WordClassifier:
    """Positive for "good", negative for "bad" (and for "dull", if it is told to know it), else neutral."""

    languages = frozenset({"en"})

    def __init__(self, model: str = "words-1", *, knows_dull: bool = True) -> None:
        self.model = model
        self._bad = ("bad", "dull") if knows_dull else ("bad",)
        self.seen: list[str] = []

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        self.seen += texts
        return [Prediction(label, _SURE[label], self.model, "words") for label in map(self._label, texts)]

    def _label(self, text: str) -> Label:
        if "good" in text:
            return Label.POSITIVE
        return Label.NEGATIVE if any(word in text for word in self._bad) else Label.NEUTRAL


def contestant(name: str = "words-1", *, knows_dull: bool = True, fingerprint: str | None = None) -> Contestant:
    make: Callable[[], Classifier] = partial(WordClassifier, name, knows_dull=knows_dull)
    return Contestant(name, "model", make, fingerprint=fingerprint)


def labelled_set(name: str = "a-set", number: int = 90, *, event: str = "") -> EvaluationSet:
    """Each third text is negative, neutral, positive; every second negative one is only dull."""
    words = ("bad", "so-so", "good", "dull", "so-so", "good")
    texts = tuple(f"{name} {row} is {words[row % 6]} {'😀' if row % 4 == 0 else ''}".strip() for row in range(number))
    labels = tuple(row % 3 for row in range(number))
    return EvaluationSet(name, texts, labels, ("x",) * number, (event,) * number)


def artifact_folder(folder: Path, weights: str = "weights") -> Path:
    """A folder that `verify` accepts; its name and version differ with `weights`."""
    folder.mkdir(parents=True)
    (folder / ONNX).write_text(weights)
    (folder / TOKENIZER).write_text("{}")
    write_manifest(folder, name="tiny", max_tokens=64, scores={}, provenance={"base": "b", "licence": "Apache-2.0"})
    return folder


def predictions(texts: Sequence[str], labels: Sequence[int]) -> dict[str, Prediction]:
    """Sure answers with these class indices."""
    return {
        text: Prediction(CLASSES[label], _SURE[CLASSES[label]], "m", "b")
        for text, label in zip(texts, labels, strict=True)
    }
