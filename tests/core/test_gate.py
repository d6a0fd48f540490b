from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.gate import Compared, Evidence, Limits, PassRates, decide, decide_first
from app.core.significance import Interval, McNemar


def compared(name: str, change: float, half: float = 0.004, n: int = 1_000) -> Compared:
    return Compared(name, n, 0.7, 0.7 + change, Interval(change, change - half, change + half))


EVIDENCE = Evidence(
    challenger="new-2",
    champion="old-1",
    overall=compared("all sets", 0.01),
    sets=(compared("validation", 0.01), compared("airlines", 0.0)),
    slices=(compared("emoji: with", 0.02), compared("length: 1-5 words", -0.01)),
    mcnemar=McNemar(80, 120, 0.005, 0.004),
    ece_champion=0.05,
    ece_challenger=0.06,
    latency=Interval(1.1, 1.0, 1.2),
    behaviour=(
        *(PassRates(kind, 120, 0.95, 0.95) for kind in Limits().floor_kinds),
        PassRates("typo", 120, 0.9, 0.9),
    ),
)


def test_a_better_model_passes_and_says_so() -> None:
    decision = decide(EVIDENCE)
    assert decision.passed
    assert decision.reasons == ()
    assert decision.summary == "new-2 against the champion old-1: passed"
    assert decision.checks[0].text.startswith("better: mean macro recall 0.7100 against 0.7000, +0.0100")


def test_an_equal_model_passes_as_not_worse() -> None:
    decision = decide(replace(EVIDENCE, overall=compared("all sets", 0.0, 0.003)))
    assert decision.passed
    assert decision.checks[0].text.startswith("not worse")


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        ({"overall": compared("all sets", -0.02)}, "macro recall", "worse: mean macro recall 0.6800 against 0.7000"),
        ({"overall": compared("all sets", 0.001, 0.02)}, "macro recall", "may be worse"),
        ({"sets": (compared("airlines", -0.05, 0.01),)}, "sets", "airlines -0.0500"),
        ({"slices": (compared("emoji: with", -0.04, 0.02, 500),)}, "slices", "emoji: with -0.0400"),
        ({"ece_challenger": 0.08}, "calibration", "0.0800 against 0.0500"),
        ({"latency": Interval(1.4, 1.3, 1.5)}, "latency", "takes 1.40 times as long"),
        ({"behaviour": (PassRates("typo", 120, 0.9, 0.8),)}, "behaviour", "typo 0.80 against 0.90"),
    ],
)
def test_one_fault_refuses_and_is_named(change: dict[str, object], check: str, said: str) -> None:
    decision = decide(replace(EVIDENCE, **change))
    assert not decision.passed
    assert [found.name for found in decision.checks if not found.passed] == [check]
    assert said in decision.reasons[0]
    assert decision.summary.endswith(f"refused for {check}")


def test_several_faults_are_all_named() -> None:
    decision = decide(replace(EVIDENCE, ece_challenger=0.5, latency=Interval(2, 2, 2)))
    assert decision.summary.endswith("refused for calibration, latency")
    assert len(decision.reasons) == 2


@pytest.mark.parametrize(
    "slices",
    [
        (compared("small", -0.2, 0.05, n=199),),
        (compared("by chance", -0.05, 0.06, n=400),),
        (compared("a little", -0.029, 0.001, n=9_000),),
        (),
    ],
)
def test_small_unsure_or_slight_slices_do_not_refuse(slices: tuple[Compared, ...]) -> None:
    assert decide(replace(EVIDENCE, slices=slices)).passed


def test_mcnemar_is_told_and_has_no_veto() -> None:
    decision = decide(replace(EVIDENCE, mcnemar=McNemar(900, 100, 1e-9, 1e-9)))
    assert decision.passed
    assert "champion 900" in next(check.text for check in decision.checks if check.name == "McNemar")


def test_latency_that_was_not_measured_does_not_decide() -> None:
    assert decide(replace(EVIDENCE, latency=None)).passed


FIRST = replace(EVIDENCE, champion="vader", overall=compared("all sets", 0.1), ece_champion=None, latency=None)


def test_a_first_model_passes_the_floors() -> None:
    decision = decide_first(FIRST)
    assert decision.passed
    assert "+0.1000" in decision.checks[0].text


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"overall": compared("all sets", 0.022, 0.004)}, "macro recall"),
        ({"ece_challenger": 0.16}, "calibration"),
        ({"behaviour": (PassRates("plain negative", 120, 0.5, 0.69),)}, "behaviour"),
        ({"behaviour": ()}, "behaviour"),
    ],
)
def test_a_first_model_under_a_floor_is_refused(change: dict[str, object], check: str) -> None:
    decision = decide_first(replace(FIRST, **change))
    assert [found.name for found in decision.checks if not found.passed] == [check]
    assert not decision.passed


@given(st.floats(-0.2, 0.2), st.floats(0, 0.1), st.floats(0, 0.1))
def test_more_recall_never_turns_a_pass_into_a_refusal(change: float, half: float, more: float) -> None:
    before, after = (
        decide(replace(EVIDENCE, overall=compared("all", value, half))) for value in (change, change + more)
    )
    assert after.passed or not before.passed
