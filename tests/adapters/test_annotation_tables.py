"""Annotations. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput, NotFound
from tests.adapters.builders import EVENT, at, dump

NOTE = Annotation(EVENT.id, "n", at(10), None, AnnotationKind.NOTE, "a note", created_at=at(11))
LAUNCH = Annotation(EVENT.id, "l", at(0), at(120), AnnotationKind.EXPECTED, "launch 🏆", 3.5, at(-60))


def test_annotations_come_back_in_order_of_time(store: Store) -> None:
    version = store.version(EVENT.id)
    store.annotations.put(NOTE)
    store.annotations.put(LAUNCH)
    assert store.version(EVENT.id) > version
    assert store.annotations.between(EVENT.id) == (LAUNCH, NOTE)
    assert store.annotations.one(EVENT.id, "n") == NOTE


@pytest.mark.parametrize(
    ("start", "end", "ids"),
    [(10, 11, "ln"), (11, None, "l"), (None, 10, "l"), (120, None, ""), (119, 130, "l"), (None, 0, "")],
)
def test_those_that_touch_a_window_are_found(store: Store, start: float | None, end: float | None, ids: str) -> None:
    store.annotations.put(NOTE)
    store.annotations.put(LAUNCH)
    found = store.annotations.between(EVENT.id, None if start is None else at(start), None if end is None else at(end))
    assert "".join(each.id for each in found) == ids


def test_replacing_keeps_the_age(store: Store) -> None:
    store.annotations.put(NOTE)
    store.annotations.put(replace(NOTE, text="better", created_at=at(99)))
    assert store.annotations.between(EVENT.id) == (replace(NOTE, text="better"),)


def test_deleting_removes_one(store: Store) -> None:
    store.annotations.put(NOTE)
    store.annotations.put(LAUNCH)
    store.annotations.delete(EVENT.id, "n")
    assert store.annotations.between(EVENT.id) == (LAUNCH,)


def test_what_cannot_be_is_refused_and_changes_nothing(store: Store) -> None:
    before = dump(store)
    with pytest.raises(NotFound):
        store.annotations.put(replace(NOTE, event_id="nobody"))
    for bad in (replace(NOTE, text="\0"), replace(NOTE, id="\ud800"), replace(NOTE, id="")):
        with pytest.raises(InvalidInput):
            store.annotations.put(bad)
    for id_ in ("other", "\0", "\ud800"):
        with pytest.raises(NotFound):
            store.annotations.delete(EVENT.id, id_)
    assert dump(store) == before
