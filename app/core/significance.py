"""How sure a score is, and whether one classifier is better than another on the same texts.

Macro recall, macro F1 and accuracy depend on the texts only through the counts of (true, predicted) cells. Drawing
texts with replacement draws those counts from a multinomial distribution, so the bootstrap (Efron 1979; percentile
intervals) resamples a handful of counts instead of thousands of rows: the same distribution, exactly, and fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.metrics import Floats, Ints, Means, binned_error, equal_width_bins, means

_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScoreIntervals:
    """The three summary scores, or differences of them, with their intervals."""

    accuracy: Interval
    macro_recall: Interval
    macro_f1: Interval


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test on the texts that exactly one of two classifiers has right.

    `exact_p` is the two-sided binomial test, `mid_p` its less conservative variant (Fagerland, Lydersen and Laake
    2013, BMC Medical Research Methodology 13:91). It compares accuracies, not macro recalls.
    """

    only_first: int
    only_second: int
    exact_p: float
    mid_p: float


def score_intervals(confusion: Ints, rng: np.random.Generator, *, rounds: int = 2000) -> ScoreIntervals:
    """The scores of one confusion matrix [classes, classes] with bootstrap intervals.

    Raises ValueError when the matrix counts no text.
    """
    return _intervals(means(confusion), means(_resampled(confusion, rng, rounds)))


def joint_counts(true: Sequence[int] | Ints, first: Ints, second: Ints, classes: int = 3) -> Ints:
    """Counts of (true class, prediction of the first, prediction of the second), shape [classes] * 3."""
    if not len(true) == len(first) == len(second):
        raise ValueError(f"need two predictions for each label: {len(true)}, {len(first)} and {len(second)}")
    joint = np.zeros((classes,) * 3, dtype=np.int64)
    np.add.at(joint, (np.asarray(true, dtype=np.int64), np.asarray(first), np.asarray(second)), 1)
    return joint


def paired_differences(joint: Ints, rng: np.random.Generator, *, rounds: int = 2000) -> ScoreIntervals:
    """Scores of the second classifier less those of the first: texts are drawn once for both (paired bootstrap)."""
    return _intervals(_differences(joint), _differences(_resampled(joint, rng, rounds)))


def mean_recall_difference(joints: Sequence[Ints], rng: np.random.Generator, *, rounds: int = 2000) -> Interval:
    """The mean over several sets of the macro recall of the second less that of the first; each set counts alike.

    Texts are drawn within each set, so that every round has the sets at their sizes. Raises ValueError without sets.
    """
    if not joints:
        raise ValueError("need at least one set to compare on")
    value = np.mean([_differences(joint).macro_recall for joint in joints])
    drawn = np.mean([_differences(_resampled(joint, rng, rounds)).macro_recall for joint in joints], axis=0)
    return _interval(np.asarray(value), np.asarray(drawn))


def ece_interval(
    true: Sequence[int] | Ints, probabilities: Floats, rng: np.random.Generator, *, rounds: int = 200, bins: int = 15
) -> Interval:
    """The expected calibration error over equal-width bins with a bootstrap interval from resampled texts.

    In a few hundred texts the estimate itself is too high (Kumar, Liang and Ma 2019, arXiv 1909.10155), and so is
    the interval: it may lie above the value.
    """
    truth = np.asarray(true, dtype=np.int64)
    confidence = probabilities.max(axis=1)
    gap = confidence - (probabilities.argmax(axis=1) == truth)
    bin_of = equal_width_bins(confidence, bins)
    n = len(truth)
    drawn = [binned_error(bin_of[rows], gap[rows]) for rows in (rng.integers(n, size=n) for _ in range(rounds))]
    return _interval(np.asarray(binned_error(bin_of, gap)), np.asarray(drawn))


def mcnemar(joint: Ints) -> McNemar:
    """McNemar's test on joint counts [true, first, second]."""
    classes = np.arange(joint.shape[0])
    both = int(joint[classes, classes, classes].sum())
    only_first = int(joint.sum(axis=2)[classes, classes].sum()) - both
    only_second = int(joint.sum(axis=1)[classes, classes].sum()) - both
    exact, mid = _binomial_p(min(only_first, only_second), only_first + only_second)
    return McNemar(only_first, only_second, exact, mid)


def _binomial_p(fewer: int, trials: int) -> tuple[float, float]:
    """Two-sided exact and mid-p values of `fewer` of `trials` fair coins; `fewer` is at most half of them."""
    if trials == 0:
        return 1.0, 1.0
    log_all = math.lgamma(trials + 1) - trials * math.log(2)
    terms = [math.exp(log_all - math.lgamma(k + 1) - math.lgamma(trials - k + 1)) for k in range(fewer + 1)]
    exact = min(1.0, 2 * math.fsum(terms))
    observed = terms[-1] * (1 if 2 * fewer == trials else 2)
    return exact, max(0.0, exact - observed / 2)


def _resampled(counts: Ints, rng: np.random.Generator, rounds: int) -> Ints:
    """Stack [rounds, ...] of counts as drawing as many texts with replacement would give them."""
    n = int(counts.sum())
    if n == 0:
        raise ValueError("no text is counted")
    return rng.multinomial(n, counts.ravel() / n, size=rounds).reshape(rounds, *counts.shape)


def _differences(joint: Ints) -> Means:
    first, second = means(joint.sum(axis=-1)), means(joint.sum(axis=-2))
    return Means(
        accuracy=np.asarray(second.accuracy - first.accuracy),
        macro_recall=np.asarray(second.macro_recall - first.macro_recall),
        macro_f1=np.asarray(second.macro_f1 - first.macro_f1),
    )


def _intervals(value: Means, drawn: Means) -> ScoreIntervals:
    return ScoreIntervals(
        accuracy=_interval(value.accuracy, drawn.accuracy),
        macro_recall=_interval(value.macro_recall, drawn.macro_recall),
        macro_f1=_interval(value.macro_f1, drawn.macro_f1),
    )


def _interval(value: Floats, drawn: Floats) -> Interval:
    low, high = np.percentile(drawn, [_LOW, _HIGH])
    return Interval(float(value), float(low), float(high))
