"""A canary with judgement: what a challenger must show at each step of its way to all of the traffic.

Harm is looked for in the step alone and in everything since the walk began; to go on, nothing may speak against the
challenger and everything since the walk began must speak for it. In between it waits for more evidence. Rates and
shifts are judged by their intervals (`app.core.proportions`). These are asked again every few seconds, which makes
chance findings likelier, so their confidence is 99.9 % and not 95 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from app.core.arm_counts import Observed, agreement, shifts
from app.core.proportions import exact_interval
from app.core.significance import Interval


@dataclass(frozen=True, slots=True)
class Window:
    """What is judged: the step alone, which has lasted `seconds`, and all since the walk began (the step too)."""

    seconds: float
    step: Observed
    whole: Observed


@dataclass(frozen=True, slots=True)
class Policy:
    """What a challenger is held to. Rates and shares are in 0..1.

    `min_pairs`: messages that both have scored, since the walk began. `min_requests`: requests of each arm in the
    step, under which no time is judged. `min_seconds`: the shortest step. `max_error_difference`: the challenger's
    rate of failed texts above the champion's. `min_failures`: fewer never speak against it. `max_skipped`: part of
    the messages that a shadow challenger had no room for. `max_latency_ratio`: p95 to the champion's; a p95 under
    `latency_floor_s` is never too slow. `min_agreement`: part of the messages with the same label. `max_shift`: of
    the share of a class, to either side. `min_pairs_against`: fewer pairs never speak against it.
    """

    min_pairs: int = 400
    min_requests: int = 60
    min_seconds: float = 10.0
    max_error_difference: float = 0.02
    min_failures: int = 5
    max_skipped: float = 0.2
    max_latency_ratio: float = 1.5
    latency_floor_s: float = 0.05
    min_agreement: float = 0.8
    max_shift: float = 0.1
    min_pairs_against: int = 20
    confidence: float = 0.999


class State(StrEnum):
    """What one check found."""

    GOOD = "good"
    UNCLEAR = "unclear"
    BAD = "bad"


class Verdict(StrEnum):
    """What to do."""

    ADVANCE = "advance"
    WAIT = "wait"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, in words for a person."""

    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and every check behind it."""

    verdict: Verdict
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What decided: the bad checks of a rollback, what is missing while it waits, all when it goes on."""
        decided = {Verdict.ROLL_BACK: State.BAD, Verdict.WAIT: State.UNCLEAR, Verdict.ADVANCE: State.GOOD}[self.verdict]
        return tuple(f"{check.name}: {check.text}" for check in self.checks if check.state is decided)


def judge(window: Window, policy: Policy) -> Judgement:
    """Whether the challenger may take the next step."""
    checks = (
        _errors(window, policy),
        _room(window.step, policy),
        _latency(window.step, policy),
        _agreement(window, policy),
        _shift(window, policy),
        _time(window, policy),
    )
    states = {check.state for check in checks}
    if State.BAD in states:
        return Judgement(Verdict.ROLL_BACK, checks)
    return Judgement(Verdict.WAIT if State.UNCLEAR in states else Verdict.ADVANCE, checks)


def _errors(window: Window, policy: Policy) -> Check:
    for span, name in ((window.step, "in this step"), (window.whole, "since the walk began")):
        challenger, champion = span.challenger, span.champion
        ours = exact_interval(challenger.failed, challenger.tried, policy.confidence)
        theirs = exact_interval(champion.failed, champion.tried, policy.confidence)
        if challenger.failed >= policy.min_failures and ours.low > theirs.high + policy.max_error_difference:
            return Check(
                "errors",
                State.BAD,
                f"the challenger failed on {challenger.failed:,} of {challenger.tried:,} texts {name} (at least "
                f"{ours.low:.1%}), the champion on {champion.failed:,} of {champion.tried:,} (at most "
                f"{theirs.high:.1%}); {policy.max_error_difference:.1%} more is allowed",
            )
    allowed = policy.max_error_difference + (0.0 if math.isnan(theirs.value) else theirs.value)
    text = (
        f"the challenger failed on {challenger.failed:,} of {challenger.tried:,} texts since the walk began, which is "
        f"at most {ours.high:.1%}"
    )
    if ours.high > allowed:
        return Check("errors", State.UNCLEAR, f"{text}: {allowed:.1%} must be sure")
    return Check("errors", State.GOOD, f"{text}; {allowed:.1%} is allowed")


def _room(step: Observed, policy: Policy) -> Check:
    challenger = step.challenger
    asked = challenger.tried + challenger.skipped
    skipped = exact_interval(challenger.skipped, asked, policy.confidence)
    text = f"the challenger had no room for {challenger.skipped:,} of {asked:,} texts"
    if challenger.skipped >= policy.min_failures and skipped.low > policy.max_skipped:
        return Check("room", State.BAD, f"{text}; at most {policy.max_skipped:.0%} may be left out")
    return Check("room", State.GOOD, text)


def _latency(step: Observed, policy: Policy) -> Check:
    timed = min(step.challenger.requests, step.champion.requests)
    if timed < policy.min_requests:
        return Check(
            "latency",
            State.UNCLEAR,
            f"{step.challenger.requests:,} requests of the challenger and {step.champion.requests:,} of the champion "
            f"in this step: {policy.min_requests:,} of each are needed",
        )
    most = max(policy.latency_floor_s, policy.max_latency_ratio * step.champion.p95_s)
    text = (
        f"p95 {_ms(step.challenger.p95_s)} against {_ms(step.champion.p95_s)} of the champion; "
        f"at most {_ms(most)} is allowed"
    )
    return Check("latency", State.BAD if step.challenger.p95_s > most else State.GOOD, text)


def _agreement(window: Window, policy: Policy) -> Check:
    for pairs, name in ((window.step.pairs, "in this step"), (window.whole.pairs, "since the walk began")):
        found = agreement(pairs, policy.confidence)
        if found and sum(pairs.values()) >= policy.min_pairs_against and found.high < policy.min_agreement:
            return Check(
                "agreement",
                State.BAD,
                f"the same label on {_part(found)} of {sum(pairs.values()):,} messages {name}; "
                f"at least {policy.min_agreement:.0%} must agree",
            )
    n = sum(window.whole.pairs.values())
    if n < policy.min_pairs or found is None:
        return Check("agreement", State.UNCLEAR, f"{n:,} messages scored by both: {policy.min_pairs:,} are needed")
    text = f"the same label on {_part(found)} of {n:,} messages"
    if found.low < policy.min_agreement:
        return Check("agreement", State.UNCLEAR, f"{text}: {policy.min_agreement:.0%} must be sure")
    return Check("agreement", State.GOOD, f"{text}; at least {policy.min_agreement:.0%} must agree")


def _shift(window: Window, policy: Policy) -> Check:
    for pairs, name in ((window.step.pairs, "in this step"), (window.whole.pairs, "since the walk began")):
        n = sum(pairs.values())
        found = shifts(pairs, policy.confidence)
        beyond = [each for each, shift in found.items() if max(shift.low, -shift.high) > policy.max_shift]
        if beyond and n >= policy.min_pairs_against:
            told = ", ".join(f"{each} by {_signed(found[each])}" for each in beyond)
            return Check(
                "shares",
                State.BAD,
                f"the challenger moves the share of {told} on the same {n:,} messages {name}; "
                f"at most {policy.max_shift:.0%} is allowed",
            )
    if not found:
        return Check("shares", State.UNCLEAR, "no message scored by both yet")
    name, widest = max(found.items(), key=lambda each: max(each[1].high, -each[1].low))
    text = f"the largest shift of a class is {name} by {_signed(widest)} on {n:,} messages"
    if max(widest.high, -widest.low) > policy.max_shift:
        return Check("shares", State.UNCLEAR, f"{text}: under {policy.max_shift:.0%} must be sure")
    return Check("shares", State.GOOD, f"{text}; at most {policy.max_shift:.0%} is allowed")


def _time(window: Window, policy: Policy) -> Check:
    state = State.GOOD if window.seconds >= policy.min_seconds else State.UNCLEAR
    return Check("time", state, f"{window.seconds:.0f} s of at least {policy.min_seconds:.0f} s")


def _part(found: Interval) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _signed(found: Interval) -> str:
    return f"{found.value:+.1%} ({found.low:+.1%} to {found.high:+.1%})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
