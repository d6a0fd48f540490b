"""Scores of a classifier: plain functions of true and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Scores:
    """`recall` follows the class order; `macro_recall` is the TweetEval metric (mean of the class recalls)."""

    n: int
    accuracy: float
    macro_recall: float
    macro_f1: float
    recall: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]


def confusion_matrix(true: Sequence[int], predicted: Sequence[int], classes: int) -> npt.NDArray[np.int64]:
    """Counts, shape [classes, classes]: row is the true class, column the predicted one."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
    return matrix


def score(true: Sequence[int], predicted: Sequence[int], classes: int = 3) -> Scores:
    """Score predictions. A class that does not occur in `true` is left out of the means."""
    if len(true) != len(predicted) or not true:
        raise ValueError(f"need as many predictions as labels and at least one: {len(predicted)} and {len(true)}")
    matrix = confusion_matrix(true, predicted, classes)
    hits = np.diag(matrix).astype(float)
    actual = matrix.sum(axis=1)
    claimed = matrix.sum(axis=0)
    recall = np.divide(hits, actual, out=np.zeros(classes), where=actual > 0)
    f1 = np.divide(2 * hits, actual + claimed, out=np.zeros(classes), where=(actual + claimed) > 0)
    present = actual > 0
    return Scores(
        n=len(true),
        accuracy=float(hits.sum() / matrix.sum()),
        macro_recall=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        recall=tuple(float(value) for value in recall),
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )
