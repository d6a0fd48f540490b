"""Sentiment shares corrected for the classifier's errors, with intervals that know of those errors.

A classifier that takes a tenth of the neutral messages for negative ones makes the negative share too high, and more
messages make it no better. How it confuses the classes can be counted where people have labelled the same texts; then
the shares that explain what it says are found by constrained least squares (adjusted classify and count: Forman 2008,
Data Mining and Knowledge Discovery 17:164; the constraint: Bella et al. 2010; Hopkins and King 2010). The interval is a
bootstrap over both the labelled texts and the window.

A confusion matrix does not travel well: other topics and other people's notion of "neutral" change it more than the
sampling error of thousands of texts. So an event whose messages nobody has labelled gets a mixture over all labelled
sets, each worth few texts a class (`Errors.weight`, found by holding each set against the others), and the interval is
as wide as the sets differ. Labelled messages of the event itself then say which sets are like it, and soon outweigh
them all. docs/shares.md has what that gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.core.prevalence import Difference, Share, difference, sampled
from app.core.types import CLASSES

Floats = npt.NDArray[np.float64]
Counts: TypeAlias = tuple[int, int, int]
"""Distinct scored messages of a window by the label that the classifier gave, in the order of `CLASSES`."""
Matrix: TypeAlias = tuple[tuple[int, ...], ...]
"""3 x 3 counts of texts in the order of `CLASSES`: the row is what people say, the column what the classifier said."""

NONE: Final[Matrix] = ((0, 0, 0), (0, 0, 0), (0, 0, 0))

_ROUNDS: Final = 2_000
_FEWEST_ROUNDS: Final = 200  # that must have a say
_SEED: Final = 20261123
_MATRICES, _MATRICES_BEFORE, _WINDOW, _WINDOW_BEFORE = range(4)  # streams of random numbers
_LIMITS: Final = (0.025, 0.975)
# A class of which nothing was seen is not impossible (Jeffreys' prior for a multinomial): one message proves little.
_UNSEEN: Final = 0.5
_EDGES: Final = ((0, 1), (0, 2), (1, 2))
_SINGULAR: Final = 1e-9
# With fewer sets than this there is no telling how far they differ, so each counts for little.
_FEWEST_SETS: Final = 5
_LEAST_WEIGHT: Final = 10.0
_WEIGHTS: Final = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0, 320.0)


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How one version of a model did on one labelled set. Raises ValueError for counts that are none."""

    model: str
    evaluation_set: str
    counts: Matrix

    def __post_init__(self) -> None:
        _check(self.counts)

    @property
    def n(self) -> int:
        """Number of texts."""
        return sum(map(sum, self.counts))


@dataclass(frozen=True, slots=True)
class Errors:
    """What is known of a model's errors on the messages of an event. Raises ValueError without any matrix.

    `weight` is how many texts of a class each matrix counts for, at most: it was counted on other material. None is
    for a matrix of the very same material, which counts in full. `own` are labelled messages of the event itself.
    """

    matrices: tuple[ConfusionMatrix, ...]
    weight: float | None = None
    own: Matrix = NONE

    def __post_init__(self) -> None:
        if not self.matrices:
            raise ValueError("no confusion matrix: give at least one")
        _check(self.own)

    @property
    def labelled(self) -> int:
        """Number of labelled messages of the event itself."""
        return sum(map(sum, self.own))

    def plus(self, labelled: Matrix) -> Errors:
        """With more labelled messages of the event itself. Raises ValueError for counts that are none."""
        _check(labelled)
        return replace(self, own=_add(self.own, labelled))


def corrected(counts: Counts, errors: Errors) -> tuple[Share, Share, Share] | None:
    """The corrected shares of a window in the order of `CLASSES`; None for a window without scored messages.

    The value is the mean over the bootstrap, the interval holds its middle 95 %. The same arguments give the same
    shares. Takes a few milliseconds, and nothing when asked again. Raises ValueError for a negative count.
    """
    if min(counts) < 0:
        raise ValueError(f"a negative count in {counts}")
    return _corrected(counts, errors) if sum(counts) else None


def corrected_differences(
    after: Counts, before: Counts, errors: Errors, errors_before: Errors | None = None
) -> tuple[Difference, Difference, Difference] | None:
    """How much each corrected share of `after` is above that of `before`; None when one has no scored messages.

    Without `errors_before` both windows are of the same material and corrected with the same draws of the matrix: an
    error of the classifier that both share cancels out, so a difference can be far surer than either share. With it
    `before` is of another model, event or source, and its errors are its own, even where as much is known of them.
    Raises ValueError for a negative count.
    """
    if min(*after, *before) < 0:
        raise ValueError(f"a negative count in {after} or {before}")
    if not sum(after) or not sum(before):
        return None
    return _differences(after, before, errors, errors_before)


def transfer_weight(matrices: Sequence[ConfusionMatrix]) -> float:
    """How many texts of a class a matrix is worth on material that is not its own; see `Errors.weight`.

    The weight under which each set is best foretold by the others (leave one out, marginal likelihood). With fewer
    than five sets it is a small one that does not rest on them.
    """
    if len(matrices) < _FEWEST_SETS:
        return _LEAST_WEIGHT

    def foretold(weight: float) -> float:
        total = 0.0
        for held_out in matrices:
            others = [each for each in matrices if each is not held_out]
            total += _log_mean([_log_likelihood(held_out.counts, _parameters(each, weight)) for each in others])
        return total

    return max(_WEIGHTS, key=foretold)


def _check(counts: Matrix) -> None:
    if len(counts) != len(CLASSES) or any(len(row) != len(CLASSES) or min(row) < 0 for row in counts):
        raise ValueError(f"{counts} is no 3 x 3 matrix of counts")


def _add(one: Matrix, other: Matrix) -> Matrix:
    return tuple(tuple(a + b for a, b in zip(*rows, strict=True)) for rows in zip(one, other, strict=True))


@lru_cache(maxsize=4_096)
def _corrected(counts: Counts, errors: Errors) -> tuple[Share, Share, Share]:
    rounds = _rounds(counts, errors, _MATRICES, _WINDOW)
    figures = _summary(rounds.shares, rounds.log_fit)
    negative, neutral, positive = (_share(each, sum(counts)) for each in figures)
    return negative, neutral, positive


def _share(figures: tuple[float, float, float], n: int) -> Share:
    """No correction makes a share surer than its sampling error, though it can pin all rounds to 0 or 1."""
    value, low, high = figures
    least = sampled(value, n)
    return Share(value, min(low, least.low), max(high, least.high), n)


@lru_cache(maxsize=4_096)
def _differences(
    after: Counts, before: Counts, errors: Errors, errors_before: Errors | None
) -> tuple[Difference, Difference, Difference]:
    now = _rounds(after, errors, _MATRICES, _WINDOW)
    then = _rounds(before, errors_before or errors, _MATRICES_BEFORE if errors_before else _MATRICES, _WINDOW_BEFORE)
    figures = _summary(now.shares - then.shares, now.log_fit + then.log_fit)
    shares, shares_before = _corrected(after, errors), _corrected(before, errors_before or errors)
    negative, neutral, positive = (
        _difference(each, sampled(one.value, one.n), sampled(other.value, other.n))
        for each, one, other in zip(figures, shares, shares_before, strict=True)
    )
    return negative, neutral, positive


def _difference(figures: tuple[float, float, float], after: Share, before: Share) -> Difference:
    """As with shares: not surer than the sampling errors."""
    value, low, high = figures
    least = difference(after, before)
    half_low, half_high = least.value - least.low, least.high - least.value
    return Difference(value, max(-1.0, min(low, value - half_low)), min(1.0, max(high, value + half_high)))


def _summary(drawn: Floats, log_weights: Floats) -> list[tuple[float, float, float]]:
    """Mean and 95 % interval of each column of weighted draws [rounds, classes]."""
    weights = _weights(log_weights)
    figures = []
    for column in drawn.T:
        order = np.argsort(column)
        reached = np.cumsum(weights[order]) - weights[order] / 2
        low, high = np.interp(_LIMITS, reached, column[order])
        value = float(np.clip(weights @ column, column.min(), column.max()))
        # A mean can lie outside the middle 95 % only where nearly all rounds say the same.
        figures.append((value, min(float(low), value), max(float(high), value)))
    return figures


def _weights(log_weights: Floats) -> Floats:
    """Weights that add up to 1, flattened until enough rounds have a say (Kish's effective size): a window that no
    matrix explains must not hang on the one that comes nearest.
    """
    relative = log_weights - log_weights.max()
    weights = np.exp(relative)
    while weights.sum() ** 2 < _FEWEST_ROUNDS * (weights**2).sum():
        relative = relative / 2
        weights = np.exp(relative)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True, slots=True)
class _Rounds:
    """What the rounds of a bootstrap give: shares of shape [rounds, classes], and how well each explains the window."""

    shares: Floats
    log_fit: Floats


@lru_cache(maxsize=256)  # of 64 KB
def _rounds(counts: Counts, errors: Errors, matrices: int, window: int) -> _Rounds:
    """The rounds for a window, with these streams of random numbers for the matrices and for the window.

    Kept, for a share and its difference rest on the same ones, and of two windows mostly one has changed.
    """
    rates = _rates(errors, matrices)
    return _Rounds(_draws(counts, rates, window), _log_fit(counts, rates))


def _draws(counts: Counts, rates: Floats, stream: int) -> Floats:
    """Corrected shares of each round of the bootstrap, shape [rounds, classes]: other texts, other matrices."""
    said = np.random.default_rng((_SEED, stream)).dirichlet(np.array(counts) + _UNSEEN, size=len(rates))
    return on_simplex(rates, said)


def _log_fit(counts: Counts, rates: Floats) -> Floats:
    """How well each matrix can explain a window at all, shape [rounds]: its log likelihood, 0 where it is exact.

    A matrix under which no shares lead to what the classifier said is not that of this material: left in with equal
    weight, it would pin shares at 0 and hide changes.
    """
    seen = np.array(counts) + _UNSEEN
    said = np.broadcast_to(seen / seen.sum(), rates.shape[:-1])
    explained = np.einsum("ri,rij->rj", on_simplex(rates, said), rates)
    return np.asarray((seen * np.log(explained / said)).sum(axis=-1))


@lru_cache(maxsize=64)
def _rates(errors: Errors, stream: int) -> Floats:
    """Draws of the matrix of rates, shape [rounds, true class, said class]."""
    rng = np.random.default_rng((_SEED, stream))
    own = np.array(errors.own, dtype=np.float64)
    parameters = [_parameters(each, errors.weight) for each in errors.matrices]
    likely = np.array([_log_likelihood(errors.own, each) for each in parameters])
    chances = np.exp(likely - likely.max())
    rounds = rng.multinomial(_ROUNDS, chances / chances.sum())
    gammas = np.concatenate(
        [
            rng.standard_gamma(each + own, size=(number, *own.shape))
            for each, number in zip(parameters, rounds, strict=True)
        ]
    )
    rates = gammas / gammas.sum(axis=-1, keepdims=True)
    rates.setflags(write=False)
    return np.asarray(rates)


def _parameters(matrix: ConfusionMatrix, weight: float | None) -> Floats:
    """A Dirichlet distribution for each row: the rates of the matrix, as sure as its weight allows."""
    counts = np.array(matrix.counts, dtype=np.float64) + _UNSEEN
    if weight is None:
        return counts
    totals = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts * np.minimum(1.0, weight / totals))


def _log_likelihood(counts: Matrix, parameters: Floats) -> float:
    """Log probability of labelled texts under Dirichlet rows (Dirichlet-multinomial), up to what only they say."""
    found = 0.0
    for row, prior in zip(counts, parameters.tolist(), strict=True):
        found += math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(row))
        found += sum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, row, strict=True))
    return found


def _log_mean(logs: Sequence[float]) -> float:
    highest = max(logs)
    return highest + math.log(math.fsum(math.exp(each - highest) for each in logs) / len(logs))


def on_simplex(rates: Floats, said: Floats) -> Floats:
    """The shares whose mixture of the rows of `rates` comes nearest to `said`: non-negative and adding up to 1.

    `rates` has the shape [..., true class, said class], `said` [..., said class]; least squares on the 2-simplex.
    The plane through the three rows holds `said`, so inside the triangle the fit is exact and Cramer's rule gives it;
    outside, the nearest point lies on one of the three edges, whose ends are the corners. Rows that lie on a line
    leave the inside no better than the edges.
    """
    rates = np.broadcast_to(rates, (*said.shape[:-1], *rates.shape[-2:]))
    first, second = rates[..., 0, :] - rates[..., 2, :], rates[..., 1, :] - rates[..., 2, :]
    rest = said - rates[..., 2, :]
    determinant = _cross(first, second)
    regular = np.abs(determinant) > _SINGULAR
    divisor = np.where(regular, determinant, 1.0)
    one, two = _cross(rest, second) / divisor, _cross(first, rest) / divisor
    inside = np.stack([one, two, 1 - one - two], axis=-1)
    outside = ~(regular & (inside.min(axis=-1) >= 0))
    inside[outside] = _on_edges(rates[outside], said[outside])
    return inside


def _cross(one: Floats, other: Floats) -> Floats:
    """The determinant in the first two coordinates; the third follows, as each row adds up to 1."""
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


def _on_edges(rates: Floats, said: Floats) -> Floats:
    nearest = np.full(said.shape[:-1], np.inf)
    found = np.zeros_like(said)
    for i, j in _EDGES:
        edge = rates[..., i, :] - rates[..., j, :]
        length = (edge**2).sum(axis=-1)
        along = ((said - rates[..., j, :]) * edge).sum(axis=-1) / np.where(length > 0, length, 1.0)
        part = np.where(length > 0, np.clip(along, 0.0, 1.0), 0.5)
        distance = ((said - rates[..., j, :] - part[..., None] * edge) ** 2).sum(axis=-1)
        shares = np.zeros_like(said)
        shares[..., i], shares[..., j] = part, 1 - part
        found = np.where((distance < nearest)[..., None], shares, found)
        nearest = np.minimum(distance, nearest)
    return found
