from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.emq import Floats, embedded_prior, emq

PRIOR = np.array([0.2, 0.5, 0.3])
# A text shows one of four signs; how often each class shows each is known, so its probabilities are exact.
SIGNS = np.array([[0.7, 0.2, 0.08, 0.02], [0.1, 0.4, 0.4, 0.1], [0.02, 0.08, 0.3, 0.6]])


def texts(shares: Floats, n: int, seed: int = 1) -> tuple[Floats, np.ndarray]:
    """Probabilities, calibrated for PRIOR, and labels of n texts drawn with other shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=shares)
    signs = np.array([rng.choice(4, p=SIGNS[label]) for label in labels])
    weighted = PRIOR * SIGNS[:, signs].T
    return weighted / weighted.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("shares", [[0.2, 0.5, 0.3], [0.7, 0.2, 0.1], [0.05, 0.15, 0.8]])
def test_other_shares_are_found(shares: list[float]) -> None:
    probabilities, _ = texts(np.array(shares), 6_000)
    found = emq(probabilities, PRIOR)
    assert found == pytest.approx(shares, abs=0.03)
    assert found.sum() == pytest.approx(1)


def test_at_the_prior_it_is_the_mean_probability() -> None:
    probabilities, _ = texts(PRIOR, 4_000)
    assert emq(probabilities, probabilities.mean(axis=0)) == pytest.approx(probabilities.mean(axis=0), abs=1e-4)


def test_the_prior_that_probabilities_are_calibrated_for_is_found_on_texts_with_other_shares() -> None:
    probabilities, labels = texts(np.array([0.5, 0.3, 0.2]), 6_000)
    assert embedded_prior(probabilities, labels) == pytest.approx(PRIOR, abs=0.03)


@given(st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), min_size=1, max_size=20))
def test_shares_are_shares(rows: list[tuple[float, float, float]]) -> None:
    probabilities = np.array(rows) / np.array(rows).sum(axis=1, keepdims=True)
    found = emq(probabilities, PRIOR)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_texts_of_one_class_still_give_a_prior() -> None:
    prior = embedded_prior(np.array([[0.8, 0.1, 0.1], [0.9, 0.05, 0.05]]), [0, 0])
    assert np.isfinite(prior).all()
    assert prior.sum() == pytest.approx(1)


def test_no_text_has_no_shares() -> None:
    with pytest.raises(ValueError, match="no text"):
        emq(np.zeros((0, 3)), PRIOR)
    with pytest.raises(ValueError, match="no text"):
        embedded_prior(np.zeros((0, 3)), [])
