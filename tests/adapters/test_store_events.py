"""Events and their versions. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.adapters.store import Store
from app.core.errors import InvalidInput, NotFound
from app.core.types import Event
from tests.adapters.builders import EVENT, START, at, make, put
from tests.fakes.clock import Clock


def ids(store: Store, event_id: str = EVENT.id) -> list[str]:
    return [item.message.id for item in store.messages(event_id).items]


def test_an_event_comes_back_as_it_was_put(store: Store, clock: Clock) -> None:
    event = Event(
        "e/2 ?", "Final 🏆", "a AND b", ("de", "en"), ("DE",), START, at(5) + timedelta(microseconds=1), 0, at(-5)
    )
    assert store.put_event(event) == event == store.event(event.id)
    assert store.event(EVENT.id) == replace(EVENT, created_at=clock())
    assert [found.id for found in store.events()] == [EVENT.id, event.id]


def test_replacing_an_event_keeps_its_messages_and_its_age(store: Store, clock: Clock) -> None:
    put(store, make("a"))
    created = clock()
    clock.advance(60)
    changed = store.put_event(replace(EVENT, query="new", read_budget=2**40))
    assert changed == replace(EVENT, query="new", read_budget=2**40, created_at=created)
    assert ids(store) == ["a"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "é" * 101}, "id"),
        ({"id": "a\0"}, "id"),
        ({"name": "\ud800"}, "name"),
        ({"query": "\0"}, "query"),
        ({"languages": ("de", "\0")}, "languages"),
    ],
)
def test_an_event_that_cannot_be_stored_is_refused(store: Store, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        store.put_event(replace(EVENT, **fields))
    assert refused.value.field == field


def test_deleting_an_event_leaves_nothing_of_it(store: Store) -> None:
    store.put_event(replace(EVENT, id="other"))
    put(store, make("a"), event_id="other")
    put(store, make("a"), make("b", supersedes=("c",)))
    store.delete_event(EVENT.id)
    with pytest.raises(NotFound):
        store.event(EVENT.id)
    with store.engine.connect() as connection:
        for table in ("messages", "predictions", "rollups", "tombstones", "source_state", "dead_letters"):
            rows = connection.execute(text(f"SELECT count(*) FROM {table} WHERE event_id = '{EVENT.id}'"))
            assert rows.scalar_one() == 0, table
    assert ids(store, event_id="other") == ["a"]
    for gone in (EVENT.id, "\0"):
        with pytest.raises(NotFound):
            store.delete_event(gone)


def test_the_version_grows_with_each_write_that_touches_the_event(store: Store) -> None:
    store.put_event(replace(EVENT, id="other"))
    seen = [store.version(EVENT.id)]
    put(store, make("a"))
    seen.append(store.version(EVENT.id))
    put(store, make("a"))
    seen.append(store.version(EVENT.id))
    store.delete_messages(EVENT.id, ["a"])
    seen.append(store.version(EVENT.id))
    store.put_event(EVENT)
    seen.append(store.version(EVENT.id))
    assert seen == sorted(set(seen))
    assert store.versions() == {EVENT.id: seen[-1], "other": 1}
    assert store.events() and store.version(EVENT.id) == seen[-1]  # reading is no change
    with pytest.raises(NotFound):
        store.version("nobody")
