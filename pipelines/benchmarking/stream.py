"""The texts of a turn. None comes twice in a run, or a cache would answer; both sides of a pair get the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

FIRST = 1_000_000
"""Numbers have seven digits, so that they are alike to the tokenizer."""

TURN = 50_000
"""The numbers between the starts of two turns: more than any side classifies in one."""


def numbered(base: Sequence[str], start: int, *, repeated: float = 0.0) -> Iterator[str]:
    """Endless texts: those of `base` in turn, each with the next number behind it.

    A share of `repeated`, spread evenly, is an exact copy of an earlier one, drawn at random; the same arguments give
    the same texts.
    """
    rng = random.Random(start)
    made: list[str] = []
    copies = 0
    index = 0
    while True:
        if repeated and made and copies < int((index + 1) * repeated):
            copies += 1
            yield rng.choice(made)
        else:
            text = f"{base[index % len(base)]} {start + index}"
            if repeated:
                made.append(text)
            yield text
        index += 1


class Starts:
    """The start of every turn's numbers, by scenario and pair: the same for all sides, and never the same again."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._given: dict[tuple[str, int], int] = {}

    def of(self, scenario: str, pair: int) -> int:
        """The number that the texts of this pair begin with."""
        if (scenario, pair) not in self._given:
            self._given[scenario, pair] = self._next
            self._next += TURN
        return self._given[scenario, pair]
