from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.adjusted_counts import ConfusionMatrix, Errors
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput, NotFound
from app.core.text import content_hash
from app.core.types import CLASSES, Count, Event, Label, Message, Prediction, SourceState
from app.services.comparison import Comparison, ComparisonDraft, Comparisons, SideDraft
from app.services.shares import Shares

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = NOON + 4 * HOUR
KNOWN = {"v1": Errors((ConfusionMatrix("v1", "a-set", ((80, 15, 5), (10, 70, 20), (5, 15, 80))),), 60.0)}


class Feed:
    """Puts messages into an event, spread in any order over an hour (or `over`) from `start` on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        for name in ("Cup", "League"):
            store.put_event(Event(name.lower(), name, "*"))

    def put(
        self,
        negative: int,
        positive: int,
        start: datetime = NOON,
        *,
        event: str = "cup",
        source: str = "x",
        country: str | None = None,
        model: str = "v1",
        live_to: datetime = NOW,
        over: timedelta = HOUR,
    ) -> None:
        records = []
        labels = [Label.NEGATIVE] * negative + [Label.POSITIVE] * positive
        random.Random(1).shuffle(labels)
        for place, label in enumerate(labels):
            self._number += 1
            at = start + over * place / len(labels)
            message = Message(f"m{self._number}", f"text {self._number}", at, source, country=country)
            first, second, third = (0.8 if each is label else 0.1 for each in CLASSES)
            said = Prediction(label, (first, second, third), model, "onnx")
            records.append(Record(message, said, content_hash(message.text), NOON))
        self._store.put_page(event, source, records, Progress(live_to=live_to))


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def comparisons(store: Store, feed: Feed) -> Comparisons:
    return Comparisons(store, Shares(store, KNOWN.get), lambda: NOW)


def side(event: str = "cup", start: datetime = NOON, hours: float = 1, **other: str) -> SideDraft:
    return SideDraft(event_id=event, start=start, end=start + hours * HOUR, **other)


def compare(comparisons: Comparisons, *sides: SideDraft, **other: object) -> Comparison:
    return comparisons.compare(ComparisonDraft.model_validate({"sides": sides, **other}))


def test_each_side_is_held_against_the_first(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(40, 160)
    feed.put(120, 80, NOON + HOUR)
    feed.put(40, 160, NOON + 2 * HOUR)
    found = compare(comparisons, side(), side(start=NOON + HOUR), side(start=NOON + 2 * HOUR))
    first, second, third = found.sides
    assert first.differences == {}
    told = second.differences[Label.NEGATIVE]
    assert (told.verdict, told.corrected) == ("higher", True)
    assert 0.3 < told.low < told.value < told.high
    assert second.differences[Label.POSITIVE].verdict == "lower"
    assert third.differences[Label.NEGATIVE].verdict == "can't tell"
    assert first.classified[Label.NEGATIVE].value == 0.2
    assert first.shares[Label.NEGATIVE].n == 200
    assert first.correction.corrected
    assert first.counts[Label.POSITIVE] == Count(160, 160)
    assert first.per_hour == 200
    assert second.sentence.startswith("Cup, from 13:00 to 14:00 UTC: negative share ")
    assert "; higher than Cup, from 12:00 to 13:00 UTC, by " in second.sentence
    assert third.sentence.endswith("; no difference from Cup, from 12:00 to 13:00 UTC that we can tell.")
    assert found.warnings == ()


def test_shares_of_voice_add_up_and_have_an_interval(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    feed.put(90, 90, event="league")
    cup, league = compare(comparisons, side(), side("league")).sides
    assert cup.voice is not None
    assert league.voice is not None
    assert (cup.voice.value, league.voice.value, cup.voice.n) == (0.25, 0.75, 240)
    assert 0.19 < cup.voice.low < 0.25 < cup.voice.high < 0.32
    assert (cup.name, league.name) == ("Cup", "League")


def test_two_events_share_no_error_of_the_classifier(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(100, 300)
    feed.put(100, 300, NOON + HOUR)
    feed.put(100, 300, NOON + HOUR, event="league")
    later, other = compare(comparisons, side(), side(start=NOON + HOUR), side("league", NOON + HOUR)).sides[1:]
    widths = [told.high - told.low for each in (later, other) if (told := each.differences[Label.NEGATIVE])]
    assert widths[1] > 1.3 * widths[0]


def test_sides_that_share_messages_have_no_share_of_voice(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    feed.put(30, 30, source="newsapi")
    found = compare(comparisons, side(), side(source="x"))
    assert [each.voice for each in found.sides] == [None, None]
    assert '"Cup" and "Cup, x" have messages in common' in found.warnings[0]
    apart = compare(comparisons, side(source="newsapi"), side(source="x"))
    assert [each.voice.value for each in apart.sides if each.voice] == [0.5, 0.5]


def test_a_country_is_a_side(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 10, country="DE")
    feed.put(10, 30, country="FR")
    german, french = compare(comparisons, side(country="de"), side(country="FR")).sides
    assert (german.name, german.country, german.classified[Label.NEGATIVE].value) == ("Cup, DE", "DE", 0.75)
    assert french.differences[Label.NEGATIVE].verdict == "lower"


def test_timelines_are_counted_from_each_start_or_from_the_earliest(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(2, 2)
    feed.put(2, 2, NOON + 2 * HOUR)
    sides = side(), side(start=NOON + 2 * HOUR)
    found = compare(comparisons, *sides, step_s=900)
    assert found.step_s == 900
    assert [[bucket.offset_s for bucket in each.buckets] for each in found.sides] == [[0, 900, 1800, 2700]] * 2
    assert found.sides[1].buckets[0].start == NOON + 2 * HOUR
    assert list(found.sides[1].buckets[0].counts.values()) == [Count(1, 1)]
    clock = compare(comparisons, *sides, step_s=900, align="clock")
    assert [each.buckets[0].offset_s for each in clock.sides] == [0, 7200]
    assert compare(comparisons, *sides).step_s == 60  # the finest that stays readable


def test_windows_of_other_lengths_are_named(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    found = compare(comparisons, side(), side(start=NOON - 2 * HOUR, hours=2))
    assert "The windows are of different lengths (1 h, 2 h): compare messages an hour" in found.warnings


def test_a_source_that_is_silent_in_a_side_is_named(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    feed.put(30, 30, NOON + HOUR)
    feed.put(5, 5, source="newsapi")
    (warning,) = compare(comparisons, side(name="A"), side(name="B", start=NOON + HOUR)).warnings
    assert warning == 'Newsapi has messages in some sides only: 10 in "A", none in "B"'


def test_an_outage_within_a_side_and_the_data_edge_are_named(
    comparisons: Comparisons, feed: Feed, store: Store
) -> None:
    feed.put(30, 30, live_to=NOON + 90 * timedelta(minutes=1))
    feed.put(30, 30, NOON + HOUR, live_to=NOON + 90 * timedelta(minutes=1))
    store.set_status("cup", "newsapi", SourceState.UNAUTHORIZED, "the key was refused")
    outage = Annotation("cup", "o1", NOON, NOON + HOUR / 2, AnnotationKind.SYSTEM, "newsapi: unauthorized")
    store.annotations.put(outage)
    found = compare(comparisons, side(name="A"), side(name="B", start=NOON + HOUR))
    assert found.warnings == (
        '"A": newsapi: unauthorized, from 12:00 to 12:30 UTC',
        '"B" is known up to 13:30 UTC only',
    )
    assert found.sides[0].sources_down == ("newsapi",)


def test_a_window_before_the_first_message_is_named(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    feed.put(30, 30, NOON + HOUR)
    found = compare(
        comparisons,
        side(name="A", start=NOON - HOUR / 2),
        side(name="B", start=NOON + HOUR),
        side("league", name="C"),
    )
    assert '"A" begins before the first message there is, of 12:00 UTC' in found.warnings
    assert '"C" has no messages' in found.warnings
    assert found.sides[2].sentence == "C: no share, nothing was scored."
    assert found.sides[2].differences == {}


def test_a_correction_is_no_difference(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(60, 140)
    feed.put(60, 140, NOON + HOUR, model="v2")
    found = compare(comparisons, side(name="A"), side(name="B", start=NOON + HOUR))
    told = found.sides[1].differences[Label.NEGATIVE]
    assert (told.value, told.verdict, told.corrected) == (0.0, "can't tell", False)
    assert found.warnings == ('"B" is not corrected for the classifier\'s errors: the errors of v2 were not measured',)


def test_sides_that_cannot_be_told_apart_are_numbered(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(30, 30)
    names = [each.name for each in compare(comparisons, side(name="A"), side(name="A")).sides]
    assert names == ["A, from 12:00 to 13:00 UTC (1)", "A, from 12:00 to 13:00 UTC (2)"]


def test_what_is_refused_is_named_by_its_side(comparisons: Comparisons, feed: Feed) -> None:
    with pytest.raises(NotFound, match="side 2: ") as missing:
        compare(comparisons, side(), side("no-such"))
    assert missing.value.field == "sides.1.event_id"
    with pytest.raises(InvalidInput, match="side 1: the window ends before it starts") as backwards:
        compare(comparisons, side(hours=-1), side())
    assert backwards.value.field == "sides.0.end"
    with pytest.raises(InvalidInput, match="a step of 61 seconds"):
        compare(comparisons, side(), side("league"), step_s=61)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_two_to_six_sides(number: int) -> None:
    with pytest.raises(ValidationError, match="sides"):
        ComparisonDraft(sides=tuple(side() for _ in range(number)))


def test_characters_that_nothing_can_hold_are_refused() -> None:
    with pytest.raises(ValidationError, match="characters that no message has"):
        side("cup\0")
