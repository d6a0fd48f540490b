"""What the detector is given of an event."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.adapters.detector_input import Reading, outage_id, past, reading, recent
from app.adapters.records import Record
from app.adapters.store import Progress, Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.history import STEP, start_of, step_of
from app.core.types import SourceState
from tests.adapters.builders import EVENT, at, make
from tests.fakes.clock import Clock

NOW = at(600)
FIRST = step_of(at(0))


def look(store: Store, now: datetime = NOW) -> Reading:
    return reading(store.incidents.watched(EVENT.id), now)


def live(store: Store, connector: str, minutes: float, state: SourceState = SourceState.LIVE) -> None:
    store.put_page(EVENT.id, connector, [], Progress(live_to=at(minutes), state=state))


def put(store: Store, *records: Record) -> None:
    """Messages that no live connector has brought."""
    store.put_page(EVENT.id, "batch:any", records, Progress())


def test_an_event_without_messages_has_no_front(store: Store) -> None:
    live(store, "x_stream", 5)
    read = look(store)
    assert (read.edges, read.front, read.followed) == ({}, None, True)
    assert past(store, read) == []


def test_each_source_has_the_edge_of_its_own_connector(store: Store) -> None:
    put(store, make("a"), make("b", 3, source="news"), make("c", 4, source="other"))
    live(store, "x_stream", 40)
    live(store, "newsapi", 25)
    read = look(store)
    assert read.edges == {"x": at(40), "news": at(25), "other": at(5)}
    assert (read.front, read.dark) == (at(40), frozenset())


def test_a_replay_delivers_every_source(store: Store) -> None:
    put(store, make("a"), make("b", 3, source="news"))
    live(store, "replay", 30, SourceState.FINISHED)
    read = look(store)
    assert read.edges == {"x": at(30), "news": at(30)}
    assert not read.followed


def test_what_a_batch_brought_ends_with_its_last_message(store: Store) -> None:
    store.put_page(EVENT.id, "batch:x_search", [make("a"), make("b", 17)], Progress(state=SourceState.FINISHED))
    read = look(store)
    assert read.edges == {"x": at(20)}
    assert (read.followed, read.statuses) == (False, [])


def test_a_post_from_the_future_does_not_move_the_present(store: Store) -> None:
    put(store, make("a"), make("b", 10_000, source="odd"))
    live(store, "x_stream", 20_000)
    read = look(store)
    assert read.edges == {"x": NOW, "odd": NOW}
    assert max(len(steps) for steps in recent(store, read, FIRST).values()) == 1


@pytest.mark.parametrize(
    ("state", "dark"),
    [
        (SourceState.LIVE, set()),
        (SourceState.WAITING, set()),
        (SourceState.FINISHED, set()),
        (SourceState.UNAUTHORIZED, {"x"}),
        (SourceState.BUDGET_USED, {"x"}),
        (SourceState.ERROR, {"x"}),
        (SourceState.NOT_CONNECTED, {"x"}),
    ],
)
def test_a_source_that_can_deliver_nothing_is_dark(store: Store, state: SourceState, dark: set[str]) -> None:
    put(store, make("a"), make("b", source="news"))
    live(store, "x_stream", 10, state)
    live(store, "newsapi", 10)
    assert look(store).dark == dark


def test_a_history_begins_with_a_sources_first_message_and_ends_at_its_edge(store: Store) -> None:
    put(store, make("a", 7), make("n", 22, source="news"), make("b", 38))
    live(store, "x_stream", 44)
    live(store, "newsapi", 31)
    steps = past(store, look(store))
    seen = {
        source: [step_of(each[source].start) - FIRST for each in steps if source in each] for source in ("x", "news")
    }
    assert seen == {"x": [1, 2, 3, 4, 5, 6, 7], "news": [4, 5]}
    shorter = past(store, look(store), {"x": FIRST + 3})
    assert [step_of(each["x"].start) - FIRST for each in shorter if "x" in each] == [1, 2]


def test_a_history_goes_back_as_far_as_it_is_told(store: Store) -> None:
    put(store, *(make(f"m{hour}", 60 * hour) for hour in range(9)))
    live(store, "x_stream", 541)
    steps = past(store, look(store), days=timedelta(hours=3))
    assert min(each["x"].start for each in steps) >= at(541) - timedelta(hours=3) - STEP


def test_a_noted_outage_is_no_zero(store: Store, clock: Clock) -> None:
    put(store, make("a", 0), make("n", 0, source="news"), make("b", 50), make("m", 50, source="news"))
    live(store, "x_stream", 60)
    live(store, "newsapi", 60)
    out = Annotation(EVENT.id, outage_id("x_stream", at(10)), at(10), at(30), AnnotationKind.SYSTEM, "out")
    note = Annotation(EVENT.id, "source:x", at(30), at(40), AnnotationKind.NOTE, "only a note")
    for each in (out, note):
        store.annotations.put(each)
    steps = past(store, look(store))
    assert [step_of(each["x"].start) - FIRST for each in steps if "x" in each] == [0, 1, 6, 7, 8, 9, 10, 11]
    assert len([each for each in steps if "news" in each]) == 12
    assert start_of(FIRST) == at(0)
