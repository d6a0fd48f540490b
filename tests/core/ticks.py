"""Ticks of made-up sources: chatter of a known kind, and on top of it what a test wants to be found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.core.bursts import Tick

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=5)
HOUR = 12  # steps
DAY = 24 * HOUR
WEEK = 7 * DAY


def time_of(step: int) -> datetime:
    """The beginning of a step, counted from START."""
    return START + step * STEP


def tick(step: int, total: int, negative: int = 0, **fields: Any) -> Tick:
    """A step in which every message is scored; `fields` are those of Tick."""
    return Tick(time_of(step), **({"total": total, "scored": total, "negative": negative} | fields))


def surge(first: int, steps: int, total: int, *, share: float = 0.2) -> list[Tick]:
    """The same count in each step, `share` of it negative."""
    return [tick(first + step, total, round(share * total)) for step in range(steps)]


def steady(first: int, steps: int, *, rate: int = 20) -> list[Tick]:
    """Nearly the same in every step, a fifth of it negative: nothing to be found, not even by chance."""
    return [
        tick(step, total := rate + (0, 1, -1, 0)[step % 4], round(0.2 * total)) for step in range(first, first + steps)
    ]


def chatter(
    seed: int, steps: int, *, rate: float = 20.0, share: float = 0.2, spread: float = 0.0, first: int = 0
) -> list[Tick]:
    """Poisson counts, a binomial share of them negative.

    With `spread` each hour has a rate of its own, gamma distributed, of that coefficient of variation.
    """
    rng = np.random.default_rng(seed)
    rates = np.full(steps, rate)
    if spread:
        hourly = rng.gamma(spread**-2, rate * spread**2, -(-steps // HOUR))
        rates = hourly.repeat(HOUR)[:steps]
    totals = rng.poisson(rates)
    negatives = rng.binomial(totals, share)
    return [tick(first + at, int(n), int(k)) for at, (n, k) in enumerate(zip(totals, negatives, strict=True))]


def put_in(ticks: Sequence[Tick], others: Sequence[Tick]) -> list[Tick]:
    """The ticks with some of them replaced by others of the same start."""
    other = {each.start: each for each in others}
    return [other.get(each.start, each) for each in ticks]
