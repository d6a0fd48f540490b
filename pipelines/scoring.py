"""From answers to results: pure scoring of one classifier on one labelled set, with intervals and slices."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.metrics import Floats, Ints, calibration, confusion_matrix, score
from app.core.significance import Interval, ece_interval, score_intervals
from app.core.slices import members
from app.core.types import CLASSES, Prediction
from pipelines.corpora import EvaluationSet
from pipelines.results import Bin, CalibrationResult, Estimate, SetResult, SliceResult

SLICE_MIN = 30  # texts; a smaller slice tells nothing
_ECE_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to the rows of a set as arrays: class indices [n] and probabilities [n, classes]."""

    labels: Ints
    probabilities: Floats


def answered(texts: Sequence[str], answers: Mapping[str, Prediction]) -> Answered:
    """The answers to `texts`, in order. Raises KeyError for a text without one."""
    given = [answers[text] for text in texts]
    return Answered(
        np.array([CLASSES.index(answer.label) for answer in given], dtype=np.int64),
        np.array([answer.probabilities for answer in given], dtype=np.float64).reshape(-1, len(CLASSES)),
    )


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one set: they do not depend on which other sets are scored, or when."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def score_set(
    labelled: EvaluationSet, given: Answered, *, seed: int, rounds: int, probabilistic: bool = True
) -> SetResult:
    """All that is known of a classifier on one set. `rounds` is that of the bootstrap."""
    rng = generator(seed, labelled.name)
    true = np.array(labelled.labels, dtype=np.int64)
    scores = score(true, given.labels)
    intervals = score_intervals(np.array(scores.confusion), rng, rounds=rounds)
    return SetResult(
        name=labelled.name,
        n=scores.n,
        accuracy=_estimate(intervals.accuracy),
        macro_recall=_estimate(intervals.macro_recall),
        macro_f1=_estimate(intervals.macro_f1),
        recall=scores.recall,
        precision=scores.precision,
        confusion=scores.confusion,
        calibration=_calibration(true, given.probabilities, rng) if probabilistic else None,
        slices=_slices(labelled, true, given.labels, rng, rounds),
    )


def _calibration(true: Ints, probabilities: Floats, rng: np.random.Generator) -> CalibrationResult:
    found = calibration(true, probabilities)
    return CalibrationResult(
        ece=_estimate(ece_interval(true, probabilities, rng, rounds=_ECE_ROUNDS)),
        ece_equal_mass=found.ece_equal_mass,
        brier=found.brier,
        nll=found.nll,
        curve=tuple(
            Bin(low=point.low, high=point.high, n=point.n, confidence=point.confidence, accuracy=point.accuracy)
            for point in found.curve
        ),
    )


def _slices(
    labelled: EvaluationSet, true: Ints, predicted: Ints, rng: np.random.Generator, rounds: int
) -> tuple[SliceResult, ...]:
    """Every slice of enough texts that is not the whole set."""
    results = []
    for (dimension, value), rows in members(labelled.texts, labelled.sources, labelled.events).items():
        if not SLICE_MIN <= len(rows) < len(true):
            continue
        chosen = np.array(rows)
        intervals = score_intervals(confusion_matrix(true[chosen], predicted[chosen], len(CLASSES)), rng, rounds=rounds)
        results.append(
            SliceResult(
                dimension=dimension,
                value=value,
                n=len(rows),
                classes=len(set(true[chosen].tolist())),
                macro_recall=_estimate(intervals.macro_recall),
                accuracy=intervals.accuracy.value,
            )
        )
    return tuple(results)


def _estimate(interval: Interval) -> Estimate:
    return Estimate(value=interval.value, low=interval.low, high=interval.high)
