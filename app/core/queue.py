"""Which messages people are asked to judge next: half where the model is unsure, a quarter where two models disagree,
a quarter drawn by lot.

A quarter of all messages, by a hash of their ids, is kept for the lot and for nothing else. So what was judged because
it is hard never touches what says how good the model is, no message comes twice, and both run out together.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from app.core.feedback import Stratum

PATTERN: Final = (Stratum.UNCERTAIN, Stratum.RANDOM, Stratum.UNCERTAIN, Stratum.DISAGREEMENT)
"""The strata of four messages in a row, again and again: the shares hold for however few are asked for at once."""

_SHARED_EVERY: Final = 4 * len(PATTERN)
_INSTEAD: Final = (Stratum.UNCERTAIN, Stratum.RANDOM, Stratum.DISAGREEMENT)


def slots(done: int, number: int) -> list[Stratum]:
    """The strata of the next `number` messages for somebody who has had `done`."""
    return [PATTERN[place % len(PATTERN)] for place in range(done, done + number)]


def shared(done: int, number: int) -> int:
    """How many of the next `number` messages somebody else has judged before: every fourth that is drawn by lot.

    That is what agreement is measured on.
    """
    first = PATTERN.index(Stratum.RANDOM)
    return sum(place % _SHARED_EVERY == first + len(PATTERN) for place in range(done, done + number))


def fill(wanted: Iterable[Stratum], supply: Mapping[Stratum, Sequence[str]]) -> list[tuple[str, Stratum]]:
    """(message id, stratum) for each of `wanted`, as long as there is any; each message once.

    Where a stratum has none left another one steps in, the uncertain ones first.
    """
    left = {stratum: list(reversed(supply.get(stratum, ()))) for stratum in _INSTEAD}
    taken: set[str] = set()
    chosen: list[tuple[str, Stratum]] = []
    for slot in wanted:
        for stratum in (slot, *_INSTEAD):
            waiting = left[stratum]
            while waiting and waiting[-1] in taken:
                waiting.pop()
            if waiting:
                taken.add(waiting[-1])
                chosen.append((waiting.pop(), stratum))
                break
    return chosen


def margin(probabilities: Sequence[float]) -> float:
    """How much likelier the likeliest class is than the next; 0 is the least certain (Scheffer et al. 2001)."""
    first, second = sorted(probabilities, reverse=True)[:2]
    return first - second


def place(event_id: str, message_id: str) -> int:
    """The place of a message in the lot, 0 to 2**64 - 1: the same on every machine and for ever."""
    text = f"{len(event_id)} {event_id} {message_id}"
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def is_for_lot(event_id: str, message_id: str) -> bool:
    """Whether a message is one of the quarter that is kept for the lot."""
    return place(event_id, message_id) % len(PATTERN) == 0


def locate(counts: Sequence[int], rank: int) -> tuple[int, int]:
    """(bucket, rank in it) of the `rank`-th of all, counted from 0, where the buckets hold so many.

    Raises ValueError for a rank that none has.
    """
    ends = list(accumulate(counts))
    if not ends or not 0 <= rank < ends[-1]:
        raise ValueError(f"rank {rank} of {ends[-1] if ends else 0}")
    bucket = bisect_right(ends, rank)
    return bucket, rank - (ends[bucket] - counts[bucket])
