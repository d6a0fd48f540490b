"""Fading windows: sums over the last minutes or hours in one number each, whatever their length.

A window of length W steps forgets by the factor (W - 1) / (W + 1) a step and weighs each new count by 2W / (W + 1). Of
independent counts its sum then has the mean and the variance of a plain sum over W steps, without keeping the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple


class Window(NamedTuple):
    """One window: its length in steps, what is left of a count after a step, and the weight of a new count."""

    length: float
    decay: float
    gain: float


UNKNOWN: Final = -1.0

_ENOUGH: Final = 0.8  # the part of a window that must be known to tell the whole
_AS_GOOD_AS: Final = 0.9999


def _window(length: float) -> Window:
    decay = (length - 1) / (length + 1)
    return Window(length, decay, 1 + decay)


WINDOWS: Final = (_window(1), _window(4), _window(16), _window(48))
"""The fast path (a step, four steps) and the slow path (16 and 48 steps): 5, 20 and 80 minutes and 4 hours."""

NOTHING: Final = [0.0] * len(WINDOWS)

FULL: Final = [window.length for window in WINDOWS]
"""How much is known of each window, in steps, when all of it is."""

(_, _DECAY_2, _GAIN_2), (_, _DECAY_3, _GAIN_3), (_, _DECAY_4, _GAIN_4) = WINDOWS[1:]


def added(sums: Sequence[float], count: float) -> list[float]:
    """The sums after one more step. Written out because it is most of what a step costs."""
    _, second, third, fourth = sums
    return [
        count,
        _DECAY_2 * second + _GAIN_2 * count,
        _DECAY_3 * third + _GAIN_3 * count,
        _DECAY_4 * fourth + _GAIN_4 * count,
    ]


def filled(fills: list[float]) -> list[float]:
    """How much is known of each window after one more known step; FULL itself once hardly anything is missing."""
    if fills is FULL:
        return FULL
    fills = added(fills, 1.0)
    return FULL if fills[-1] > _AS_GOOD_AS * FULL[-1] else fills


def faded(sums: Sequence[float], steps: int) -> list[float]:
    """The sums after steps of which nothing is known: what was is forgotten, and nothing takes its place."""
    return [value * window.decay**steps for value, window in zip(sums, WINDOWS, strict=True)]


def whole(sums: Sequence[float], fills: Sequence[float]) -> list[float]:
    """The sums as they would be were all of each window known; UNKNOWN where too little of it is."""
    if fills is FULL:
        return list(sums)
    return [
        value * length / fill if fill >= _ENOUGH * length else UNKNOWN
        for value, fill, length in zip(sums, fills, FULL, strict=True)
    ]
