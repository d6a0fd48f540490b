from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from app.core.arm_counts import Counts, agreement, observed, shifts
from app.core.canary import CHALLENGER, CHAMPION


@dataclass(frozen=True)
class Reported:
    router: str
    arms: Mapping[str, Counts]
    pairs: Mapping[tuple[str, str], Mapping[tuple[str, str], int]] = field(default_factory=dict)


def test_the_routers_count_together_and_the_champion_comes_first_in_a_pair() -> None:
    said = {("challenger", "champion"): {("negative", "neutral"): 2}}
    one = Reported("a", {CHAMPION: Counts(requests=30, texts=30, p50_s=0.1, p95_s=0.2)}, said)
    two = Reported(
        "b",
        {
            CHAMPION: Counts(requests=10, texts=40, failed=1, skipped=2, p50_s=0.3, p95_s=0.6),
            CHALLENGER: Counts(failed=3),
        },
        said | {("champion", "other"): {("neutral", "neutral"): 7}},
    )
    found = observed([one, two])
    assert (found.champion.requests, found.champion.texts, found.champion.tried) == (40, 70, 71)
    assert (found.champion.p50_s, found.champion.p95_s) == pytest.approx((0.15, 0.3))
    assert found.challenger.failed == 3
    assert math.isnan(found.challenger.p95_s)
    assert found.pairs == {("neutral", "negative"): 4}


def test_no_router_has_seen_nothing() -> None:
    assert observed([]).challenger.tried == 0


def test_agreement_is_the_part_with_the_same_label_and_of_nothing_none() -> None:
    found = agreement({("neutral", "neutral"): 3, ("neutral", "negative"): 1})
    assert found is not None
    assert found.value == 0.75
    assert agreement({}) is None


def test_shifts_of_all_classes_cancel() -> None:
    found = shifts({("neutral", "neutral"): 400, ("neutral", "negative"): 60, ("negative", "positive"): 40})
    assert {name: shift.value for name, shift in found.items()} == pytest.approx(
        {"negative": 0.04, "neutral": -0.12, "positive": 0.08}
    )
    assert shifts({}) == {}
