from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.calibrate import (
    TAUS,
    Calibration,
    best_temperature,
    calibrate,
    choose_tau,
    fold,
    macro_recall_error,
    offsets,
)

Floats = npt.NDArray[np.float64]
PRIOR = (0.15, 0.45, 0.40)


def softmax(logits: Floats) -> Floats:
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def drawn(probabilities: Floats, rng: np.random.Generator) -> list[int]:
    """A label for each row, as probable as the row says."""
    below = probabilities.cumsum(axis=1) < rng.random((len(probabilities), 1))
    return [int(label) for label in below.sum(axis=1)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_made_up_logits_is_recovered(temperature: float) -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(size=(20_000, 3)) * 2
    labels = drawn(softmax(true), rng)
    assert best_temperature(true * temperature, labels, PRIOR, 0.0) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_the_temperature_is_that_of_the_corrected_population(tau: float) -> None:
    rng = np.random.default_rng(2)
    labels = rng.choice(3, size=60_000, p=PRIOR).astype(np.int64)
    evidence = np.eye(3)[labels] * 1.5 + rng.normal(size=(len(labels), 3))
    exact = 1.5 * evidence + np.log(PRIOR)  # the log posterior of unit normal noise, up to a constant
    found = calibrate(2 * (exact - np.asarray(offsets(PRIOR, tau)) * 0.5), labels.tolist(), PRIOR, 0.0)
    assert found.offsets == (0.0, 0.0, 0.0)
    corrected = exact + np.asarray(offsets(PRIOR, tau))
    assert best_temperature(2 * corrected, labels.tolist(), PRIOR, tau) == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize(("sure", "bound"), [(1.0, 0.2), (0.0, 5.0)])
def test_the_temperature_stays_within_its_bounds(sure: float, bound: float) -> None:
    labels = [0, 1, 2] * 20
    logits = np.eye(3)[labels] if sure else np.eye(3)[[1, 2, 0] * 20]
    assert best_temperature(logits, labels, PRIOR, 0.0) == pytest.approx(bound, rel=1e-3)


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.floats(0, 1))
def test_offsets_are_centred_and_undo_the_frequencies(shares: list[float], tau: float) -> None:
    prior = [share / sum(shares) for share in shares]
    added = offsets(prior, tau)
    assert sum(added) == pytest.approx(0, abs=1e-9)
    corrected = softmax(np.log([prior]) + np.asarray(added))[0]
    expected = np.asarray(prior) ** (1 - tau)
    assert corrected == pytest.approx(expected / expected.sum())


def test_a_class_without_texts_gets_no_offset() -> None:
    low, unseen, high = offsets((0.8, 0.0, 0.2), 1.0)
    assert high - unseen == pytest.approx(-math.log(0.2))
    assert low - unseen == pytest.approx(-math.log(0.8))


def test_the_error_of_macro_recall_by_hand() -> None:
    confusion = [[8, 1, 1], [0, 0, 0], [5, 0, 5]]
    expected = math.sqrt(0.8 * 0.2 / 10 + 0.5 * 0.5 / 10) / 2
    assert macro_recall_error(confusion) == pytest.approx(expected)
    assert macro_recall_error([[0, 0], [0, 0]]) == 0.0


def skewed(number: int, seed: int) -> tuple[Floats, list[int]]:
    """Logits of a model that knows the class frequencies, and labels that have them."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=number, p=PRIOR)
    return np.eye(3)[labels] * 1.5 + rng.normal(size=(number, 3)) + np.log(PRIOR), [int(label) for label in labels]


def recall(logits: Floats, labels: list[int], tau: float) -> float:
    chosen = (logits + np.asarray(offsets(PRIOR, tau))).argmax(axis=1)
    truth = np.asarray(labels)
    return float(np.mean([(chosen[truth == label] == label).mean() for label in range(3)]))


@pytest.mark.parametrize("number", [200, 2_000, 50_000])
def test_tau_is_the_weakest_that_is_nearly_the_best(number: int) -> None:
    logits, labels = skewed(number, seed=3)
    recalls = {tau: recall(logits, labels, tau) for tau in TAUS}
    best = max(recalls, key=lambda tau: recalls[tau])
    chosen = (logits + np.asarray(offsets(PRIOR, best))).argmax(axis=1)
    confusion = [[int(((np.asarray(labels) == i) & (chosen == j)).sum()) for j in range(3)] for i in range(3)]
    enough = recalls[best] - macro_recall_error(confusion)
    assert choose_tau(logits, labels, PRIOR) == min(tau for tau in TAUS if recalls[tau] >= enough)


def test_tau_is_zero_where_no_correction_helps() -> None:
    labels = [0, 1, 2] * 50
    assert choose_tau(np.eye(3)[labels] * 9, labels, PRIOR) == 0.0


def test_calibrate_chooses_tau_or_takes_it() -> None:
    logits, labels = skewed(2_000, seed=4)
    chosen = calibrate(logits, labels, PRIOR)
    assert chosen.tau == choose_tau(logits, labels, PRIOR) > 0
    assert calibrate(logits, labels, PRIOR, 0.25).offsets == offsets(PRIOR, 0.25)


def test_a_folded_head_gives_the_calibrated_logits() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(16, 3)
    inputs = torch.randn(50, 16)
    before = layer(inputs).detach().double().numpy()
    calibration = Calibration(1.7, 0.5, offsets(PRIOR, 0.5))
    fold(layer, calibration)
    np.testing.assert_allclose(layer(inputs).detach().numpy(), calibration.apply(before), atol=1e-6)
    assert layer.weight.requires_grad and layer.bias.requires_grad
