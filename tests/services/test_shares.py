from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.adjusted_counts import NONE, ConfusionMatrix, Errors, Matrix
from app.core.feedback import MessageVerdict, Stratum
from app.core.prevalence import Difference, difference
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Label, Message, Prediction
from app.services.shares import Scored, Shares, alike, classified, correction_of, differences, shares_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CUP = "cup"
COUNTS: Matrix = ((80, 15, 5), (10, 70, 20), (5, 15, 80))
KNOWN = {"v1": Errors((ConfusionMatrix("v1", "a-set", COUNTS), ConfusionMatrix("v1", "b-set", COUNTS)), 30.0)}


@pytest.fixture
def shares(store: Store) -> Shares:
    store.put_event(Event(CUP, "Cup", "*"))
    return Shares(store, KNOWN.get)


class Feed:
    """Puts messages into the store, one a minute from `start` on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0

    def put(self, label: Label, times: int, *, start: datetime = NOON, model: str = "v1") -> list[str]:
        records = []
        for minute in range(times):
            self._number += 1
            message = Message(f"m{self._number}", f"text {self._number}", start + timedelta(minutes=minute % 60), "x")
            negative, neutral, positive = (0.8 if each is label else 0.1 for each in CLASSES)
            said = None if label is Label.UNSCORED else Prediction(label, (negative, neutral, positive), model, "onnx")
            records.append(Record(message, said, content_hash(message.text), NOON))
        self._store.put_page(CUP, "x", records, Progress())
        return [record.message.id for record in records]


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


def look(shares: Shares, store: Store, start: datetime = NOON) -> Scored:
    return shares.look(CUP, start, start + HOUR, store.totals(CUP, start, start + HOUR))


def test_a_window_of_a_model_whose_errors_are_known_is_corrected(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, 30)
    feed.put(Label.POSITIVE, 10)
    scored = look(shares, store)
    assert (scored.counts, scored.models) == ((30, 0, 10), ("v1",))
    found, plain = shares_of(scored), classified(scored.counts)
    assert found[Label.NEGATIVE].value != plain[Label.NEGATIVE].value == 0.75
    assert found[Label.NEGATIVE].n == 40
    told = correction_of(scored)
    assert (told.corrected, told.models, told.reason) == (True, ("v1",), None)
    assert (told.evaluation_sets, told.evaluated, told.labelled) == (("a-set", "b-set"), 600, 0)


def test_messages_of_the_event_that_people_judged_count(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEUTRAL, 30)
    said_negative = feed.put(Label.NEGATIVE, 30)
    before = shares_of(look(shares, store))
    for number, name in enumerate(said_negative):
        stratum = Stratum.RANDOM if number < 20 else Stratum.CHOSEN
        store.feedback.judge(CUP, name, MessageVerdict.NEUTRAL, who="ann", stratum=stratum)
    scored = look(shares, store)
    assert scored.errors is not None
    assert scored.errors.own == ((0, 0, 0), (20, 0, 0), (0, 0, 0))  # those drawn by lot alone
    assert correction_of(scored).labelled == 20
    assert shares_of(scored)[Label.NEUTRAL].value > before[Label.NEUTRAL].value + 0.2


def test_a_window_of_several_models_stays_as_it_is(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, 30)
    feed.put(Label.NEGATIVE, 30, model="v2")
    scored = look(shares, store)
    told = correction_of(scored)
    assert (told.corrected, told.models) == (False, ("v1", "v2"))
    assert told.reason == "several models scored these messages: v1, v2"
    assert shares_of(scored) == classified(scored.counts)


def test_a_model_that_took_over_within_the_window_is_seen(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, 300, model="v2")
    feed.put(Label.NEGATIVE, 500, start=NOON + HOUR)
    assert store.models(CUP, NOON, NOON + 2 * HOUR) == ("v1", "v2")
    assert store.models(CUP, NOON + HOUR, NOON + 2 * HOUR) == ("v1",)
    assert store.models("other", NOON, NOON + HOUR) == ()


def test_what_comes_into_a_window_that_was_looked_at_is_seen(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, 30)
    assert look(shares, store).models == ("v1",)
    feed.put(Label.NEGATIVE, 30, model="v2")
    assert look(shares, store).models == ("v1", "v2")


def test_a_window_in_which_nothing_has_changed_is_not_read_again(shares: Shares, store: Store, feed: Feed) -> None:
    name = feed.put(Label.NEGATIVE, 30)[0]
    store.feedback.judge(CUP, name, MessageVerdict.NEUTRAL, who="ann", stratum=Stratum.RANDOM)
    first = look(shares, store)
    read: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: read.append(given[2]))
    assert look(shares, store) == first
    assert len([each for each in read if "FROM predictions" in each or "FROM messages" in each]) == 0
    assert len([each for each in read if "FROM feedback" in each]) == 1  # whether anybody has said more


def test_a_model_whose_errors_were_not_measured(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, 30, model="v2")
    told = correction_of(look(shares, store))
    assert (told.corrected, told.evaluation_sets, told.evaluated) == (False, (), 0)
    assert told.reason == "the errors of v2 were not measured"


def test_a_window_without_scored_messages_has_no_shares(shares: Shares, store: Store, feed: Feed) -> None:
    feed.put(Label.UNSCORED, 5)
    scored = look(shares, store)
    assert shares_of(scored) == classified(scored.counts) == {}
    assert differences(scored, scored) == {}
    assert correction_of(scored).reason == "no message was scored"


def width(found: Difference) -> float:
    return found.high - found.low


def scored(counts: tuple[int, int, int], errors: Errors | None = None) -> Scored:
    return Scored(counts, ("v1",), errors, None if errors else "the errors of v1 were not measured")


def test_a_difference_is_corrected_with_what_both_windows_share() -> None:
    after, before = scored((200, 200, 100), KNOWN["v1"]), scored((120, 280, 100), KNOWN["v1"])
    found = differences(after, before)[Label.NEGATIVE]
    apart = difference(shares_of(after)[Label.NEGATIVE], shares_of(before)[Label.NEGATIVE])
    assert found.verdict == "higher"
    assert width(found) < width(apart)


def test_other_material_has_errors_of_its_own() -> None:
    after, before = scored((200, 200, 100), KNOWN["v1"]), scored((120, 280, 100), KNOWN["v1"])
    same, other = differences(after, before), differences(after, before, same_material=False)
    assert width(other[Label.NEGATIVE]) > 1.5 * width(same[Label.NEGATIVE])


def test_uncorrected_windows_differ_by_their_sampling_error() -> None:
    after, before = scored((200, 200, 100)), scored((120, 280, 100))
    now, then = classified(after.counts), classified(before.counts)
    assert differences(after, before) == {label: difference(now[label], then[label]) for label in CLASSES}


def test_a_correction_is_no_difference() -> None:
    """Corrected and uncorrected windows are never set against each other."""
    known, unknown = scored((20, 20, 10), KNOWN["v1"]), scored((20, 20, 10))
    one, other = alike(known, unknown)
    assert (one.errors, other.errors) == (None, None)
    assert one.reason == "in what it is compared with, the errors of v1 were not measured"
    assert alike(unknown, known)[1].errors is None
    assert alike(known, known) == (known, known)


def test_a_window_without_messages_bars_no_correction() -> None:
    known, empty = scored((20, 20, 10), KNOWN["v1"]), scored((0, 0, 0))
    assert alike(known, empty)[0].errors == KNOWN["v1"]
    assert KNOWN["v1"].own == NONE
