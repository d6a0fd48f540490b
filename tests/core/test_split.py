from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigError
from app.core.split import BUCKETS, TrafficSplit, bucket

KEYS = [f"post-{number}" for number in range(20_000)]
HUNDREDTHS = st.integers(0, BUCKETS)


@pytest.mark.parametrize("weight", [0.0, 5.0, 12.34, 50.0, 100.0])
def test_an_arm_gets_its_share_of_the_messages(weight: float) -> None:
    split = TrafficSplit({"champion": 100 - weight, "challenger": weight})
    share = Counter(split.arm(key) for key in KEYS)["challenger"] / len(KEYS)
    assert share == pytest.approx(weight / 100, abs=0.015)  # four standard deviations at most


def test_the_share_of_buckets_is_exact() -> None:
    keys = {bucket(key): key for key in (f"{number}" for number in range(200_000))}
    assert len(keys) == BUCKETS
    split = TrafficSplit({"champion": 94.99, "challenger": 5.01})
    assert Counter(split.arm(key) for key in keys.values()) == {"champion": 9_499, "challenger": 501}


@given(st.text(), st.tuples(HUNDREDTHS, HUNDREDTHS).map(sorted))
def test_a_message_that_has_moved_to_the_challenger_stays_while_its_weight_grows(key: str, weights: list[int]) -> None:
    less, more = (TrafficSplit({"champion": 100 - each / 100, "challenger": each / 100}) for each in weights)
    assert less.arm(key) == "champion" or more.arm(key) == "challenger"


@given(st.text())
def test_the_bucket_of_a_key_is_always_the_same(key: str) -> None:
    assert bucket(key) == bucket(key) < BUCKETS


def test_the_buckets_are_those_of_every_release() -> None:
    assert [bucket(key) for key in ("", "post-1", "lone \ud83d")] == [9876, 2733, 7103]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"champion": 90.0}, "sum to 90"),
        ({"champion": 110.0, "challenger": -10.0}, "champion is 110"),
        ({"champion": 99.995, "challenger": 0.005}, "hundredth"),
        ({}, "sum to 0"),
        ({"champion": float("nan")}, "champion is nan"),
    ],
)
def test_weights_that_are_no_split_are_refused(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrafficSplit(weights)
