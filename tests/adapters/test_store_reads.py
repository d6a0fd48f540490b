"""Timelines, totals, facets, and pages of messages. The same on SQLite and PostgreSQL."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from app.adapters.schema import metadata
from app.adapters.store import UNRESOLVED, Facets, MessageFilter, Store
from app.core.errors import InvalidInput, NotFound
from app.core.types import CLASSES, Bucket, Count, Grain, Label
from tests.adapters.builders import EVENT, START, at, make, put

DAY = timedelta(days=1)


def ids(store: Store, where: MessageFilter | None = None, event_id: str = EVENT.id) -> list[str]:
    return [item.message.id for item in store.messages(event_id, where, limit=100).items]


# Counts


def test_a_timeline_has_the_buckets_with_messages(store: Store) -> None:
    put(store, make("a", 0.2), make("b", 0.9, label=Label.NEGATIVE), make("c", 0.5, duplicate_of="a"), make("d", 2))
    buckets = store.timeline(EVENT.id, "minute", START, at(10))
    assert buckets == [
        Bucket(START, {Label.POSITIVE: Count(2, 1), Label.NEGATIVE: Count(1, 1)}),
        Bucket(at(2), {Label.POSITIVE: Count(1, 1)}),
    ]
    assert buckets[0].total == Count(3, 2)


@pytest.mark.parametrize(
    ("grain", "starts"),
    [
        ("minute", [at(-1), at(0), at(61), at(1500)]),
        ("hour", [at(-60), at(0), at(60), at(1500)]),
        ("day", [START - DAY / 2, START + DAY / 2]),
    ],
)
def test_grains_are_whole_minutes_hours_and_days_of_utc(store: Store, grain: Grain, starts: list[datetime]) -> None:
    put(store, *(make(f"m{n}", minutes) for n, minutes in enumerate((-0.01, 0, 61, 1500))))
    assert [bucket.start for bucket in store.timeline(EVENT.id, grain, START - DAY, START + 2 * DAY)] == starts


def test_a_timeline_begins_in_the_middle_of_a_bucket_and_ends_before_its_end(store: Store) -> None:
    put(store, *(make(f"m{n}", n) for n in range(5)))
    assert [bucket.start for bucket in store.timeline(EVENT.id, "minute", at(1.5), at(3))] == [at(1), at(2)]
    assert [bucket.start for bucket in store.timeline(EVENT.id, "hour", at(30), at(31))] == [START]
    assert store.timeline(EVENT.id, "minute", at(3), at(3)) == []
    assert store.timeline("nobody", "minute", START, at(3)) == []


def test_a_timeline_in_wider_steps(store: Store) -> None:
    put(store, make("a", 1), make("b", 4, label=Label.NEGATIVE), make("c", 4.5), make("d", 5), make("e", 1500))
    assert store.timeline(EVENT.id, "minute", START, START + 2 * DAY, step_s=300) == [
        Bucket(START, {Label.POSITIVE: Count(2, 2), Label.NEGATIVE: Count(1, 1)}),
        Bucket(at(5), {Label.POSITIVE: Count(1, 1)}),
        Bucket(at(1500), {Label.POSITIVE: Count(1, 1)}),
    ]
    six_hours = store.timeline(EVENT.id, "hour", START, START + 2 * DAY, step_s=21_600)
    assert [(bucket.start, bucket.total.raw) for bucket in six_hours] == [(START, 4), (at(1440), 1)]


def test_steps_before_1970_begin_like_all_others(store: Store) -> None:
    first = datetime(1969, 12, 31, 23, 57, tzinfo=UTC)
    records = [make(f"m{n}", (first - START).total_seconds() / 60 + n) for n in range(5)]
    put(store, *records)
    found = store.timeline(EVENT.id, "minute", first - DAY, first + DAY, step_s=300)
    assert [(bucket.start.isoformat(), bucket.total.raw) for bucket in found] == [
        ("1969-12-31T23:55:00+00:00", 3),
        ("1970-01-01T00:00:00+00:00", 2),
    ]


def test_counts_of_a_source_and_a_country(store: Store) -> None:
    put(store, make("a", source="x"), make("b", source="newsapi"), make("c", source="x", country=None))
    put(store, make("d", 1, source="newsapi", country="FR", duplicate_of="a"))

    def raw(**cut: Any) -> int:
        (total,) = store.totals(EVENT.id, **cut).values()
        assert sum(bucket.total.raw for bucket in store.timeline(EVENT.id, "hour", START, at(9), **cut)) == total.raw
        return total.raw

    assert (raw(), raw(source="x"), raw(country="DE"), raw(country=UNRESOLVED)) == (4, 2, 2, 1)
    assert raw(source="newsapi", country="FR") == 1
    assert store.totals(EVENT.id, source="newsapi", country="XX") == {}
    assert store.facets(EVENT.id) == Facets(
        sources={"newsapi": Count(2, 1), "x": Count(2, 2)},
        countries={"DE": Count(2, 2), UNRESOLVED: Count(1, 1), "FR": Count(1, 0)},
    )
    assert list(store.facets(EVENT.id).countries) == ["DE", UNRESOLVED, "FR"]
    assert store.facets("nobody") == Facets()


def test_totals_of_any_range_are_those_of_its_minutes(store: Store) -> None:
    rng = random.Random(5)
    minutes = [rng.randrange(-3000, 3000) + rng.random() for _ in range(500)]
    put(store, *(make(f"m{n}", minute, label=CLASSES[n % 3]) for n, minute in enumerate(minutes)))
    ranges: list[tuple[float | None, float | None]] = [(None, None), (None, 7.5), (-2.25, None), (5, 5), (9, 3)]
    ranges += [(low, low + rng.choice((0.5, 10, 100, 1440, 2000, 4500))) for low in rng.sample(minutes, 30)]
    for low, high in ranges:
        first = -(10**9) if low is None else low // 1
        last = 10**9 if high is None else -(-high // 1)
        expected = Counter(CLASSES[n % 3] for n, minute in enumerate(minutes) if first <= minute < last)
        totals = store.totals(EVENT.id, None if low is None else at(low), None if high is None else at(high))
        assert {label: count.raw for label, count in totals.items()} == expected, (low, high)


def test_a_time_without_zone_is_refused(store: Store) -> None:
    naive = START.replace(tzinfo=None)
    for ask in (
        lambda: store.totals(EVENT.id, naive),
        lambda: store.timeline(EVENT.id, "minute", naive, START),
        lambda: store.messages(EVENT.id, MessageFilter(end=naive)),
        lambda: store.put_event(replace(EVENT, starts_at=naive)),
    ):
        with pytest.raises(InvalidInput, match="zone"):
            ask()


def test_the_span_is_the_first_and_last_message(store: Store) -> None:
    assert store.span(EVENT.id) is None
    put(store, make("b", 5), make("a", -7), make("c", 1))
    assert store.span(EVENT.id) == (at(-7), at(5))


def test_a_wrong_count_is_found(store: Store) -> None:
    put(store, make("a"), make("b", duplicate_of="a"))
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE rollups SET raw = 5 WHERE grain = 'hour' AND source = 'x' AND country = ''"))
        connection.execute(text("UPDATE messages SET is_first = (1 = 1)"))
        connection.execute(text("UPDATE families SET copies = 7"))
    found = store.check(EVENT.id)
    assert "hour 2026-03-01T12:00:00+00:00 x * positive: stored Count(raw=5, distinct=1)" in "\n".join(found)
    assert found[-2:] == ["copies of a: stored 7, recounted 1", "copies of a: 2 of them are the first"]
    assert {count.raw for count in store.recount(EVENT.id).values()} == {2}
    assert len(store.recount(EVENT.id)) == 16


# Messages


def test_messages_are_filtered(store: Store) -> None:
    put(
        store,
        make("a", 0, text="Great GOAL in München", source="x", country="DE"),
        make("b", 1, text="what a goal", source="newsapi", country=None, label=Label.NEGATIVE),
        make("c", 2, text="100% sure_thing", source="x", country="FR", label=Label.UNSCORED),
        make("d", 3, text="what a goal", source="x", country="DE", duplicate_of="b", label=Label.NEGATIVE),
    )
    cases = [
        (MessageFilter(), "dcba"),
        (MessageFilter(start=at(1)), "dcb"),
        (MessageFilter(end=at(1)), "a"),
        (MessageFilter(start=at(1), end=at(2)), "b"),
        (MessageFilter(label=Label.NEGATIVE), "db"),
        (MessageFilter(label=Label.UNSCORED), "c"),
        (MessageFilter(source="newsapi"), "b"),
        (MessageFilter(source=""), ""),
        (MessageFilter(country="DE"), "da"),
        (MessageFilter(country=UNRESOLVED), "b"),
        (MessageFilter(text="goal"), "dba"),
        (MessageFilter(text="MÜNCHEN"), "a"),
        (MessageFilter(text="0% s"), "c"),
        (MessageFilter(text="%"), "c"),
        (MessageFilter(text="e_t"), "c"),
        (MessageFilter(text="\\"), ""),
        (MessageFilter(distinct_only=True), "cba"),
        (MessageFilter(text="goal", country="DE", label=Label.NEGATIVE, distinct_only=True), ""),
    ]
    for where, expected in cases:
        assert "".join(ids(store, where)) == expected, where


def test_messages_of_an_unknown_event_are_none(store: Store) -> None:
    assert store.messages("nobody").items == ()
    for nobody in ("nobody", "\0", "\ud800"):
        with pytest.raises(InvalidInput):
            store.message(EVENT.id, nobody)
    with pytest.raises(NotFound):
        store.message("nobody", "a")


@pytest.mark.parametrize(
    "where", [MessageFilter(text="\0"), MessageFilter(source="\ud800"), MessageFilter(text="x" * 501)]
)
def test_a_filter_that_cannot_be_searched_for_is_refused(store: Store, where: MessageFilter) -> None:
    with pytest.raises(InvalidInput) as refused:
        store.messages(EVENT.id, where)
    assert refused.value.field in {"text", "source"}


def pages(store: Store, where: MessageFilter | None = None, limit: int = 7) -> Iterator[list[str]]:
    after = None
    while True:
        page = store.messages(EVENT.id, where, limit=limit, after=after)
        yield [item.message.id for item in page.items]
        after = page.next
        if after is None:
            return


def test_paging_visits_each_message_once_while_new_ones_arrive(store: Store) -> None:
    # Several messages of one moment, so that the order is not by time alone.
    put(store, *(make(f"m{n:02}", n // 10) for n in range(50)))
    seen = []
    for number, page in enumerate(pages(store)):
        seen += page
        put(store, make(f"new{number}", 100 + number), make(f"m99{number}", 4))
    assert [id_ for id_ in seen if not id_.startswith("m99")] == [
        f"m{n:02}" for minute in (4, 3, 2, 1, 0) for n in range(minute * 10 + 9, minute * 10 - 1, -1)
    ]
    assert len(seen) == len(set(seen))


def test_the_last_page_has_no_next(store: Store) -> None:
    put(store, *(make(f"m{n}", n) for n in range(6)))
    assert list(pages(store, limit=3)) == [["m5", "m4", "m3"], ["m2", "m1", "m0"]]
    assert list(pages(store, MessageFilter(start=at(4)), limit=1)) == [["m5"], ["m4"]]
    with pytest.raises(InvalidInput, match="limit"):
        store.messages(EVENT.id, limit=0)


def test_ids_order_by_code_point_on_every_database(store: Store) -> None:
    put(store, *(make(id_) for id_ in ("a", "B", "_", "é", "10", "9", "😀", "\uffff")))
    assert ids(store) == ["😀", "\uffff", "é", "a", "_", "B", "9", "10"]


def test_a_garbage_place_is_refused(store: Store) -> None:
    values: tuple[object, ...] = (
        None,
        [],
        [1],
        ["1", "a"],
        [1.5, "a"],
        [1, 2],
        [True, "a"],
        [10**30, "a"],
        [1, "\0"],
        [1, "\ud800"],
        [1, "a", 2],
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(value).encode()).decode() for value in values]
    for after in ("", "x", "é", "\0", "AAAA", *encoded, base64.b64encode(b"[" * 100_000).decode()):
        with pytest.raises(InvalidInput, match="not a place") as refused:
            store.messages(EVENT.id, after=after)
        assert refused.value.field == "after"


def test_firsts_are_the_latest_originals_oldest_first(store: Store) -> None:
    put(store, *(make(f"m{n}", n, duplicate_of="m0" if n % 2 else None) for n in range(8)))
    assert store.firsts(EVENT.id, 3) == [("m2", "text of m2"), ("m4", "text of m4"), ("m6", "text of m6")]
    assert len(store.firsts(EVENT.id, 100)) == 4
    assert store.firsts(EVENT.id, 0) == []


# Cost


@pytest.fixture
def statements(store: Store) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        found.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    return found


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_every_read_finds_its_rows_by_an_index(store: Store, statements: list[tuple[str, Any]]) -> None:
    put(store, make("a"), make("b", duplicate_of="a", supersedes=("c",)))
    store.delete_messages(EVENT.id, ["a"])
    store.timeline(EVENT.id, "minute", START, at(5), source="x")
    store.totals(EVENT.id, START, at(5000))
    store.facets(EVENT.id)
    store.span(EVENT.id)
    for where in (MessageFilter(), MessageFilter(label=Label.POSITIVE), MessageFilter(source="x", country="DE")):
        store.messages(EVENT.id, where, after=base64.b64encode(b'[1, "a"]').decode())
    store.message(EVENT.id, "b")
    store.firsts(EVENT.id, 5)
    asked = [pair for pair in statements if pair[0].startswith(("SELECT", "DELETE", "UPDATE"))]
    assert len(asked) > 20
    with store.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            scanned = [step for step in steps for table in metadata.tables if step.startswith(f"SCAN {table}")]
            sorted_by_hand = "messages.created_at DESC" in statement and "TEMP B-TREE" in str(steps)
            assert not scanned and not sorted_by_hand, (statement, steps)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_older_page_of_a_window_costs_no_more_than_its_newest(store: Store) -> None:
    put(store, *(make(f"m{number:04}", number) for number in range(2_000)))
    window = MessageFilter(start=START, end=at(2_000))
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def cost(where: MessageFilter, after: str | None) -> int:
        nonlocal steps
        steps = 0
        page = store.messages(EVENT.id, where, limit=20, after=after)
        assert len(page.items) == 20
        return steps

    older = store.messages(EVENT.id, replace(window, end=at(200)), limit=20).next
    event.listen(store.engine, "checkout", lambda connection, *_: connection.set_progress_handler(step, 10))
    newest = cost(window, None)
    assert cost(window, older) < 1.5 * newest
    assert [item.message.id for item in store.messages(EVENT.id, window, limit=2, after=older).items] == [
        "m0179",
        "m0178",
    ]


def test_the_end_of_a_window_holds_for_a_place_behind_it(store: Store) -> None:
    put(store, *(make(f"m{number}", number) for number in range(9)))
    place = store.messages(EVENT.id, limit=1).next
    found = store.messages(EVENT.id, MessageFilter(start=at(2), end=at(5)), after=place)
    assert [item.message.id for item in found.items] == ["m4", "m3", "m2"]


def test_counts_by_place_are_those_of_each_source_and_country(store: Store) -> None:
    rng = random.Random(11)
    made = [
        make(
            f"m{number}",
            rng.uniform(0, 3 * 24 * 60),
            label=rng.choice(list(Label)),
            source=rng.choice(["x", "news"]),
            country=rng.choice(["DE", "FR", None]),
        )
        for number in range(300)
    ]
    put(store, *made)
    for start, end in ((START, START + 3 * DAY), (at(7), at(9)), (at(59.5), START + DAY + timedelta(hours=2.5))):
        found = store.by_place(EVENT.id, start, end)
        for source in ("x", "news"):
            for country in ("DE", "FR", UNRESOLVED):
                totals = store.totals(EVENT.id, start, end, source=source, country=country)
                assert found.get((source, country), {}) == totals
    assert store.by_place(EVENT.id, START - DAY, START) == {}
    assert store.by_place("nobody", START, START + DAY) == {}
