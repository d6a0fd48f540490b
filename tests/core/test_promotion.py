from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.arm_counts import Counts, Observed, Pairs
from app.core.promotion import Policy, State, Verdict, Window, judge

POLICY = Policy()
SAME: Pairs = {("negative", "negative"): 300, ("neutral", "neutral"): 400, ("positive", "positive"): 300}
ARM = Counts(requests=1000, texts=1000, p50_s=0.01, p95_s=0.02)
GOOD = Observed(ARM, ARM, SAME)


def window(step: Observed = GOOD, whole: Observed | None = None, seconds: float = 60.0) -> Window:
    return Window(seconds, step, whole or step)


def states(judged: Window, policy: Policy = POLICY) -> dict[str, State]:
    return {check.name: check.state for check in judge(judged, policy).checks}


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
