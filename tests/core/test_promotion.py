from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.promotion import (
    CHALLENGER,
    CHAMPION,
    NOTHING,
    PROMOTED,
    Counts,
    Observed,
    Pairs,
    Policy,
    State,
    Verdict,
    Window,
    agreement,
    exact_interval,
    judge,
    observed,
    shifts,
    walk,
)
from app.core.split import TrafficSplit

POLICY = Policy()
SAME: Pairs = {("negative", "negative"): 300, ("neutral", "neutral"): 400, ("positive", "positive"): 300}
ARM = Counts(requests=1000, texts=1000, p50_s=0.01, p95_s=0.02)
GOOD = Observed(ARM, ARM, SAME)


def window(step: Observed = GOOD, whole: Observed | None = None, seconds: float = 60.0) -> Window:
    return Window(seconds, step, whole or step)


def states(judged: Window, policy: Policy = POLICY) -> dict[str, State]:
    return {check.name: check.state for check in judge(judged, policy).checks}


def test_each_step_is_a_split_that_moves_keys_one_way_and_has_one_arm_in_silence() -> None:
    steps = (NOTHING, *walk(), PROMOTED)
    assert [step.weight for step in steps] == [0, 0, 5, 25, 50, 100, 100]
    assert [step.shadow for step in steps] == [(), (CHALLENGER,), *[(CHAMPION,)] * 4, ()]
    splits = [TrafficSplit(step.routing["weights"]) for step in steps]  # type: ignore[arg-type]
    for key in map(str, range(2_000)):
        arms = [split.arm(key) for split in splits]
        assert all(not (before == CHALLENGER and after == CHAMPION) for before, after in pairwise(arms))
        assert arms[-1] == CHALLENGER


def test_nothing_leaves_no_trace_of_the_challenger() -> None:
    assert NOTHING.routing == {"weights": {CHAMPION: 100}, "shadow": []}


def test_a_good_challenger_goes_on_and_every_check_says_why() -> None:
    judgement = judge(window(), POLICY)
    assert judgement.verdict is Verdict.ADVANCE
    assert len(judgement.reasons) == len(judgement.checks) == 6


def test_without_anything_it_waits_and_says_what_is_missing() -> None:
    judgement = judge(window(Observed(), seconds=3.0), POLICY)
    assert judgement.verdict is Verdict.WAIT
    told = "\n".join(judgement.reasons)
    assert "400 are needed" in told
    assert "60 of each are needed" in told
    assert "3 s of at least 10 s" in told
    assert "at most 100.0%: 2.0% must be sure" in told


def test_a_failing_challenger_is_found_within_a_second_of_moderate_traffic() -> None:
    # 20 requests a second in the shadow: 20 failures against 20 answers.
    seen = Observed(Counts(requests=20, texts=20, p50_s=0.01, p95_s=0.02), Counts(failed=20))
    judgement = judge(window(seen, seconds=1.0), POLICY)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert judgement.reasons[0].startswith("errors: the challenger failed on 20 of 20 texts in this step (at least ")


def test_a_challenger_that_breaks_at_five_percent_is_found_in_five_failures() -> None:
    step = Observed(replace(ARM, requests=95, texts=95), Counts(failed=5))
    assert judge(window(step, GOOD, seconds=5.0), POLICY).verdict is Verdict.ROLL_BACK
    assert states(window(replace(step, challenger=Counts(failed=4)), GOOD))["errors"] is State.GOOD


def test_a_slow_leak_of_errors_is_found_over_the_steps() -> None:
    leak = replace(ARM, texts=1900, failed=100)
    assert states(window(GOOD, replace(GOOD, challenger=leak, champion=replace(ARM, texts=5000))))["errors"] is (
        State.BAD
    )


def test_what_fails_for_both_does_not_speak_against_the_challenger() -> None:
    broken = replace(ARM, texts=500, failed=500)
    assert states(window(replace(GOOD, champion=broken, challenger=broken)))["errors"] is not State.BAD


def test_no_failure_in_a_few_texts_is_no_proof() -> None:
    few = replace(GOOD, challenger=replace(ARM, requests=100, texts=100))
    assert states(window(few))["errors"] is State.UNCLEAR


def test_a_shadow_that_can_not_keep_up_is_rolled_back() -> None:
    judgement = judge(window(replace(GOOD, challenger=replace(ARM, skipped=600))), POLICY)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert "no room for 600 of 1,600 texts" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("champion_s", "challenger_s", "state"),
    [
        (0.100, 0.149, State.GOOD),
        (0.100, 0.151, State.BAD),
        (0.002, 0.049, State.GOOD),  # many times as long, and nobody notices
        (0.002, 0.051, State.BAD),
    ],
)
def test_the_time_is_held_to_a_ratio_above_a_floor(champion_s: float, challenger_s: float, state: State) -> None:
    seen = replace(GOOD, champion=replace(ARM, p95_s=champion_s), challenger=replace(ARM, p95_s=challenger_s))
    assert states(window(seen))["latency"] is state


def test_no_time_is_judged_on_a_few_requests() -> None:
    slow = Counts(requests=59, texts=59, p50_s=9.0, p95_s=9.0)
    assert states(window(replace(GOOD, challenger=slow)))["latency"] is State.UNCLEAR


def labels(same: int, differ: int) -> Pairs:
    """Disagreements that leave the shares of the classes as they are."""
    third, most = same // 3, differ // 2
    return {
        ("negative", "negative"): third,
        ("neutral", "neutral"): third,
        ("positive", "positive"): same - 2 * third,
        ("negative", "positive"): most,
        ("positive", "negative"): differ - most,
    }


@pytest.mark.parametrize(
    ("same", "differ", "state"),
    [(900, 100, State.GOOD), (820, 180, State.UNCLEAR), (600, 400, State.BAD), (7, 14, State.BAD), (5, 14, "too few")],
)
def test_agreement_is_judged_by_its_interval(same: int, differ: int, state: State | str) -> None:
    seen = replace(GOOD, pairs=labels(same, differ))
    assert states(window(seen))["agreement"] is (State.UNCLEAR if state == "too few" else state)


def test_a_step_that_disagrees_is_not_hidden_by_a_long_good_walk() -> None:
    whole = replace(GOOD, pairs=labels(10_000, 60))
    judgement = judge(window(replace(GOOD, pairs=labels(10, 50)), whole), POLICY)
    assert judgement.verdict is Verdict.ROLL_BACK
    assert "in this step" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("gained", "lost", "state"),
    [(20, 20, State.GOOD), (80, 0, State.UNCLEAR), (0, 170, State.BAD), (170, 0, State.BAD)],
)
def test_one_sided_disagreement_is_a_shift_of_the_shares(gained: int, lost: int, state: State) -> None:
    pairs = {("neutral", "neutral"): 800, ("neutral", "negative"): gained, ("negative", "neutral"): lost}
    found = states(window(replace(GOOD, pairs=pairs)), replace(POLICY, min_agreement=0.5))
    assert found["shares"] is state


def test_the_reason_of_a_shift_names_the_class_and_the_side() -> None:
    pairs = {("neutral", "neutral"): 700, ("negative", "neutral"): 300}
    told = judge(window(replace(GOOD, pairs=pairs)), replace(POLICY, min_agreement=0.5)).reasons[0]
    assert "negative by -30.0%" in told
    assert "neutral by +30.0%" in told


def test_shifts_of_all_classes_cancel() -> None:
    found = shifts(labels(500, 101))
    assert sum(each.value for each in found.values()) == pytest.approx(0)
    assert shifts({}) == {}


def test_agreement_of_nothing_is_none() -> None:
    assert agreement({}) is None


@pytest.mark.parametrize(
    ("part", "whole", "confidence", "low", "high"),
    [
        # scipy.stats.binomtest(...).proportion_ci(method="exact")
        (0, 10, 0.95, 0.0, 0.30849710781876),
        (10, 10, 0.95, 0.69150289218124, 1.0),
        (7, 20, 0.999, 0.07685409351410659, 0.7256695456326641),
        (17_000, 20_000, 0.999, 0.8415347994689749, 0.8581998073093952),
    ],
)
def test_the_exact_interval(part: int, whole: int, confidence: float, low: float, high: float) -> None:
    found = exact_interval(part, whole, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.9, 0.99, 0.999]))
def test_the_ends_of_the_interval_leave_the_tails_of_the_binomial(whole: int, share: float, confidence: float) -> None:
    part = round(share * whole)
    found = exact_interval(part, whole, confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    if part:
        assert upper_tail(part, whole, found.low) == pytest.approx((1 - confidence) / 2, rel=1e-6)
    if part < whole:
        assert upper_tail(whole - part, whole, 1 - found.high) == pytest.approx((1 - confidence) / 2, rel=1e-6)


def upper_tail(part: int, whole: int, share: float) -> float:
    """The probability of so many and more."""
    logs = (
        math.lgamma(whole + 1)
        - math.lgamma(k + 1)
        - math.lgamma(whole - k + 1)
        + k * math.log(share)
        + (whole - k) * math.log1p(-share)
        for k in range(part, whole + 1)
    )
    return math.fsum(map(math.exp, logs))


def test_a_part_beyond_the_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="a part of 3 in a whole of 2"):
        exact_interval(3, 2, 0.95)


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
