from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.bursts import Tick
from app.core.dial import STRICTER, Dial, Judged, Verdict, in_force, overlap, tune
from app.core.history import STEP
from app.core.watch import Rule, replay

START = datetime(2026, 11, 1, tzinfo=UTC)
RULE = Rule()
MILD, SEVERE = 400, 720  # the steps at which a mild and a severe surge begin
SURGES = {MILD + step: (20, 10) for step in range(3)} | {SEVERE + step: (120, 10) for step in range(3)}


def tick(step: int) -> Tick:
    """The usual, a fifth of it negative, and the surges."""
    many = 6 + (0, 1, -1, 2, 0, -2, 1, -1, 0, 1, 0)[step % 11]
    negative, other = SURGES.get(step, (0, 0))
    usual = sum((step + n) % 5 == 0 for n in range(many))
    total = many + negative + other
    return Tick(START + step * STEP, total, total, usual + negative)


HISTORY: list[Mapping[str, Tick]] = [{"x": tick(step)} for step in range(780)]


def said(verdict: Verdict, step: int) -> Judged:
    """A verdict on what begins at a step."""
    return Judged(verdict, START + step * STEP, START + (step + 6) * STEP)


def found(rule: Rule) -> list[int]:
    """The steps in which the incidents of the history begin, to the hour."""
    return [round((incident.opened_at - START) / STEP) // 12 * 12 for incident in replay(HISTORY, rule, step=STEP)]


def test_without_verdicts_the_rule_is_as_it_was_set() -> None:
    tuned = tune(HISTORY, RULE, [])
    assert tuned.dial == Dial()
    assert len(tuned.incidents) == len(found(RULE)) == 2
    assert in_force(RULE, tuned.dial) == RULE


def test_a_false_alarm_is_tuned_out_and_no_more_than_that() -> None:
    tuned = tune(HISTORY, RULE, [said(Verdict.FALSE_ALARM, MILD)])
    assert tuned.dial.factor < 1
    assert tuned.dial.still_alarming == 0
    assert [incident.opened_at > START + SEVERE * STEP for incident in tuned.incidents] == [True]
    assert found(in_force(RULE, tuned.dial)) == [round(SEVERE / 12) * 12]
    milder = STRICTER[STRICTER.index(tuned.dial.factor) - 1]
    assert len(found(in_force(RULE, Dial(milder)))) == 2


def test_what_was_real_bounds_how_strict_it_gets() -> None:
    both = [said(Verdict.REAL, MILD), said(Verdict.FALSE_ALARM, SEVERE)]
    tuned = tune(HISTORY, RULE, both)
    assert tuned.dial == Dial(1.0, still_alarming=1)
    assert len(tuned.incidents) == 2


@pytest.mark.parametrize("verdict", [Verdict.REAL, Verdict.EXPECTED])
def test_other_verdicts_make_nothing_stricter(verdict: Verdict) -> None:
    assert tune(HISTORY, RULE, [said(verdict, MILD)]).dial == Dial()


def test_a_false_alarm_that_the_rule_no_longer_finds_asks_for_nothing() -> None:
    assert tune(HISTORY, RULE, [said(Verdict.FALSE_ALARM, 100)]).dial == Dial()


def test_a_rule_that_is_off_keeps_all_but_its_kinds() -> None:
    assert in_force(RULE, Dial(0.1), on=False) == replace(RULE, alarms_per_week=0.1, kinds=())


@pytest.mark.parametrize(
    ("one", "other", "touch"),
    [((0, 1), (1, 2), True), ((0, 1), (2, 3), False), ((0, None), (5, 6), True), ((5, None), (1, 4), False)],
)
def test_stretches_overlap(one: tuple[int, int | None], other: tuple[int, int | None], touch: bool) -> None:
    def stretch(ends: tuple[int, int | None]) -> tuple[datetime, datetime | None]:
        first, last = ends
        return START + timedelta(hours=first), None if last is None else START + timedelta(hours=last)

    assert overlap(stretch(one), stretch(other)) is overlap(stretch(other), stretch(one)) is touch
