"""Scores and calibration of a classifier: plain functions of true classes, predicted classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SMALLEST = 1e-7  # below it a probability counts as this: one sure mistake does not make the mean infinite


@dataclass(frozen=True, slots=True)
class Scores:
    """`recall` and `precision` follow the class order; `macro_recall` is the TweetEval metric (mean of the recalls)."""

    n: int
    accuracy: float
    macro_recall: float
    macro_f1: float
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Means:
    """The three summary scores of many confusion matrices at once, each of the shape of the stack."""

    accuracy: Floats
    macro_recall: Floats
    macro_f1: Floats


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """The texts whose confidence lies in (low, high]: their mean confidence, and the part of them that is right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities can be taken at their word; 0 is best for all four figures.

    `ece` is the expected calibration error of the chosen class over bins of equal width (Guo et al. 2017, arXiv
    1706.04599), `ece_equal_mass` over bins of equally many texts (Nixon et al. 2019, arXiv 1904.01685), `brier` the
    squared error summed over the classes (Brier 1950; 0 to 2), `nll` the mean negative log likelihood in nats.
    `curve` leaves out empty bins.
    """

    ece: float
    ece_equal_mass: float
    brier: float
    nll: float
    curve: tuple[ReliabilityPoint, ...]


def confusion_matrix(true: Sequence[int] | Ints, predicted: Sequence[int] | Ints, classes: int) -> Ints:
    """Counts, shape [classes, classes]: row is the true class, column the predicted one."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
    return matrix


def class_rates(confusions: Ints) -> tuple[Floats, Floats, Floats]:
    """Recall, precision and F1 by class, shape [..., classes], of confusion matrices of shape [..., classes, classes].

    A rate without any text to rest on is 0.
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).astype(np.float64)
    actual = confusions.sum(axis=-1)
    claimed = confusions.sum(axis=-2)
    return _ratio(hits, actual), _ratio(hits, claimed), _ratio(2 * hits, actual + claimed)


def means(confusions: Ints) -> Means:
    """Accuracy, macro recall and macro F1 of each matrix of a stack [..., classes, classes].

    A class that does not occur among the true ones is left out of the means.
    """
    recall, _, f1 = class_rates(confusions)
    present = confusions.sum(axis=-1) > 0
    number = present.sum(axis=-1)
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).sum(axis=-1)
    return Means(
        accuracy=_ratio(hits, confusions.sum(axis=(-2, -1))),
        macro_recall=_ratio((recall * present).sum(axis=-1), number),
        macro_f1=_ratio((f1 * present).sum(axis=-1), number),
    )


def score(true: Sequence[int] | Ints, predicted: Sequence[int] | Ints, classes: int = 3) -> Scores:
    """Score predictions. A class that does not occur in `true` is left out of the means.

    Raises ValueError when there are not as many predictions as labels, or none.
    """
    _refuse_uneven(len(true), len(predicted))
    matrix = confusion_matrix(true, predicted, classes)
    recall, precision, _ = class_rates(matrix)
    summary = means(matrix)
    return Scores(
        n=len(true),
        accuracy=float(summary.accuracy),
        macro_recall=float(summary.macro_recall),
        macro_f1=float(summary.macro_f1),
        recall=tuple(float(value) for value in recall),
        precision=tuple(float(value) for value in precision),
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )


def calibration(true: Sequence[int] | Ints, probabilities: Floats, *, bins: int = 15) -> Calibration:
    """Calibration of `probabilities`, shape [texts, classes]; the class with the highest one is the chosen one.

    Raises ValueError when there are not as many rows as labels, or none.
    """
    _refuse_uneven(len(true), len(probabilities))
    truth = np.asarray(true, dtype=np.int64)
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    given = probabilities[np.arange(len(truth)), truth]
    wanted = np.eye(probabilities.shape[1])[truth]
    bin_of = equal_width_bins(confidence, bins)
    return Calibration(
        ece=binned_error(bin_of, confidence - right),
        ece_equal_mass=binned_error(_equal_mass_bins(confidence, bins), confidence - right),
        brier=float(((probabilities - wanted) ** 2).sum(axis=1).mean()),
        nll=float(-np.log(given.clip(min=_SMALLEST)).mean()),
        curve=_curve(bin_of, confidence, right, bins),
    )


def equal_width_bins(confidence: Floats, bins: int) -> Ints:
    """The bin of each confidence in 0..1: bin i holds (i / bins, (i + 1) / bins], the first one also 0."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def binned_error(bin_of: Ints, gap: Floats) -> float:
    """Mean over texts of how far the mean `gap` (confidence less rightness, 0 or 1) of their bin is from zero."""
    return float(np.abs(np.bincount(bin_of, weights=gap)).sum() / len(gap))


def _equal_mass_bins(confidence: Floats, bins: int) -> Ints:
    """Bins between the quantiles; equal confidences share a bin, so that the order of the texts does not matter."""
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, confidence, side="left").astype(np.int64)


def _curve(bin_of: Ints, confidence: Floats, right: Floats, bins: int) -> tuple[ReliabilityPoint, ...]:
    number = np.bincount(bin_of, minlength=bins)
    mean_confidence = _ratio(np.bincount(bin_of, weights=confidence, minlength=bins), number)
    accuracy = _ratio(np.bincount(bin_of, weights=right, minlength=bins), number)
    return tuple(
        ReliabilityPoint(i / bins, (i + 1) / bins, int(number[i]), float(mean_confidence[i]), float(accuracy[i]))
        for i in range(bins)
        if number[i]
    )


def _ratio(part: Floats | Ints, whole: Ints) -> Floats:
    """`part / whole`, 0 where there is no whole."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _refuse_uneven(labels: int, predictions: int) -> None:
    if labels != predictions or not labels:
        raise ValueError(f"need as many predictions as labels and at least one: {predictions} and {labels}")
