from __future__ import annotations

from itertools import pairwise

from app.core.canary import CHALLENGER, CHAMPION, NOTHING, PROMOTED, walk
from app.core.split import TrafficSplit


def test_each_step_is_a_split_that_moves_keys_one_way_and_has_one_arm_in_silence() -> None:
    steps = (NOTHING, *walk(), PROMOTED)
    assert [step.weight for step in steps] == [0, 0, 5, 25, 50, 100, 100]
    assert [step.shadow for step in steps] == [(), (CHALLENGER,), *[(CHAMPION,)] * 4, ()]
    splits = [TrafficSplit(step.weights) for step in steps]
    for key in map(str, range(2_000)):
        arms = [split.arm(key) for split in splits]
        assert all(not (before == CHALLENGER and after == CHAMPION) for before, after in pairwise(arms))
        assert arms[-1] == CHALLENGER


def test_nothing_leaves_no_trace_of_the_challenger() -> None:
    assert NOTHING.routing == {"weights": {CHAMPION: 100}, "shadow": []}
