"""Which version of the model answers a message: a weighted choice that sticks to the message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from app.core.errors import ConfigError

BUCKETS = 10_000
"""Keys fall evenly into so many buckets, so a weight is exact to a hundredth of a percent."""


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Shares of the traffic, in percent, of each arm; they sum to 100.

    Each arm owns a run of buckets, in the order of `weights`. Of two arms, raising one's weight moves keys to it and
    none away from it, and a key that is with it stays there until its weight falls again.
    Raises ConfigError for a weight that is negative or finer than a hundredth, or a sum that is not 100.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        for arm, weight in self.weights.items():
            exact = weight * BUCKETS / 100
            if not 0 <= weight <= 100 or abs(exact - round(exact)) > 1e-6:
                raise ConfigError(f"the weight of {arm} is {weight}: give percent from 0 to 100, to a hundredth")
        if (total := round(sum(self.weights.values()), 6)) != 100:
            raise ConfigError(f"the weights {dict(self.weights)} sum to {total:g}: they must sum to 100")

    def arm(self, key: str) -> str:
        """The arm that answers the message with this key."""
        place = bucket(key)
        ends = accumulate(round(weight * BUCKETS / 100) for weight in self.weights.values())
        return next(arm for arm, end in zip(self.weights, ends, strict=True) if place < end)


def bucket(key: str) -> int:
    """The bucket of a key, from 0 to 9,999: the same on every machine and for ever."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % BUCKETS
