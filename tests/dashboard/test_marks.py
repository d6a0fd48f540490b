from __future__ import annotations

from datetime import timedelta

from app.core.annotations import Annotation, AnnotationKind
from app.dashboard.marks import Marks, listing
from app.dashboard.view import View
from tests.dashboard.rig import EVENT, NOON, Rig, an_incident

HOSTILE = '"><img src=x onerror=alert(1)>\u202e'


def note(kind: AnnotationKind, *, minutes: int = 60, lasts: int | None = None, text: str = HOSTILE) -> Annotation:
    at = NOON - timedelta(minutes=minutes)
    until = None if lasts is None else at + timedelta(minutes=lasts)
    return Annotation(EVENT.id, "a<b", at, until, kind, text)


def test_an_outage_is_a_gap_with_its_reason_and_can_not_be_removed() -> None:
    marks = Marks((), (note(AnnotationKind.SYSTEM, lasts=20, text="X was down"),), NOON)
    assert marks.flags() == []
    assert marks.gaps()[0]["text"] == "X was down"
    assert "Remove" not in listing(marks, View(), NOON)


def test_a_flag_can_be_removed_and_nothing_of_it_is_markup() -> None:
    marks = Marks((), (note(AnnotationKind.STATEMENT),), NOON)
    html = listing(marks, View(), NOON)
    assert 'data-act="unannotate"' in html
    assert "<img" not in html
    assert "our statement" in html
    assert marks.flags()[0]["until"] is None
    assert "\u202e" not in marks.flags()[0]["text"]


def test_an_expected_moment_is_shaded() -> None:
    (flag,) = Marks((), (note(AnnotationKind.EXPECTED, lasts=120),), NOON).flags()
    assert flag["until"] == flag["at"] + 120 * 60_000


def test_an_open_incident_reaches_to_the_edge_of_the_data(rig: Rig) -> None:
    rig.watch()
    rig.incident(an_incident(1, hours_ago=20, hours=1))
    rig.incident(an_incident(2, hours_ago=2))
    found = rig.service.incidents.find(event_id=EVENT.id).items
    first, second = Marks(found, (), NOON - timedelta(minutes=3)).spans()
    assert first["end"] - first["start"] == 3_600_000
    assert second["end"] == round((NOON - timedelta(minutes=3)).timestamp() * 1000)


def test_the_list_repeats_the_numbers_and_marks_the_chosen_one(rig: Rig) -> None:
    rig.watch()
    rig.incident(an_incident(1))
    marks = Marks(rig.service.incidents.find(event_id=EVENT.id).items, (), NOON)
    html = listing(marks, View(EVENT.id, incident=1), NOON)
    assert 'aria-current="true" aria-label="Incident 1"' in html
    assert 'href="incidents?event=vision-pro&amp;incident=1"' in html


def test_the_form_begins_with_the_selected_stretch() -> None:
    start = NOON - timedelta(minutes=30)
    html = listing(Marks((), (), NOON), View(EVENT.id, start=start, end=NOON), NOON)
    assert 'name="at" type="datetime-local" data-utc="2026-11-23T11:30:00Z" required' in html
    assert 'name="until" type="datetime-local" data-utc="2026-11-23T12:00:00Z"' in html
