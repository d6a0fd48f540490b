"""Classify many texts with Ray Data: one actor holds the classifier, each distinct text is answered once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from app.adapters.classifiers import TextClassifier
from app.core.types import CLASSES, Prediction

_BLOCK = 2_048
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Answers:
    """What a classifier said of each text. `seconds` is the time in the classifier alone, for `classified` texts."""

    by_text: Mapping[str, Prediction]
    seconds: float
    classified: int

    @property
    def backend(self) -> str:
        """What computed the answers."""
        return next((answer.backend for answer in self.by_text.values()), "")

    @property
    def texts_per_s(self) -> float:
        """Speed without loading; 0 where nothing was classified."""
        return self.classified / self.seconds if self.seconds > 0 else 0.0


class Classify:
    """The actor: makes the classifier where it runs and adds its answers to the rows."""

    def __init__(self, make: Callable[[], TextClassifier]) -> None:
        self._classifier = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows of (row, text) become rows of (row, label, probabilities, model, backend, seconds)."""
        started = time.perf_counter()
        answers = self._classifier.classify([str(text) for text in batch["text"]])
        seconds = (time.perf_counter() - started) / len(answers)
        return {
            "row": batch["row"],
            "label": np.array([CLASSES.index(answer.label) for answer in answers]),
            **{name.value: np.array([answer.probabilities[i] for answer in answers]) for i, name in enumerate(CLASSES)},
            "model": np.array([answer.model for answer in answers]),
            "backend": np.array([answer.backend for answer in answers]),
            "seconds": np.full(len(answers), seconds),
        }


class Ask(Protocol):
    """How answers are got: `classify`, or `classify_here` for a few texts."""

    def __call__(self, make: Callable[[], TextClassifier], texts: Iterable[str]) -> Answers:
        """The answers of the classifier that `make` gives to every distinct text."""


def classify_here(make: Callable[[], TextClassifier], texts: Iterable[str]) -> Answers:
    """Answers to every distinct text from this very process, without Ray: for a few of them."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return Answers({}, 0.0, 0)
    classifier = make()
    started = time.perf_counter()
    answers = classifier.classify(distinct)
    return Answers(dict(zip(distinct, answers, strict=True)), time.perf_counter() - started, len(distinct))


def classify(make: Callable[[], TextClassifier], texts: Iterable[str]) -> Answers:
    """Answers to every distinct text; uses the Ray that is running, or one of its own on this machine."""
    # Neighbours of similar length: the classifier pads less, and the slowest batches come last.
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    if not distinct:
        return Answers({}, 0.0, 0)
    blocks = [
        pa.table({"row": range(start, min(start + _BLOCK, len(distinct))), "text": distinct[start : start + _BLOCK]})
        for start in range(0, len(distinct), _BLOCK)
    ]
    answered = ray.data.from_arrow(blocks).map_batches(
        Classify,
        fn_constructor_args=(make,),
        batch_size=_BATCH,
        compute=ActorPoolStrategy(size=1),
        num_cpus=0.5,
    )
    by_text: dict[str, Prediction] = {}
    seconds = 0.0
    for batch in answered.iter_batches(batch_format="numpy", batch_size=None):
        seconds += float(batch["seconds"].sum())
        for i, row in enumerate(batch["row"]):
            negative, neutral, positive = (float(batch[name.value][i]) for name in CLASSES)
            by_text[distinct[int(row)]] = Prediction(
                CLASSES[int(batch["label"][i])],
                (negative, neutral, positive),
                str(batch["model"][i]),
                str(batch["backend"][i]),
            )
    return Answers(by_text, seconds, len(by_text))
