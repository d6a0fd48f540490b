"""Probabilities that mean what they say: a temperature and class offsets, found on validation, folded into the head.

Training on skewed classes leaves a model that prefers the frequent ones. Taking `tau` times the log of the class
frequencies off the logits (Menon et al. 2021, arXiv 2007.07314) undoes that in part or, with 1, in whole. Then one
temperature makes confidence agree with accuracy (Guo et al. 2017, arXiv 1706.04599). Both are linear in the logits, so
they become part of the last layer's weights, and whatever loads the model is calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from app.core.metrics import score

Logits = npt.NDArray[np.float64]

TAUS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`softmax((logits + offsets) / temperature)`; `tau` is the strength the offsets were made with."""

    temperature: float
    tau: float
    offsets: tuple[float, ...]

    def apply(self, logits: Logits) -> Logits:
        """Calibrated logits, shape [rows, classes] as given."""
        return np.asarray((logits + np.asarray(self.offsets)) / self.temperature)


def offsets(prior: Sequence[float], tau: float) -> tuple[float, ...]:
    """What to add to the logits, centred, for training class frequencies `prior`. An unseen class gets none."""
    logs = [-tau * math.log(share) if share > 0 else 0.0 for share in prior]
    mean = sum(logs) / len(logs)
    return tuple(value - mean for value in logs)


def _error(
    logits: Logits, labels: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], temperature: float
) -> float:
    scaled = logits / temperature
    peak = scaled.max(axis=1)
    normaliser = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
    return float((weights * (normaliser - scaled[np.arange(len(labels)), labels])).sum() / weights.sum())


def best_temperature(logits: Logits, labels: Sequence[int], prior: Sequence[float], tau: float) -> float:
    """The temperature between 0.2 and 5 with the least log loss, by golden-section search.

    Rows weigh as they would in a population whose classes are as even as `tau` makes them.
    """
    truth = np.asarray(labels, dtype=np.int64)
    weights = np.asarray([share**-tau if share > 0 else 1.0 for share in prior])[truth]
    low, high = math.log(0.2), math.log(5.0)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _error(logits, truth, weights, math.exp(left)) < _error(logits, truth, weights, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def macro_recall_error(confusion: Sequence[Sequence[int]]) -> float:
    """Standard error of the macro-averaged recall: class recalls are independent binomial shares."""
    variances = []
    for index, row in enumerate(confusion):
        if total := sum(row):
            recall = row[index] / total
            variances.append(recall * (1 - recall) / total)
    return math.sqrt(sum(variances)) / max(1, len(variances))


def choose_tau(logits: Logits, labels: Sequence[int], prior: Sequence[float]) -> float:
    """The weakest correction whose macro recall is within one standard error of the best one.

    The rule is fixed beforehand because a full correction is right only where the classes to come are balanced.
    """
    scores = [score(labels, (logits + np.asarray(offsets(prior, tau))).argmax(axis=1).tolist()) for tau in TAUS]
    best = max(scores, key=lambda each: each.macro_recall)
    enough = best.macro_recall - macro_recall_error(best.confusion)
    return next(tau for tau, each in zip(TAUS, scores, strict=True) if each.macro_recall >= enough)


def calibrate(logits: Logits, labels: Sequence[int], prior: Sequence[float], tau: float | None = None) -> Calibration:
    """Fit on logits of shape [rows, classes]; with `tau` None its strength is chosen by `choose_tau`."""
    strength = choose_tau(logits, labels, prior) if tau is None else tau
    added = offsets(prior, strength)
    return Calibration(best_temperature(logits + np.asarray(added), labels, prior, strength), strength, added)


@torch.no_grad()
def fold(layer: torch.nn.Linear, calibration: Calibration) -> None:
    """Put the calibration into the layer that makes the logits."""
    layer.bias.add_(layer.bias.new_tensor(calibration.offsets)).div_(calibration.temperature)
    layer.weight.div_(calibration.temperature)
