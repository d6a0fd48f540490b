from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.adapters.incident_records import Findings
from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput, NotFound
from app.core.types import Label
from app.services.before_after import Around, BeforeAfter, BeforesAfters
from app.services.comparison import Comparisons
from app.services.shares import Shares
from tests.adapters.incident_builders import incident, opened
from tests.services.test_comparison import HOUR, KNOWN, NOON, NOW, Feed

MINUTE = timedelta(minutes=1)


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def service(store: Store, feed: Feed) -> BeforesAfters:
    return BeforesAfters(store, Comparisons(store, Shares(store, KNOWN.get), lambda: NOW), lambda: NOW)


def mark(store: Store, kind: AnnotationKind, minutes: float, text: str, until: float | None = None) -> Annotation:
    """An annotation so many minutes after noon; its text is its id."""
    end = None if until is None else NOON + until * MINUTE
    store.annotations.put(Annotation("cup", text, NOON + minutes * MINUTE, end, kind, text))
    return store.annotations.one("cup", text)


def around(
    service: BeforesAfters, hours: float = 1, *, at: datetime = NOON, annotation_id: str | None = None
) -> BeforeAfter:
    return service.around("cup", Around(at, annotation_id, hours))


def test_a_share_that_fell_after_the_statement(service: BeforesAfters, feed: Feed, store: Store) -> None:
    feed.put(240, 160, NOON - HOUR)
    feed.put(80, 320)
    statement = mark(store, AnnotationKind.STATEMENT, 0, "our statement")
    found = service.around("cup", Around(annotation_id=statement.id, hours=1))
    assert (found.at, found.annotation, found.hours) == (NOON, statement, 1.0)
    before, after = found.comparison.sides
    assert (before.start, before.end, after.start, after.end) == (NOON - HOUR, NOON, NOON, NOON + HOUR)
    assert after.differences[Label.NEGATIVE].verdict == "lower"
    assert found.sentence.startswith("Negative share ")
    assert " in the 1 h after, " in found.sentence
    assert found.sentence.endswith(" points (n = 400).")
    assert ": lower, by " in found.sentence


def test_no_change_is_no_success(service: BeforesAfters, feed: Feed) -> None:
    feed.put(20, 20, NOON - HOUR)
    feed.put(18, 22)
    assert around(service).sentence.endswith(" before: no difference we can tell (n = 40).")


def test_both_windows_are_as_long_as_what_is_known_after(service: BeforesAfters, feed: Feed) -> None:
    edge = NOON + 20 * MINUTE
    feed.put(20, 20, NOON - HOUR, live_to=edge)
    feed.put(20, 20, live_to=edge)
    found = around(service, hours=24)
    before, after = found.comparison.sides
    assert (before.start, after.end) == (NOON - 20 * MINUTE, edge)
    assert found.hours == pytest.approx(1 / 3)
    assert "20 min are known after it, so 20 min before and after are compared" in found.warnings


def test_the_minute_of_the_moment_is_counted_once(service: BeforesAfters, feed: Feed) -> None:
    feed.put(30, 30, NOON - HOUR)
    feed.put(30, 30)
    found = around(service, at=NOON + timedelta(seconds=40))
    before, after = found.comparison.sides
    assert found.at == NOON
    assert sum(count.raw for each in (before, after) for count in each.counts.values()) == 120


def test_what_else_may_have_moved_it_is_named(service: BeforesAfters, feed: Feed, store: Store) -> None:
    feed.put(20, 20, NOON - HOUR)
    feed.put(20, 20)
    own = mark(store, AnnotationKind.STATEMENT, 0, "our statement")
    mark(store, AnnotationKind.STATEMENT, 30, "the second statement")
    mark(store, AnnotationKind.EXPECTED, 40, "the keynote", until=90)
    mark(store, AnnotationKind.NOTE, 10, "a note")
    mark(store, AnnotationKind.EXPECTED, 200, "far away", until=220)
    peak = incident(started_at=NOON - 40 * MINUTE, opened_at=NOON - 30 * MINUTE, ended_at=NOON - 5 * MINUTE)
    store.incidents.advance("cup", 0, {}, NOON, Findings((opened(peak),)))
    found = service.around("cup", Around(annotation_id=own.id, hours=1))
    assert found.warnings == (
        'There was another statement, "the second statement", at 12:30 UTC',
        'The windows touch the expected moment "the keynote", from 12:40 to 13:30 UTC',
        "Incident 1, from 11:20 to 11:55 UTC, was before it: what rose that far falls again by itself",
    )


def test_a_share_that_was_falling_before_is_named(service: BeforesAfters, feed: Feed) -> None:
    feed.put(140, 20, NOON - HOUR, over=HOUR / 2)
    feed.put(80, 80, NOON - HOUR / 2, over=HOUR / 2)
    feed.put(40, 280)
    found = around(service)
    assert found.trend is not None
    assert found.trend.verdict == "lower"
    assert found.warnings[-1].startswith("The negative share was moving before: lower in the second half of that time")


def test_nothing_scored_on_one_side(service: BeforesAfters, feed: Feed) -> None:
    feed.put(20, 20, NOON)
    found = around(service)
    assert found.sentence == "Nothing was scored in the 1 h before: there is nothing to compare."
    assert found.trend is None


def test_what_cannot_be_asked(service: BeforesAfters, feed: Feed, store: Store) -> None:
    with pytest.raises(NotFound):
        service.around("no-such", Around(at=NOON))
    with pytest.raises(InvalidInput, match="the event has no messages"):
        around(service)
    feed.put(20, 20, live_to=NOON + HOUR)
    with pytest.raises(InvalidInput, match="nothing is known after 13:00 UTC yet: the data end at 13:00 UTC"):
        around(service, at=NOON + HOUR)
    with pytest.raises(InvalidInput, match="Give at, or the id of an annotation") as refused:
        service.around("cup", Around())
    assert refused.value.field == "at"
    with pytest.raises(InvalidInput, match="not both"):
        around(service, annotation_id="a")
    with pytest.raises(NotFound):
        service.around("cup", Around(annotation_id="no-such"))
    for hours in (0.001, 24 * 93):
        with pytest.raises(InvalidInput, match="choose a minute to 92 days"):
            around(service, hours=hours)
