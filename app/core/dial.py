"""How verdicts on incidents move the threshold of an event: found by replaying its own history.

The dial is in false alarms a week. What the analyst sets is where it begins; every `false alarm` asks for a stricter
one, under which that incident would not have opened; every `real` bounds that: it must go on to be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.core.bursts import Tick
from app.core.history import STEP
from app.core.incidents import Incident
from app.core.watch import Rule, replay

STRICTER: Final = tuple(10 ** -(half / 2) for half in range(9))
"""The factors on the alarms a week that are tried, the mildest first: down to a ten-thousandth."""


class Verdict(StrEnum):
    """What an analyst makes of an incident."""

    REAL = "real"
    FALSE_ALARM = "false_alarm"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Judged:
    """An incident that was judged, by its stretch of time; None is open."""

    verdict: Verdict
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dial:
    """Where the dial of an event stands: times `factor` the alarms a week that its rule asks for.

    `still_alarming` counts false alarms that could not be tuned out without losing a real incident.
    """

    factor: float = 1.0
    still_alarming: int = 0


def in_force(rule: Rule, dial: Dial, *, on: bool = True) -> Rule:
    """The rule that the tests run at; one that is off opens nothing."""
    return replace(rule, alarms_per_week=rule.alarms_per_week * dial.factor, kinds=rule.kinds if on else ())


@dataclass(frozen=True, slots=True)
class Tuned:
    """A setting of the dial, and the incidents of the history under it."""

    dial: Dial
    incidents: tuple[Incident, ...]


def tune(history: Sequence[Mapping[str, Tick]], rule: Rule, judged: Sequence[Judged]) -> Tuned:
    """The mildest setting, from the rule's own on, that keeps all real incidents and the fewest false alarms.

    Costs a replay of the history for each setting tried: one where no false alarm was reported.
    """
    best: Tuned | None = None
    kept = 0
    for factor in STRICTER:
        incidents = tuple(replay(history, in_force(rule, Dial(factor)), step=STEP))
        real = _found(incidents, judged, Verdict.REAL)
        alarming = _found(incidents, judged, Verdict.FALSE_ALARM)
        if best is None:
            kept = real
        if best is None or (real >= kept and alarming < best.dial.still_alarming):
            best = Tuned(Dial(factor, alarming), incidents)
        if best.dial.still_alarming == 0 or real < kept:
            break
    assert best is not None
    return best


def overlap(one: tuple[datetime, datetime | None], other: tuple[datetime, datetime | None]) -> bool:
    """Whether two stretches of time have a moment in common; an end of None is open."""
    return (one[1] is None or one[1] >= other[0]) and (other[1] is None or other[1] >= one[0])


def _found(incidents: Sequence[Incident], judged: Sequence[Judged], verdict: Verdict) -> int:
    stretches = [(incident.started_at, incident.ended_at) for incident in incidents]
    return sum(
        any(overlap((one.started_at, one.ended_at), stretch) for stretch in stretches)
        for one in judged
        if one.verdict is verdict
    )
