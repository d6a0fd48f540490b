"""May a challenger replace the champion? A pure decision on measured evidence, with its reasons in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.significance import Interval, McNemar


@dataclass(frozen=True, slots=True)
class Limits:
    """What a challenger is held to. Shares and scores are in 0..1.

    `recall_margin`: the mean macro recall over the sets may lie this much below the champion's, and no more, at the
    lower end of its 95 % interval (non-inferiority). `slice_margin`: a set or slice of at least `slice_min` texts
    speaks against the challenger when its macro recall falls by more than this and the whole interval is below zero.
    `ece_margin`: mean calibration error above the champion's. `latency_ratio`: median time, challenger to champion.
    `behaviour_margin`: pass rate below the champion's, for each kind of behavioural test.

    Without a champion these floors hold instead: the mean macro recall is above VADER's by more than `floor_lead` at
    the lower end of its interval, the mean calibration error is at most `ece_ceiling`, and every kind in
    `floor_kinds` of behavioural test passes at `behaviour_floor` or more.
    """

    recall_margin: float = 0.005
    slice_margin: float = 0.03
    slice_min: int = 200
    ece_margin: float = 0.02
    latency_ratio: float = 1.25
    behaviour_margin: float = 0.05
    floor_lead: float = 0.02
    ece_ceiling: float = 0.15
    behaviour_floor: float = 0.7
    floor_kinds: tuple[str, ...] = ("plain positive", "plain negative", "plain neutral")


@dataclass(frozen=True, slots=True)
class Compared:
    """Macro recall of both on the same `n` texts; `difference` is challenger less champion."""

    name: str
    n: int
    champion: float
    challenger: float
    difference: Interval


@dataclass(frozen=True, slots=True)
class PassRates:
    """Passed parts of one kind of behavioural test."""

    kind: str
    n: int
    champion: float
    challenger: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured. Without a champion, `champion` names the reference that stands in: the word list VADER.

    `ece_champion` is None where the champion gives no probabilities, `latency` (time of the challenger to that of
    the champion) where there is nothing to time against.
    """

    challenger: str
    champion: str
    overall: Compared
    sets: tuple[Compared, ...]
    slices: tuple[Compared, ...]
    mcnemar: McNemar
    ece_champion: float | None
    ece_challenger: float
    latency: Interval | None
    behaviour: tuple[PassRates, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `decides` is False for what is only told."""

    name: str
    passed: bool
    text: str
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the challenger passes, and every check behind it."""

    passed: bool
    summary: str
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was refused; empty when it passed."""
        return tuple(check.text for check in self.checks if check.decides and not check.passed)


def decide(evidence: Evidence, limits: Limits | None = None) -> Decision:
    """Challenger against champion."""
    held_to = limits or Limits()
    checks = (
        _recall(evidence.overall, held_to),
        _told(evidence.mcnemar),
        _parts("sets", evidence.sets, held_to),
        _parts("slices", evidence.slices, held_to),
        _calibration(evidence, held_to),
        _latency(evidence.latency, held_to),
        _behaviour(evidence.behaviour, held_to),
    )
    return _decision(f"{evidence.challenger} against the champion {evidence.champion}", checks)


def decide_first(evidence: Evidence, limits: Limits | None = None) -> Decision:
    """A first model, without a champion: against the absolute floors."""
    held_to = limits or Limits()
    lead, ece = evidence.overall.difference, evidence.ece_challenger
    rates = {each.kind: each.challenger for each in evidence.behaviour}
    low = [f"{kind} {rates.get(kind, 0.0):.2f}" for kind in held_to.floor_kinds if _below(rates.get(kind), held_to)]
    checks = (
        Check(
            "macro recall",
            lead.low > held_to.floor_lead,
            f"mean macro recall {evidence.overall.challenger:.4f}, {_signed(lead)} to {evidence.champion}; "
            f"the lower end must be above {held_to.floor_lead:+.4f}",
        ),
        _told(evidence.mcnemar),
        Check(
            "calibration",
            ece <= held_to.ece_ceiling,
            f"mean calibration error {ece:.4f}; at most {held_to.ece_ceiling:.4f} is allowed",
        ),
        Check(
            "behaviour",
            not low,
            f"pass rates under the floor of {held_to.behaviour_floor:.2f}: {', '.join(low)}"
            if low
            else f"plain sentences pass at {held_to.behaviour_floor:.2f} or more",
        ),
    )
    return _decision(f"{evidence.challenger}, the first model, against absolute floors", checks)


def _decision(what: str, checks: Sequence[Check]) -> Decision:
    failed = [check.name for check in checks if check.decides and not check.passed]
    summary = f"{what}: refused for {', '.join(failed)}" if failed else f"{what}: passed"
    return Decision(not failed, summary, tuple(checks))


def _recall(overall: Compared, limits: Limits) -> Check:
    passed = overall.difference.low >= -limits.recall_margin
    if overall.difference.low > 0:
        word = "better"
    elif passed:
        word = "not worse"
    else:
        word = "worse" if overall.difference.high < 0 else "may be worse"
    return Check(
        "macro recall",
        passed,
        f"{word}: mean macro recall {overall.challenger:.4f} against {overall.champion:.4f}, "
        f"{_signed(overall.difference)}; the lower end must be at least {-limits.recall_margin:+.4f}",
    )


def _told(mcnemar: McNemar) -> Check:
    """McNemar's test compares accuracies, which a model made for macro recall may give up: it has no veto."""
    return Check(
        "McNemar",
        True,
        f"right where the other is wrong: challenger {mcnemar.only_second:,} texts, champion {mcnemar.only_first:,}; "
        f"mid-p {mcnemar.mid_p:.2g}",
        decides=False,
    )


def _parts(name: str, parts: Sequence[Compared], limits: Limits) -> Check:
    large = [part for part in parts if part.n >= limits.slice_min]
    worse = [part for part in large if part.difference.value < -limits.slice_margin and part.difference.high < 0]
    if worse:
        told = "; ".join(f"{part.name} {_signed(part.difference)} on {part.n:,} texts" for part in worse)
        return Check(name, False, f"worse by more than {limits.slice_margin:.3f}: {told}")
    text = f"none of {len(large)} {name} of {limits.slice_min} texts and more is worse by more than"
    return Check(name, True, f"{text} {limits.slice_margin:.3f} beyond chance")


def _calibration(evidence: Evidence, limits: Limits) -> Check:
    champion, challenger = evidence.ece_champion, evidence.ece_challenger
    if champion is None:
        return Check("calibration", True, f"mean calibration error {challenger:.4f}; the champion gives none")
    return Check(
        "calibration",
        challenger <= champion + limits.ece_margin,
        f"mean calibration error {challenger:.4f} against {champion:.4f}; "
        f"at most {limits.ece_margin:.4f} more is allowed",
    )


def _latency(ratio: Interval | None, limits: Limits) -> Check:
    if ratio is None:
        return Check("latency", True, "not measured", decides=False)
    return Check(
        "latency",
        ratio.value <= limits.latency_ratio,
        f"takes {ratio.value:.2f} times as long (95 % interval {ratio.low:.2f} to {ratio.high:.2f}); "
        f"at most {limits.latency_ratio:.2f} is allowed",
    )


def _behaviour(rates: Sequence[PassRates], limits: Limits) -> Check:
    worse = [each for each in rates if each.challenger < each.champion - limits.behaviour_margin]
    if worse:
        told = "; ".join(f"{each.kind} {each.challenger:.2f} against {each.champion:.2f}" for each in worse)
        return Check("behaviour", False, f"passes less often by more than {limits.behaviour_margin:.2f}: {told}")
    return Check(
        "behaviour", True, f"none of {len(rates)} kinds passes less often by more than {limits.behaviour_margin:.2f}"
    )


def _below(rate: float | None, limits: Limits) -> bool:
    return rate is None or rate < limits.behaviour_floor


def _signed(difference: Interval) -> str:
    return f"{difference.value:+.4f} (95 % interval {difference.low:+.4f} to {difference.high:+.4f})"
