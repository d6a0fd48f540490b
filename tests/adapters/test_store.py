"""Writing pages: once and for all, whatever repeats, supersedes or fails. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.adapters.store import UNRESOLVED, MessageFilter, Progress, PutResult, Store
from app.core.errors import InvalidInput, NotFound, StoreError
from app.core.types import Count, DeadLetter, Label, SourceState
from tests.adapters.builders import EVENT, START, at, counts, dump, make, put
from tests.fakes.clock import Clock


def firsts(store: Store) -> list[str]:
    return [id_ for id_, _ in store.firsts(EVENT.id, 100)]


def test_a_message_comes_back_as_it_was_stored(store: Store, clock: Clock) -> None:
    given = make(
        "x:1",
        0.123456,
        author="me",
        lang="de",
        location="Köln 🏟",
        country="DE",
        url="https://x.com/i/1",
        publisher="X",
    )
    given = replace(given, message=replace(given.message, created_at=START + timedelta(microseconds=123457)))
    put(store, given)
    stored = store.message(EVENT.id, "x:1")
    assert stored.message == given.message
    assert stored.prediction == given.prediction
    assert (stored.content_hash, stored.fetched_at) == (given.content_hash, given.fetched_at)
    assert (stored.stored_at, stored.copies, stored.label) == (clock(), 0, Label.POSITIVE)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_times_are_exact_however_old(store: Store, moment: datetime) -> None:
    put(store, make("old", created_at=moment))
    assert store.message(EVENT.id, "old").message.created_at == moment
    assert store.span(EVENT.id) == (moment, moment)
    assert counts(store) == (1, 1)


def test_a_time_of_another_zone_is_the_same_moment(store: Store) -> None:
    put(store, make("a", created_at=START.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    assert store.message(EVENT.id, "a").message.created_at == START


def test_an_unscored_message_has_no_prediction(store: Store) -> None:
    put(store, make("a", label=Label.UNSCORED, country=None))
    stored = store.message(EVENT.id, "a")
    assert (stored.prediction, stored.label, stored.message.country) == (None, Label.UNSCORED, None)
    assert store.totals(EVENT.id, country=UNRESOLVED) == {Label.UNSCORED: Count(1, 1)}


def test_a_page_twice_changes_no_count(store: Store) -> None:
    page = [make("a"), make("b", 1, duplicate_of="a"), make("c", 2, label=Label.NEGATIVE)]
    assert put(store, *page) == (3, 0, 0)
    before = dump(store)
    assert put(store, *page) == (0, 3, 0)
    after = dump(store)
    for table in ("messages", "predictions", "rollups", "tombstones"):
        assert after[table] == before[table]
    assert store.statuses(EVENT.id)[0].reads == 6  # a re-read costs again


def test_a_message_twice_in_a_page_is_stored_once(store: Store) -> None:
    assert put(store, make("a", text="first"), make("a", text="second"), make("a")) == (1, 2, 0)
    assert store.message(EVENT.id, "a").message.text == "first"
    assert counts(store) == (1, 1)


def test_events_do_not_share_messages(store: Store) -> None:
    store.put_event(replace(EVENT, id="other"))
    put(store, make("a"))
    put(store, make("a", duplicate_of="b"), event_id="other")
    store.delete_messages("other", ["a"])
    assert counts(store) == (1, 1)
    assert counts(store, "other") == (0, 0)


def test_an_empty_page_stores_the_progress(store: Store) -> None:
    result = store.put_page(EVENT.id, "x_search", [], Progress(cursor={"since": "5"}, live_to=at(3), reads=2))
    assert result == PutResult(0, 0, 0)
    assert store.cursor(EVENT.id, "x_search") == {"since": "5"}


def test_a_page_needs_an_event(store: Store) -> None:
    before = dump(store)
    for nobody in ("nobody", "", "\0", "\ud800"):
        with pytest.raises(NotFound, match="no event"):
            put(store, make("a"), event_id=nobody)
        with pytest.raises(NotFound):
            store.delete_messages(nobody, ["a"])
        with pytest.raises(NotFound):
            store.set_status(nobody, "x", SourceState.LIVE)
    assert dump(store) == before


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": "a\0b"}, "NUL"),
        ({"text": "half \ud83d"}, "surrogate"),
        ({"author": "\0"}, "NUL"),
        ({"source": ""}, "source"),
        ({"source": "s" * 101}, "source"),
        ({"duplicate_of": "é" * 251}, "duplicate_of"),
        ({"supersedes": ("",)}, "supersedes"),
        ({"created_at": START.replace(tzinfo=None)}, "zone"),
    ],
)
def test_a_record_that_cannot_be_stored_is_named_and_nothing_is_kept(
    store: Store, fields: dict[str, Any], problem: str
) -> None:
    before = dump(store)
    with pytest.raises(StoreError, match=f"'bad' cannot be stored.*{problem}"):
        put(store, make("good"), make("bad", **fields))
    assert dump(store) == before


@pytest.mark.parametrize("id_", ["", "x" * 501, "a\0"])
def test_a_bad_id_is_refused(store: Store, id_: str) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        put(store, make(id_))


def test_the_longest_keys_fit_into_every_index(store: Store) -> None:
    event_id, id_, source = "é" * 100, "日" * 166, "й" * 50
    store.put_event(replace(EVENT, id=event_id))
    record = make(id_, source=source, country=source, duplicate_of=id_[1:] + "a")
    assert put(store, record, event_id=event_id) == (1, 0, 0)


HOSTILE = [
    "",
    "'; DROP TABLE messages; --",
    "100 % _ \\ %s %(a)s {} :name ?",
    "👩‍👩‍👧‍👦 🇩🇪 e\u0301 \u202eabc\u2066",
    "\x01\x1b[31m\x7f\u2028\ufeff\uffff\U0010ffff",
    "x" * 100_000,
]


def test_hostile_text_comes_back_and_is_found(store: Store) -> None:
    for number, text in enumerate(HOSTILE):
        put(store, make(f"m{number}", text=text, author=text), make("another", text="something else"))
        assert store.message(EVENT.id, f"m{number}").message.text == text
        found = store.messages(EVENT.id, MessageFilter(text=text[:100]))
        assert f"m{number}" in [item.message.id for item in found.items]
    assert counts(store) == (len(HOSTILE) + 1, len(HOSTILE) + 1)


# Copies


def test_copies_are_counted_once_and_point_to_their_first(store: Store) -> None:
    put(store, make("a"), make("b", 1, duplicate_of="a"), make("c", 2, duplicate_of="b"))
    put(store, make("d", 3, duplicate_of="c"))
    assert counts(store) == (4, 1)
    assert [store.message(EVENT.id, id_).message.duplicate_of for id_ in "abcd"] == [None, "a", "a", "a"]
    assert [store.message(EVENT.id, id_).copies for id_ in "abcd"] == [3, 3, 3, 3]


def test_the_distinct_counts_do_not_depend_on_the_order_of_arrival(store: Store) -> None:
    put(store, make("b", 1, duplicate_of="a"), make("c", 0.5, duplicate_of="a"))
    assert firsts(store) == ["c"]  # the oldest stands in for "a"
    put(store, make("d", 0.1, duplicate_of="a"))
    assert firsts(store) == ["c"]
    put(store, make("a", 2))
    assert firsts(store) == ["a"]
    assert counts(store) == (4, 1)
    assert [store.message(EVENT.id, id_).copies for id_ in "abcd"] == [3, 3, 3, 3]


def test_a_message_that_is_its_own_copy_is_an_original(store: Store) -> None:
    put(store, make("a", duplicate_of="a"), make("b", duplicate_of="c"), make("c", duplicate_of="b"))
    assert firsts(store) == ["a", "c"]  # a circle is one family
    assert counts(store) == (3, 2)


def test_when_the_first_is_deleted_the_oldest_copy_takes_its_place(store: Store) -> None:
    put(store, make("a"), make("b", 9, duplicate_of="a"), make("c", 5, duplicate_of="a", label=Label.NEGATIVE))
    assert store.delete_messages(EVENT.id, ["a"]) == 1
    assert counts(store) == (2, 1)
    assert store.totals(EVENT.id) == {Label.POSITIVE: Count(1, 0), Label.NEGATIVE: Count(1, 1)}
    assert store.message(EVENT.id, "b").message.duplicate_of == "c"
    assert (store.message(EVENT.id, "b").copies, store.message(EVENT.id, "c").copies) == (1, 1)
    store.delete_messages(EVENT.id, ["c"])
    assert firsts(store) == ["b"]
    # Late copies still name those that are gone.
    put(store, make("d", 10, duplicate_of="c"), make("e", 11, duplicate_of="a"))
    assert counts(store) == (3, 1)
    store.delete_messages(EVENT.id, ["b", "d", "e"])
    assert counts(store) == (0, 0)


# Removing


def test_a_deleted_message_stays_deleted(store: Store) -> None:
    page = [make("a"), make("b")]
    put(store, *page)
    assert store.delete_messages(EVENT.id, ["a", "never-seen", "\0"]) == 1
    assert store.delete_messages(EVENT.id, ["a"]) == 0
    assert put(store, *page, make("never-seen")) == (0, 3, 0)
    assert counts(store) == (1, 1)
    with pytest.raises(NotFound):
        store.message(EVENT.id, "a")
    assert [row[1] for row in dump(store)["predictions"]] == ["b"]


def test_a_newer_revision_replaces_the_older_ones(store: Store) -> None:
    put(store, make("v1", label=Label.NEGATIVE), make("other"))
    assert put(store, make("v2", 1, supersedes=("v1",))) == (1, 0, 1)
    assert put(store, make("v3", 2, supersedes=("v1", "v2", "v3"))) == (1, 0, 1)
    assert put(store, make("v1"), make("v2", supersedes=("v1",))) == (0, 2, 0)
    assert store.totals(EVENT.id) == {Label.POSITIVE: Count(2, 2)}
    assert counts(store) == (2, 2)


@pytest.mark.parametrize("order", [("v1", "v2"), ("v2", "v1")])
def test_revisions_may_come_in_any_order_in_one_page(store: Store, order: tuple[str, str]) -> None:
    made = {"v1": make("v1"), "v2": make("v2", 1, supersedes=("v1",))}
    assert put(store, *(made[name] for name in order)) == (1, 1, 0)
    assert firsts(store) == ["v2"]


def test_a_revision_with_the_same_text_takes_over_its_copies(store: Store) -> None:
    put(store, make("v1"), make("copy", 1, duplicate_of="v1"))
    put(store, make("v2", 2, duplicate_of="v1", supersedes=("v1",)))
    assert firsts(store) == ["copy"]
    assert counts(store) == (2, 1)


def test_more_messages_than_a_statement_has_parameters(store: Store) -> None:
    page = [make(f"m{n}", n % 50, duplicate_of="m0" if n % 3 else None) for n in range(3_000)]
    assert put(store, *page) == (3_000, 0, 0)
    assert counts(store) == (3_000, 1_000)
    assert store.delete_messages(EVENT.id, [record.message.id for record in page]) == 3_000
    assert counts(store) == (0, 0)


# Sources


def test_progress_adds_up_and_the_cursor_is_the_last(store: Store, clock: Clock) -> None:
    dead = DeadLetter("parse", "no id\0", '{"text": "\ud800"}', "x_search")
    first = Progress(
        cursor={"next": ["\0", None, 1.5]}, detail="gap \0", live_to=at(1), lag_s=2.5, reads=10, billed_reads=9
    )
    store.put_page(EVENT.id, "x_search", [make("a")], first)
    clock.advance(60)
    store.put_page(
        EVENT.id, "x_search", [], Progress(state=SourceState.WAITING, unmatched=3, errors=1, dead_letters=(dead, dead))
    )
    (status,) = store.statuses(EVENT.id)
    assert (status.reads, status.billed_reads, status.unmatched, status.errors, status.dead_letters) == (10, 9, 3, 1, 2)
    assert (status.state, status.detail, status.live_to, status.lag_s) == (SourceState.WAITING, "", at(1), None)
    assert status.updated_at == clock()
    assert store.cursor(EVENT.id, "x_search") == {"next": ["\0", None, 1.5]}
    assert store.cursor(EVENT.id, "newsapi") is None


def test_a_status_changes_nothing_else(store: Store, clock: Clock) -> None:
    store.put_page(EVENT.id, "x", [], Progress(cursor={"a": 1}, live_to=at(1), lag_s=1.0, reads=5))
    before = store.statuses()[0]
    clock.advance(5)
    store.set_status(EVENT.id, "x", SourceState.UNAUTHORIZED, "key refused \0")
    changed = replace(before, state=SourceState.UNAUTHORIZED, detail="key refused \ufffd", updated_at=clock())
    assert store.statuses() == [changed]
    assert store.cursor(EVENT.id, "x") == {"a": 1}
    store.set_status(EVENT.id, "newsapi", SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set")
    assert [(status.source, status.reads) for status in store.statuses(EVENT.id)] == [("newsapi", 0), ("x", 5)]
    assert store.statuses("nobody") == []


def test_a_connector_needs_a_name(store: Store) -> None:
    with pytest.raises(StoreError, match="connector"):
        store.put_page(EVENT.id, "", [make("a")], Progress(reads=1))
    assert counts(store) == (0, 0)


def test_dead_letters_are_kept_and_paged_latest_first(store: Store, clock: Clock) -> None:
    dead = tuple(DeadLetter("parse", f"reason {n}\0", "\ud83d", "x", at=at(n) if n else None) for n in range(5))
    store.put_page(EVENT.id, "x", [], Progress(dead_letters=dead))
    page = store.dead_letters(EVENT.id, limit=3)
    rest = store.dead_letters(limit=3, after=page.next)
    letters = [*page.items, *rest.items]
    assert [letter.reason for letter in letters] == [f"reason {n}\ufffd" for n in (4, 3, 2, 1, 0)]
    assert letters[0] == DeadLetter("parse", "reason 4\ufffd", "\ufffd", "x", EVENT.id, at(4))
    assert letters[-1].at == clock()
    assert rest.next is None
    assert store.dead_letters("nobody").items == ()
    for garbage in ("", "-1", "x", "٣", "9" * 30):
        with pytest.raises(InvalidInput) as refused:
            store.dead_letters(after=garbage)
        assert refused.value.field == "after"
    with pytest.raises(InvalidInput, match="limit"):
        store.dead_letters(limit=0)
