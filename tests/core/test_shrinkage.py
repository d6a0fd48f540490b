from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.shrinkage import STRONGEST, WEAKEST, shrunk, strength

groups = st.lists(
    st.integers(0, 500).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))), max_size=30
)
shares = st.floats(0, 1)


def drawn(spread: float, seed: int, countries: int = 60) -> list[tuple[int, int]]:
    """(hits, messages) of countries around 0.3; a small `spread` is a mean that is worth many messages."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(5, 400, countries)
    hits = rng.binomial(whole, rng.beta(0.3 / spread, 0.7 / spread, countries))
    return [(int(k), int(n)) for k, n in zip(hits, whole, strict=True)]


@pytest.mark.parametrize("worth", [15.0, 60.0, 200.0])
def test_the_spread_of_the_groups_is_found(worth: float) -> None:
    found = [strength(drawn(1 / worth, seed), 0.3) for seed in range(20)]
    assert np.median(found) == pytest.approx(worth, rel=0.35)


def test_groups_that_differ_by_chance_alone_are_drawn_all_the_way() -> None:
    assert np.median([strength(drawn(1e-6, seed), 0.3) for seed in range(10)]) >= 0.6 * STRONGEST


def test_shrinking_brings_small_groups_nearer_to_the_truth() -> None:
    rng = np.random.default_rng(4)
    truth = rng.beta(12, 28, 300)
    whole = rng.integers(1, 60, 300)
    hits = rng.binomial(whole, truth)
    mean = hits.sum() / whole.sum()
    worth = strength([(int(k), int(n)) for k, n in zip(hits, whole, strict=True)], float(mean))
    raw = np.abs(hits / whole - truth).mean()
    better = np.mean(
        [abs(shrunk(k / n, int(n), float(mean), worth) - p) for k, n, p in zip(hits, whole, truth, strict=True)]
    )
    assert better < 0.6 * raw


@given(groups, shares)
def test_a_strength_is_always_a_number_of_messages(found: list[tuple[int, int]], mean: float) -> None:
    assert WEAKEST <= strength(found, mean) <= STRONGEST + 1e-6


@given(shares, st.integers(0, 10_000), shares, st.floats(WEAKEST, STRONGEST))
def test_a_shrunk_share_lies_between(value: float, n: int, mean: float, worth: float) -> None:
    low, high = sorted((value, mean))
    assert low - 1e-9 <= shrunk(value, n, mean, worth) <= high + 1e-9


def test_more_messages_of_its_own_leave_more_of_a_group() -> None:
    found = [shrunk(0.9, n, 0.3, 50) for n in (0, 5, 50, 5_000)]
    assert found == sorted(found)
    assert found[0] == 0.3
    assert found[2] == pytest.approx(0.6)
    assert found[3] > 0.89


@pytest.mark.parametrize(("found", "mean"), [([(3, 2)], 0.5), ([(-1, 2)], 0.5), ([(1, 2)], 1.5)])
def test_what_is_no_count_is_refused(found: list[tuple[int, int]], mean: float) -> None:
    with pytest.raises(ValueError, match=r"more hits|a mean"):
        strength(found, mean)
