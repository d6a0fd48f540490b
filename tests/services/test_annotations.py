from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput, NotFound
from app.services.annotations import AnnotationDraft, Annotations
from tests.adapters.builders import EVENT, at

NOW = at(60)


@pytest.fixture
def service(store: Store) -> Annotations:
    store.put_event(EVENT)
    return Annotations(store, lambda: NOW)


def test_a_note_lives_and_dies(service: Annotations) -> None:
    made = service.add(EVENT.id, AnnotationDraft(at=at(5), text=" Our statement ", kind="statement"))
    assert (made.kind, made.text, made.until, made.times) == (AnnotationKind.STATEMENT, "Our statement", None, None)
    assert made.created_at == NOW
    other = service.add(EVENT.id, AnnotationDraft(at=at(1), text="b"))
    assert service.find(EVENT.id) == (other, made)
    assert service.find(EVENT.id, at(2), at(9)) == (made,)
    changed = service.change(EVENT.id, made.id, AnnotationDraft(at=at(5), until=at(6), text="better"))
    assert (changed.id, changed.text, changed.until) == (made.id, "better", at(6))
    service.delete(EVENT.id, made.id)
    assert service.find(EVENT.id) == (other,)


def test_an_expected_moment_has_a_length_and_a_factor(service: Annotations) -> None:
    made = service.add(EVENT.id, AnnotationDraft(at=at(0), text="kick-off", kind="expected"))
    assert (made.until, made.times) == (at(120), 3.0)
    made = service.add(EVENT.id, AnnotationDraft(at=at(0), until=at(5), text="goal", kind="expected", times=9))
    assert (made.until, made.times) == (at(5), 9.0)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (AnnotationDraft(at=at(0).replace(tzinfo=None), text="a"), "at"),
        (AnnotationDraft(at=at(0).replace(year=1), text="a"), "at"),
        (AnnotationDraft(at=at(1), until=at(1), text="a"), "until"),
        (AnnotationDraft(at=at(1), until=at(0), text="a"), "until"),
        (AnnotationDraft(at=at(1), until=at(1) + timedelta(days=400), text="a"), "until"),
        (AnnotationDraft(at=at(1), text="a", times=3), "times"),
        (AnnotationDraft(at=at(1), text="a\0"), "text"),
    ],
)
def test_what_cannot_be_is_named(service: Annotations, draft: AnnotationDraft, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.add(EVENT.id, draft)
    assert refused.value.field == field
    assert service.find(EVENT.id) == ()


def test_what_eventpulse_wrote_stays(service: Annotations, store: Store) -> None:
    note = Annotation(EVENT.id, "source:x:1", at(0), None, AnnotationKind.SYSTEM, "x: error", created_at=NOW)
    store.annotations.put(note)
    for change in (
        lambda: service.delete(EVENT.id, note.id),
        lambda: service.change(EVENT.id, note.id, AnnotationDraft(at=at(0), text="a")),
    ):
        with pytest.raises(InvalidInput, match="EventPulse wrote"):
            change()
    assert service.find(EVENT.id) == (note,)


def test_what_is_not_there_is_not_found(service: Annotations) -> None:
    draft = AnnotationDraft(at=at(0), text="a")
    asks: list[Callable[[], object]] = [
        lambda: service.find("nobody"),
        lambda: service.add("nobody", draft),
        lambda: service.change(EVENT.id, "none", draft),
        lambda: service.delete(EVENT.id, "none"),
        lambda: service.delete("nobody", "none"),
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask()
