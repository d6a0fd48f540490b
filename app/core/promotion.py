"""A canary with judgement: the steps of a challenger's way to all of the traffic, and what each of them must show.

Harm is looked for in the step alone and in everything since the walk began; to go on, nothing may speak against the
challenger and everything since the walk began must speak for it. In between it waits for more evidence. Rates are
judged by exact binomial intervals (Clopper and Pearson 1934), the shift of a class by the interval of Agresti and Min
(2005, Statistics in Medicine 24:729) for matched pairs. Both are asked again every few seconds, which makes chance
findings likelier, so their confidence is 99.9 % and not 95 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist
from typing import Protocol, TypeAlias

from app.core.significance import Interval
from app.core.types import CLASSES

CHAMPION = "champion"
CHALLENGER = "challenger"
CANARY_WEIGHTS = (5.0, 25.0, 50.0, 100.0)

Pairs: TypeAlias = Mapping[tuple[str, str], int]
"""How many messages had (label of the champion, label of the challenger)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A state of the routing. `weight` is the challenger's percent of the traffic, `shadow` who scores in silence."""

    name: str
    weight: float
    shadow: tuple[str, ...] = ()

    @property
    def routing(self) -> dict[str, object]:
        """The `user_config` of the router."""
        weights = {CHAMPION: 100 - self.weight}
        if self.weight:
            weights[CHALLENGER] = self.weight
        return {"weights": weights, "shadow": list(self.shadow)}


NOTHING = Step("nothing", 0)
"""The challenger has no part: the start, and what a rollback goes back to."""

PROMOTED = Step("promoted", 100)
"""The end of the walk: all traffic to the challenger, and nobody asked in silence any more."""


def walk(weights: Sequence[float] = CANARY_WEIGHTS) -> tuple[Step, ...]:
    """The steps that are judged. One of the two arms shadows the other at each, so that pairs exist at each."""
    return (
        Step("shadow", 0, (CHALLENGER,)),
        *(Step(f"{weight:g} %", weight, (CHAMPION,)) for weight in weights),
    )


class Counted(Protocol):
    """One arm in a span of time, as `app.serving.ledger.ArmReport` counts it: seconds, nan without a request."""

    @property
    def requests(self) -> int:
        """Requests answered."""

    @property
    def texts(self) -> int:
        """Texts answered."""

    @property
    def failed(self) -> int:
        """Texts not answered."""

    @property
    def skipped(self) -> int:
        """Texts that a shadow was not asked for, for want of room."""

    @property
    def p50_s(self) -> float:
        """Median time of a request."""

    @property
    def p95_s(self) -> float:
        """95 of 100 requests are not slower."""


class Seen(Protocol):
    """What one router saw, as `app.serving.ledger.Report` says it."""

    @property
    def router(self) -> str:
        """Its id."""

    @property
    def arms(self) -> Mapping[str, Counted]:
        """Each arm by its name."""

    @property
    def pairs(self) -> Mapping[tuple[str, str], Mapping[tuple[str, str], int]]:
        """Counts of label pairs by the two arms, named in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One arm at all routers together. Quantiles are the mean over the routers, weighted by their requests."""

    requests: int = 0
    texts: int = 0
    failed: int = 0
    skipped: int = 0
    p50_s: float = math.nan
    p95_s: float = math.nan

    @property
    def tried(self) -> int:
        """Texts answered or failed."""
        return self.texts + self.failed


@dataclass(frozen=True, slots=True)
class Observed:
    """A span of time: both arms, and what they said of the same messages."""

    champion: Counts = Counts()
    challenger: Counts = Counts()
    pairs: Pairs = field(default_factory=dict)


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


def observed(reports: Iterable[Seen]) -> Observed:
    """The reports of several routers as one. Each router may be there once."""
    kept = list(reports)
    pairs: Counter[tuple[str, str]] = Counter()
    for report in kept:
        # The arms of a pair are named in alphabetical order, which is challenger and then champion.
        for (challenger, champion), count in report.pairs.get((CHALLENGER, CHAMPION), {}).items():
            pairs[champion, challenger] += count
    return Observed(_counts(kept, CHAMPION), _counts(kept, CHALLENGER), dict(pairs))


def agreement(pairs: Pairs, confidence: float = 0.999) -> Interval | None:
    """The part of the messages with the same label, with its exact interval; None without a pair."""
    n = sum(pairs.values())
    if n == 0:
        return None
    same = sum(count for (champion, challenger), count in pairs.items() if champion == challenger)
    return exact_interval(same, n, confidence)


def shifts(pairs: Pairs, confidence: float = 0.999) -> dict[str, Interval]:
    """By how much the challenger's share of each class is above the champion's. Empty without a pair."""
    n = sum(pairs.values())
    return {name.value: _shift_of(name.value, pairs, n, confidence) for name in CLASSES} if n else {}


def exact_interval(part: int, whole: int, confidence: float) -> Interval:
    """A share with its two-sided Clopper-Pearson interval; of nothing it is 0 to 1.

    Raises ValueError when the part is not in the whole.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"a part of {part} in a whole of {whole}")
    if whole == 0:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if part == 0 else _beta_quantile(tail, part, whole - part + 1)
    high = 1.0 if part == whole else _beta_quantile(1 - tail, part + 1, whole - part)
    return Interval(part / whole, low, high)


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


def _counts(reports: Sequence[Seen], arm: str) -> Counts:
    found = [report.arms[arm] for report in reports if arm in report.arms]
    timed = [each for each in found if each.requests]
    requests = sum(each.requests for each in timed)
    return Counts(
        requests=requests,
        texts=sum(each.texts for each in found),
        failed=sum(each.failed for each in found),
        skipped=sum(each.skipped for each in found),
        p50_s=sum(each.p50_s * each.requests for each in timed) / requests if requests else math.nan,
        p95_s=sum(each.p95_s * each.requests for each in timed) / requests if requests else math.nan,
    )


def _shift_of(label: str, pairs: Pairs, n: int, confidence: float) -> Interval:
    gained = sum(count for (before, after), count in pairs.items() if after == label != before)
    lost = sum(count for (before, after), count in pairs.items() if before == label != after)
    # Half a message more in each of the four cells, as Agresti and Min propose.
    centre = (gained - lost) / (n + 2)
    variance = (gained + lost + 1) / (n + 2) - centre**2
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance / (n + 2))
    return Interval((gained - lost) / n, max(-1.0, centre - half), min(1.0, centre + half))


def _beta_quantile(share: float, a: float, b: float) -> float:
    """Where the distribution function of Beta(a, b) reaches `share`, by bisection to the last digits."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_below(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on the other side
        return 1 - _beta_below(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * value / a


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


def _part(found: Interval) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _signed(found: Interval) -> str:
    return f"{found.value:+.1%} ({found.low:+.1%} to {found.high:+.1%})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
