"""Class shares from probabilities instead of labels: a second opinion on `app.core.adjusted_counts`.

Expectation maximisation over the shares, each text's probabilities re-weighted by them (Saerens, Latinne and
Decaestecker 2002, Neural Computation 14:21). It rests on other evidence, how sure the classifier was of each text, and
needs probabilities that are calibrated for known shares. Where both methods agree, neither is wrong by its own noise;
where they do not, the material is not what the classifier was measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDS: Final = 1_000
_ENOUGH: Final = 1e-6
_LEAST: Final = 1e-12  # no share reaches 0, which it could never leave again


def emq(probabilities: Floats, prior: Floats) -> Floats:
    """The shares of the classes among texts with these probabilities, shape [texts, classes].

    `prior` are the shares that the probabilities are calibrated for; see `embedded_prior`. Raises ValueError without
    texts.
    """
    _refuse_none(probabilities)
    shares = np.array(prior)
    for _ in range(_ROUNDS):
        found = _reweighted(probabilities, shares / prior)
        if np.abs(found - shares).max() < _ENOUGH:
            break
        shares = found
    return found


def embedded_prior(probabilities: Floats, labels: Sequence[int] | npt.NDArray[np.int64]) -> Floats:
    """The prior under which `emq` finds the true shares of labelled texts with probabilities [texts, classes].

    `labels` are class indices. Raises ValueError without texts.
    """
    _refuse_none(probabilities)
    true = np.bincount(np.asarray(labels, dtype=np.int64), minlength=probabilities.shape[1]) / len(labels)
    true = np.maximum(true, 0.5 / len(labels))  # a class that does not occur might have
    prior = true / true.sum()
    for _ in range(_ROUNDS):
        ratio = _reweighted(probabilities, true / prior) / true
        prior = prior * ratio / (prior * ratio).sum()
        if np.abs(ratio - 1).max() < _ENOUGH:
            break
    return np.asarray(prior)


def _reweighted(probabilities: Floats, factors: Floats) -> Floats:
    """The mean of the probabilities after each class is weighted by its factor."""
    weighted = probabilities * factors
    found = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(np.maximum(found, _LEAST))


def _refuse_none(probabilities: Floats) -> None:
    if not len(probabilities):
        raise ValueError("no text: shares need at least one")
