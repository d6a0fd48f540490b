"""One stream connection for several events: routing, rules, budgets, and closing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from app.core.errors import BudgetExhausted, SourceError
from tests.fakes.apis import FakeApis, Fault
from tests.fakes.clock import START, Clock
from tests.fakes.x_api import make_post
from tests.pipelines.sources.stream_rig import Reader, Rig

ONE, TWO = "eventpulse:e1", "eventpulse:e2"


@pytest.fixture
def rig(apis: FakeApis, clock: Clock) -> Iterator[Rig]:
    rig = Rig(apis, clock)
    yield rig
    rig.close()


def pair(rig: Rig) -> tuple[Reader, Reader]:
    """Two events on one connection."""
    hub = rig.hub()
    readers = Reader(rig.view(hub, "e1", query="cats")), Reader(rig.view(hub, "e2", query="dogs"))
    for reader in readers:
        reader.live()
    return readers


def test_two_events_share_one_connection_and_each_gets_its_posts(rig: Rig) -> None:
    one, two = pair(rig)
    connection = rig.apis.x.connection()
    connection.post(make_post(START, "a cat", number=1), ONE)
    connection.post(make_post(START, "a dog", number=2), TWO)
    connection.post(make_post(START, "a cat and a dog", number=3), ONE, TWO)
    one.gets("a cat", "a cat and a dog")
    two.gets("a dog", "a cat and a dog")
    assert (one.texts(), two.texts()) == (["a cat", "a cat and a dog"], ["a dog", "a cat and a dog"])
    assert one.billed + two.billed == 3  # X charges a post once
    assert len(rig.apis.x.connections) == 1
    assert [(rule["value"], rule["tag"]) for rule in rig.apis.x.rules] == [("cats", ONE), ("dogs", TWO)]


def test_two_events_with_the_same_query_share_a_rule(rig: Rig) -> None:
    hub = rig.hub()
    one, two = Reader(rig.view(hub, "e1", query="cats")), Reader(rig.view(hub, "e2", query="cats"))
    one.live()
    two.live()
    assert [rule["tag"] for rule in rig.apis.x.rules] == [ONE]
    connection = rig.apis.x.connection()
    connection.post(make_post(START, "a cat"), ONE)
    one.gets("a cat")
    two.gets("a cat")
    one.view.close()
    two.fetch()
    connection.post(make_post(START, "another cat", number=1), ONE)
    two.gets("another cat")


def test_an_event_that_leaves_takes_its_rule_along_and_the_others_stay(rig: Rig) -> None:
    one, two = pair(rig)
    one.view.close()
    two.fetch()
    assert [rule["tag"] for rule in rig.apis.x.rules] == [TWO]
    rig.apis.x.connection().post(make_post(START, "a dog"), TWO)
    two.gets("a dog")
    with pytest.raises(SourceError, match="closed"):
        one.fetch()


def test_the_last_event_takes_the_connection_along(rig: Rig) -> None:
    one, two = pair(rig)
    one.view.close()
    two.view.close()
    rig.apis.x.connection().wait_closed()


def test_an_event_that_joins_later_needs_no_new_connection(rig: Rig, clock: Clock) -> None:
    hub = rig.hub()
    Reader(rig.view(hub, "e1", query="cats")).live()
    clock.advance(60)
    late = Reader(rig.view(hub, "e2", query="dogs"))
    assert late.live().live_to == clock()  # from its rule on, not from the connection on
    rig.apis.x.connection().post(make_post(START, "a dog"), TWO)
    late.gets("a dog")
    assert len(rig.apis.x.connections) == 1


def test_a_rule_of_ours_without_an_event_is_deleted_with_its_first_post(rig: Rig) -> None:
    rig.apis.x.rules = [
        {"id": "1", "value": "gone", "tag": "eventpulse:e0"},
        {"id": "2", "value": "birds", "tag": "somebody else's"},
    ]
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    connection = rig.apis.x.connection()
    connection.post(make_post(START, "nobody wants me"), "eventpulse:e0")
    connection.post(make_post(START, "for others", number=1), "somebody else's")
    connection.post(make_post(START, "a cat", number=2), ONE)
    reader.gets("a cat")
    reader.fetch()
    assert [rule["value"] for rule in rig.apis.x.rules] == ["birds", "cats"]
    assert reader.texts() == ["a cat"]


def test_a_rule_that_can_not_be_deleted_now_is_deleted_later(rig: Rig, clock: Clock) -> None:
    one, two = pair(rig)
    one.view.close()
    rig.apis.fail("rules", Fault(503, b"<html>"))
    two.fetch()
    two.fetch()
    assert len(rig.apis.x.rules) == 2
    clock.advance(61)
    two.fetch()
    assert [rule["tag"] for rule in rig.apis.x.rules] == [TWO]


def test_a_full_lane_holds_the_reader_back(rig: Rig) -> None:
    hub = rig.hub(queue_size=3)
    reader = Reader(rig.view(hub))
    reader.live()
    connection = rig.apis.x.connection()
    for number in range(10):
        connection.post(make_post(START, f"post {number}", number=number), ONE)
    connection.wait_written(10)
    page = reader.until(lambda page: bool(page.messages))
    assert len(page.messages) <= 3
    reader.gets(*(f"post {number}" for number in range(10)))
    assert len(reader.texts()) == 10


def test_closing_does_not_wait_for_a_reader_that_is_held_back(rig: Rig) -> None:
    hub = rig.hub(queue_size=1)
    reader = Reader(rig.view(hub))
    reader.live()
    connection = rig.apis.x.connection()
    for number in range(5):
        connection.post(make_post(START, f"post {number}", number=number), ONE)
    connection.wait_written(5)
    begin = monotonic()
    hub.close()
    hub.close()
    assert monotonic() - begin < 2
    connection.wait_closed()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("x-stream")]


@pytest.mark.parametrize("when", ["before anything", "while connecting", "while listening"])
def test_closing_is_quick(rig: Rig, when: str) -> None:
    hub = rig.hub()
    reader = Reader(rig.view(hub))
    if when == "while connecting":
        rig.apis.fail("search/stream", Fault(silent=True))
        reader.fetch()
        rig.apis.wait_for_requests("search/stream", 1)
    elif when == "while listening":
        reader.live()
    begin = monotonic()
    reader.view.close()
    reader.view.close()
    hub.close()
    assert monotonic() - begin < 2


def test_an_event_that_has_used_its_budget_leaves_the_others_alone(rig: Rig) -> None:
    hub = rig.hub()
    poor = Reader(rig.view(hub, "e1", query="cats", remaining=1))
    rich = Reader(rig.view(hub, "e2", query="dogs"))
    poor.live()
    rich.live()
    connection = rig.apis.x.connection()
    connection.post(make_post(START, "a cat"), ONE)
    connection.post(make_post(START, "a dog", number=1), TWO)
    rich.gets("a dog")
    with pytest.raises(BudgetExhausted):
        poor.until(lambda _: False)
    assert poor.texts() == ["a cat"]
    rich.fetch()
    assert [rule["tag"] for rule in rig.apis.x.rules] == [TWO]
    connection.post(make_post(START, "another dog", number=2), TWO)
    rich.gets("another dog")
