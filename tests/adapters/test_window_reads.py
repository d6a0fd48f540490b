"""Whole windows as columns. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.adapters.records import MessageFilter
from app.adapters.store import Store
from app.adapters.window_reads import domain_of
from app.core.errors import InvalidInput
from app.core.types import Label
from tests.adapters.builders import EVENT, at, make, put

HOUR = MessageFilter(at(0), at(60))


def test_messages_come_as_columns_in_the_order_of_time(store: Store) -> None:
    put(
        store,
        make("b", 2, text="see https://www.shop.example/a?b", author="bob", label=Label.NEGATIVE, country=None),
        make("a", 1, text="plain", url="https://x.com/i/a", author=None),
        make("c", 3, text="RT", duplicate_of="a", author="cy", source="news", label=Label.UNSCORED),
        make("d", 3, text="news", url="https://news.example/1", publisher="The News"),
    )
    posts = store.windows.read(EVENT.id, HOUR, most=10)
    assert posts.ids == ("a", "b", "c", "d")
    assert posts.texts == ("plain", "see https://www.shop.example/a?b", "RT", "news")
    assert posts.created_at.tolist() == [int(at(minute).timestamp() * 1e6) for minute in (1, 2, 3, 3)]
    assert posts.families == ("a", "b", "a", "d")
    assert posts.authors == ["", "bob", "cy", ""]
    assert posts.domains == ["", "shop.example", "", "news.example"]
    assert posts.sources == ("x", "x", "news", "x")
    assert posts.countries == ["DE", "", "DE", "DE"]
    assert posts.labels == [Label.POSITIVE, Label.NEGATIVE, Label.UNSCORED, Label.POSITIVE]
    assert (posts.hours, posts.weight) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (MessageFilter(at(1), at(3)), ("b", "c")),
        (MessageFilter(at(0), at(9), label=Label.NEGATIVE), ("c",)),
        (MessageFilter(at(0), at(9), source="news"), ("b",)),
        (MessageFilter(at(0), at(9), country="??"), ("d",)),
        (MessageFilter(at(5), at(9)), ()),
    ],
)
def test_a_filter_chooses(store: Store, where: MessageFilter, found: tuple[str, ...]) -> None:
    put(
        store,
        make("a", 0),
        make("b", 1, source="news"),
        make("c", 2, label=Label.NEGATIVE),
        make("d", 3, country=None),
    )
    assert store.windows.read(EVENT.id, where, most=10).ids == found


def test_a_window_of_another_event_or_of_none_is_empty(store: Store) -> None:
    put(store, make("a", 1))
    posts = store.windows.read("nowhere", HOUR, most=10)
    assert (len(posts), posts.rate, posts.weight) == (0, 0.0, 1.0)


def test_a_large_window_is_sampled_the_same_way_each_time(store: Store) -> None:
    # Six messages a second and minute, for an hour.
    put(store, *(make(f"m{n:04}", n / 10) for n in range(600)))
    sample = store.windows.read(EVENT.id, HOUR, most=200)
    assert 120 < len(sample) <= 200
    assert sample.rate == pytest.approx(600)
    again = store.windows.read(EVENT.id, HOUR, most=200)
    assert again.ids == sample.ids
    # Evenly over the hour, and those of a smaller sample are among those of a larger one.
    by_quarter = [sum(quarter <= int(id_[1:]) // 150 < quarter + 1 for id_ in sample.ids) for quarter in range(4)]
    assert min(by_quarter) > 25
    assert set(store.windows.read(EVENT.id, HOUR, most=100).ids) <= set(sample.ids)


def test_of_many_in_one_second_the_first_are_read(store: Store) -> None:
    put(store, *(make(f"m{n}", 1, created_at=at(1) + timedelta(microseconds=n)) for n in range(50)))
    sample = store.windows.read(EVENT.id, HOUR, most=5)
    assert sample.ids == ("m0", "m1", "m2", "m3", "m4")
    assert sample.rate == pytest.approx(50)


@pytest.mark.parametrize("where", [MessageFilter(at(0)), MessageFilter(end=at(0)), MessageFilter(at(1), at(1))])
def test_a_window_begins_and_ends(store: Store, where: MessageFilter) -> None:
    with pytest.raises(ValueError, match="begins and ends"):
        store.windows.read(EVENT.id, where, most=5)


def test_a_source_that_no_message_has_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="source"):
        store.windows.read(EVENT.id, MessageFilter(at(0), at(1), source="\0"), most=5)


@pytest.mark.parametrize(
    ("text", "article", "domain"),
    [
        ("no link", None, ""),
        ("see https://WWW.Shop.Example:8080/x and http://b.example", None, "shop.example"),
        ("https://t.co/abc", None, ""),
        ("http://localhost/x", None, ""),
        ("odd https://", None, ""),
        ("a headline https://other.example", "https://www.paper.example/1", "paper.example"),
        ("a headline", "not a link", ""),
    ],
)
def test_the_domain_is_where_a_message_points(text: str, article: str | None, domain: str) -> None:
    assert domain_of(text, article) == domain


# Messages by their ids


def test_messages_are_found_by_their_ids_newest_first(store: Store) -> None:
    put(store, *(make(f"m{n}", n) for n in range(9)))
    first = store.messages(EVENT.id, MessageFilter(ids=("m1", "m7", "gone", "m4", "\0")), limit=2)
    second = store.messages(EVENT.id, MessageFilter(ids=("m1", "m7", "m4")), limit=2, after=first.next)
    assert [item.message.id for item in (*first.items, *second.items)] == ["m7", "m4", "m1"]
    assert second.next is None
    assert store.messages(EVENT.id, MessageFilter(ids=())).items == ()
    both = MessageFilter(ids=("m1", "m7"), end=at(3))
    assert [item.message.id for item in store.messages(EVENT.id, both).items] == ["m1"]


def test_too_many_ids_are_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="at most 1000"):
        store.messages(EVENT.id, MessageFilter(ids=tuple(map(str, range(1_001)))))
