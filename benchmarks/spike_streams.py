"""Streams of two weeks made of recorded messages, with rises of the negative share of a known size put in.

Two kinds. `Election`: real messages in real order within half hours, thinned to a rate; the share is steady, at 61 %.
`Airlines`: a week with its real rhythm and with the real drift of its share, between 34 and 58 % (mean 45). The
labels are those of the product's own model, so its errors are in both the usual and the risen share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.bursts import Tick
from benchmarks.event_streams import STEP, Ints, counts, labelled

DAY: Final = 288
WEEK: Final = 7 * DAY
START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_BLOCK: Final = 6  # steps of the election that are kept together
_FULL_RATE: Final = 300  # messages a step: fewer are the edge of a recording
_NEAREST: Final = 400  # messages that a share of the airlines is taken from: what six hours bring

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Stream:
    """Counts for each step of two weeks; `rate` is the messages to be expected, `share` the true negative share."""

    total: Ints
    scored: Ints
    negative: Ints
    rate: Floats
    share: Floats

    def ticks(self, first: int, last: int, negative: Ints | None = None) -> list[Tick]:
        """The steps [first, last), with other negatives if given."""
        said = self.negative if negative is None else negative
        columns = zip(self.total[first:last], self.scored[first:last], said[first:last], strict=True)
        return [Tick(START + (first + at) * STEP, int(n), int(s), int(x)) for at, (n, s, x) in enumerate(columns)]

    def risen(self, rng: Rng, first: int, steps: int, odds: float) -> Ints:
        """The negatives when messages turn negative so that their odds rise by a factor for some steps."""
        negative = self.negative.copy()
        there = slice(first, first + steps)
        share = self.share[there]
        chance = (odds - 1) * share / (1 + (odds - 1) * share)
        negative[there] += rng.binomial(self.scored[there] - negative[there], chance)
        return negative


Maker = Callable[[Rng], Stream]


class Airlines:
    """A week of posts about five airlines in 2015, twice over, beginning on any of its days.

    A step has messages in proportion to the hour around it; their share is that of the 400 nearest messages. American
    is left out: its collection began late.
    """

    def __init__(self, data: Path, model: Path, kept: Path) -> None:
        messages = labelled(data, "us-airlines-2015", model, kept)
        messages = messages[~messages["text"].str.contains("@americanair", case=False)]
        start = np.datetime64("2015-02-17T08:00")
        at = (messages["created_at"].dt.tz_localize(None).to_numpy() - start) // np.timedelta64(5, "m")
        step = at.astype(np.int64)
        within = (step >= 0) & (step < WEEK)
        step, negative = step[within], messages["negative"].to_numpy()[within]
        self._rhythm: Floats = np.convolve(np.bincount(step, minlength=WEEK), np.ones(13) / 13, mode="same")
        running = np.concatenate([[0], np.cumsum(negative)])
        low = np.clip(np.searchsorted(step, np.arange(WEEK)) - _NEAREST // 2, 0, len(step) - _NEAREST)
        self._share: Floats = (running[low + _NEAREST] - running[low]) / _NEAREST

    @property
    def day(self) -> Floats:
        """The rhythm of a day: how many times the mean rate, for each step from midnight."""
        hours: Floats = np.roll(self._rhythm, 8 * 12).reshape(7, DAY).mean(axis=0)
        day: Floats = hours / hours.mean()
        return day

    def at(self, rate: float) -> Maker:
        """Streams of so many messages an hour on average."""

        def make(rng: Rng) -> Stream:
            shift = DAY * int(rng.integers(7))
            rhythm, share = (np.tile(np.roll(each, shift), 2) for each in (self._rhythm, self._share))
            expected = rhythm / rhythm.mean() * rate / 12
            n = rng.poisson(expected)
            return Stream(n, n, rng.binomial(n, share), expected, share)

        return make


class Election:
    """Half hours of two days in September 2024, in any order, thinned to a rate and to the rhythm of a day.

    In full the messages come at about 4,800 an hour.
    """

    def __init__(self, data: Path, model: Path, kept: Path, day: Floats) -> None:
        table = counts(labelled(data, "us-election-2024-windows", model, kept))
        table = table[(table.index >= "2024-09-17") & (table["total"] >= _FULL_RATE)]
        at = ((table.index - table.index[0]) // STEP).to_numpy()
        runs = np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) != 1) + 1)
        self._firsts = np.concatenate([run[: 1 - _BLOCK] for run in runs if len(run) >= _BLOCK])
        self._columns = table.to_numpy()
        self._full = float(table["total"].mean())
        self._day = day

    def at(self, rate: float) -> Maker:
        """Streams of so many messages an hour on average. Raises ValueError when fewer were recorded."""
        kept = np.tile(self._day, 14) * rate / 12 / self._full
        if kept.max() > 1:
            raise ValueError(f"{rate:.0f} an hour on average is more than was recorded at the peak of the day")

        def make(rng: Rng) -> Stream:
            firsts = rng.choice(self._firsts, 2 * WEEK // _BLOCK)
            total, scored, negative = self._columns[(firsts[:, None] + np.arange(_BLOCK)).ravel()].T
            n = rng.binomial(scored, kept)
            said, all_said = (each.reshape(-1, _BLOCK).sum(axis=1) for each in (negative, scored))
            return Stream(
                n + rng.binomial(total - scored, kept),
                n,
                rng.hypergeometric(negative, scored - negative, n),
                kept * self._full,
                np.repeat(said / all_said, _BLOCK),
            )

        return make
