from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.feedback import (
    Judgement,
    MessageVerdict,
    Stratum,
    agreement,
    cases,
    krippendorff_alpha,
    live_quality,
    models,
)
from app.core.types import CLASSES, Label

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEGATIVE, NEUTRAL, POSITIVE = MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL, MessageVerdict.POSITIVE
OFF_TOPIC, SKIPPED, UNDONE = MessageVerdict.OFF_TOPIC, MessageVerdict.SKIPPED, MessageVerdict.UNDONE
KEY = ("cup", "m1")


class Log:
    """Rows in the order in which they are said."""

    def __init__(self) -> None:
        self.rows: list[Judgement] = []

    def say(
        self,
        verdict: MessageVerdict,
        message: str = "m1",
        *,
        who: str = "ann",
        stratum: Stratum = Stratum.RANDOM,
        said: Label = Label.POSITIVE,
        model: str = "v1",
        event: str = "cup",
    ) -> int:
        number = len(self.rows) + 1
        at = NOON + timedelta(seconds=number)
        self.rows.append(Judgement(number, event, message, verdict, stratum, said, model, who, at))
        return number

    def undo(self, row: int) -> None:
        taken = self.rows[row - 1]
        number = len(self.rows) + 1
        self.rows.append(
            Judgement(number, *taken.key, UNDONE, taken.stratum, taken.said, taken.model, taken.who, NOON, undoes=row)
        )


@pytest.fixture
def log() -> Log:
    return Log()


def test_the_latest_verdict_stands_and_the_one_before_it_when_it_is_taken_back(log: Log) -> None:
    log.say(NEGATIVE)
    second = log.say(NEUTRAL)
    label = cases(log.rows)[KEY].label
    assert label is not None
    assert (label.verdict, label.who, label.people, label.disputed) == (NEUTRAL, "ann", 1, False)
    log.undo(second)
    label = cases(log.rows)[KEY].label
    assert label is not None
    assert label.verdict is NEGATIVE


def test_what_is_all_taken_back_is_as_if_nobody_had_said_it(log: Log) -> None:
    log.undo(log.say(NEGATIVE))
    assert cases(log.rows) == {}
    assert live_quality(cases(log.rows).values()).accuracy is None


def test_two_people_who_disagree_are_both_kept(log: Log) -> None:
    log.say(NEGATIVE, who="ann")
    log.say(POSITIVE, who="bob")
    case = cases(log.rows)[KEY]
    assert [(row.who, row.verdict) for row in case.standing] == [("ann", NEGATIVE), ("bob", POSITIVE)]
    assert case.label is not None
    assert (case.label.verdict, case.label.people, case.label.disputed) == (POSITIVE, 2, True)


def test_the_last_word_counts_whoever_said_it(log: Log) -> None:
    log.say(NEGATIVE, who="ann")
    log.say(POSITIVE, who="bob")
    log.say(NEUTRAL, who="ann")
    label = cases(log.rows)[KEY].label
    assert label is not None
    assert (label.verdict, label.who) == (NEUTRAL, "ann")


def test_who_skips_has_no_opinion(log: Log) -> None:
    log.say(SKIPPED)
    assert cases(log.rows)[KEY].label is None
    log.say(NEGATIVE, who="bob")
    label = cases(log.rows)[KEY].label
    assert label is not None
    assert (label.verdict, label.people) == (NEGATIVE, 1)


def test_the_same_message_of_two_events_is_two_messages(log: Log) -> None:
    log.say(NEGATIVE, event="cup")
    log.say(POSITIVE, event="vote")
    assert set(cases(log.rows)) == {("cup", "m1"), ("vote", "m1")}


def test_only_what_was_drawn_says_how_good_the_model_is(log: Log) -> None:
    log.say(POSITIVE, "m1")
    log.say(NEGATIVE, "m2")
    log.say(NEGATIVE, "m3", stratum=Stratum.UNCERTAIN)
    log.say(NEGATIVE, "m4", stratum=Stratum.DISAGREEMENT)
    log.say(NEGATIVE, "m5", stratum=Stratum.CHOSEN)
    found = live_quality(cases(log.rows).values())
    assert found.accuracy is not None
    assert (found.accuracy.value, found.accuracy.n) == (0.5, 2)
    assert found.confusion == ((0, 0, 1), (0, 0, 0), (0, 0, 1))


def test_rows_of_the_confusion_are_people_and_columns_the_model(log: Log) -> None:
    log.say(NEGATIVE, "m1", said=Label.NEUTRAL)
    assert live_quality(cases(log.rows).values()).confusion == ((0, 1, 0), (0, 0, 0), (0, 0, 0))


def test_off_topic_and_skipped_messages_are_in_no_accuracy(log: Log) -> None:
    log.say(POSITIVE, "m1")
    log.say(OFF_TOPIC, "m2")
    log.say(SKIPPED, "m3")
    found = live_quality(cases(log.rows).values())
    assert found.accuracy is not None
    assert found.off_topic is not None
    assert (found.accuracy.n, found.off_topic.value, found.off_topic.n, found.skipped) == (1, 0.5, 2, 1)


def test_a_drawn_message_stays_in_the_sample_when_somebody_changes_it_elsewhere(log: Log) -> None:
    """Otherwise each mistake that is corrected on a card would leave the sample, and the model look better."""
    log.say(POSITIVE)
    log.say(NEGATIVE, stratum=Stratum.CHOSEN)
    log.say(NEGATIVE, who="bob", stratum=Stratum.CHOSEN)
    found = live_quality(cases(log.rows).values())
    assert found.accuracy is not None
    assert (found.accuracy.value, found.accuracy.n) == (0.0, 1)


def test_a_draw_that_was_taken_back_leaves_the_sample(log: Log) -> None:
    drawn = log.say(POSITIVE)
    log.say(POSITIVE, who="bob", stratum=Stratum.CHOSEN)
    log.undo(drawn)
    assert live_quality(cases(log.rows).values()).accuracy is None


def test_each_version_is_judged_by_what_it_had_said(log: Log) -> None:
    log.say(POSITIVE, "m1", model="v1")
    log.say(NEGATIVE, "m2", model="v2")
    log.say(POSITIVE, "m3", model="v2")
    judged = list(cases(log.rows).values())
    assert models(judged) == ["v2", "v1"]
    values = [found.value for model in models(judged) if (found := live_quality(judged, model).accuracy)]
    assert values == [0.5, 1.0]


def test_a_message_that_no_model_scored_is_in_no_accuracy(log: Log) -> None:
    log.say(NEGATIVE, said=Label.UNSCORED, model="")
    judged = list(cases(log.rows).values())
    assert live_quality(judged).accuracy is None
    assert models(judged) == []


def test_agreement_is_on_what_two_have_judged(log: Log) -> None:
    log.say(NEGATIVE, "alone")
    log.say(SKIPPED, "skipped")
    log.say(NEGATIVE, "skipped", who="bob")
    assert agreement(cases(log.rows).values()) is None
    for number, (first, second) in enumerate([(NEGATIVE, NEGATIVE), (POSITIVE, POSITIVE), (NEGATIVE, POSITIVE)]):
        log.say(first, f"n{number}", who="ann")
        log.say(second, f"n{number}", who="bob")
    found = agreement(cases(log.rows).values())
    assert found is not None
    assert found.same.value == pytest.approx(2 / 3)
    assert found.same.n == 3
    # By hand: coincidences of 6 values (3 negative, 3 positive); 2 of 6 differ, by chance 2 * 3 * 3 / 5 of 6 would.
    assert found.alpha == pytest.approx(1 - 2 / (18 / 5))


def test_alpha_is_that_of_the_textbook() -> None:
    """Krippendorff 2011, example C: four observers, twelve units, with gaps; nominal alpha is 0.743."""
    observers = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    units = zip(*(line.split() for line in observers), strict=True)
    found = krippendorff_alpha([[value for value in unit if value != "."] for unit in units])
    assert found == pytest.approx(0.743, abs=5e-4)


def test_where_all_is_one_and_the_same_nothing_can_be_told_from_chance(log: Log) -> None:
    for who in ("ann", "bob"):
        log.say(NEUTRAL, who=who)
    found = agreement(cases(log.rows).values())
    assert found is not None
    assert (found.same.value, found.alpha) == (1.0, None)


Step: TypeAlias = tuple[str, str, str, MessageVerdict]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "undo"]),
        st.sampled_from(["m1", "m2", "m3"]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from([NEGATIVE, NEUTRAL, POSITIVE, OFF_TOPIC, SKIPPED]),
    ),
    max_size=40,
)


@given(STEPS, st.randoms(use_true_random=False))
def test_what_stands_is_the_top_of_each_stack(steps: list[Step], rng: random.Random) -> None:
    log = Log()
    stacks: dict[tuple[str, str], list[int]] = {}
    for what, message, who, verdict in steps:
        stack = stacks.setdefault((message, who), [])
        if what == "say":
            stack.append(log.say(verdict, message, who=who))
        elif stack:
            log.undo(stack.pop())
    rows = rng.sample(log.rows, len(log.rows))
    found = {(case.key[1], row.who): row.id for case in cases(rows).values() for row in case.standing}
    assert found == {key: stack[-1] for key, stack in stacks.items() if stack}


@given(STEPS)
def test_every_drawn_message_is_counted_once(steps: list[Step]) -> None:
    log = Log()
    for _, message, who, verdict in steps:
        log.say(verdict, message, who=who)
    judged = list(cases(log.rows).values())
    found = live_quality(judged)
    right = found.accuracy.n if found.accuracy else 0
    assert right == sum(map(sum, found.confusion))
    assert (found.off_topic.n if found.off_topic else 0) + found.skipped == len({row.message_id for row in log.rows})
    assert len(found.confusion) == len(CLASSES)
