"""Incidents with the detector's state. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event as listening

from app.adapters.incident_records import Findings, IncidentFilter, StoredIncident
from app.adapters.store import Progress, Store
from app.core.dial import Judged, Verdict
from app.core.errors import InvalidInput, NotFound, StoreError
from app.core.history import StepCount, start_of, step_of
from app.core.incidents import Change, Kind, Severity
from app.core.types import Event, Label, SourceState
from app.core.watch import Rule
from tests.adapters.builders import EVENT, at, dump, make, put
from tests.adapters.incident_builders import incident, opened, then
from tests.fakes.clock import Clock

ANYTHING = IncidentFilter()


def advance(store: Store, read: int, findings: Findings | None = None, event_id: str = EVENT.id) -> bool:
    return store.incidents.advance(event_id, read, {"runs": read + 1}, at(5 * read), findings or Findings())


def numbers(store: Store, where: IncidentFilter = ANYTHING) -> list[tuple[str, int]]:
    return [(each.event_id, each.incident.number) for each in store.incidents.find(where).items]


def test_the_state_and_what_was_found_come_back(store: Store, clock: Clock) -> None:
    first = incident()
    raised = then(first, Change.RAISED, 5, severity=Severity.HIGH, kinds=(Kind.NEGATIVE_SHARE, Kind.VOLUME))
    assert store.incidents.detector(EVENT.id) is None
    assert advance(store, 0, Findings((opened(first), raised)))
    state = store.incidents.detector(EVENT.id)
    assert state is not None
    assert (state.state, state.tested_to, state.revision, state.updated_at) == ({"runs": 1}, at(0), 1, clock())
    assert store.incidents.one(EVENT.id, 1) == StoredIncident(EVENT.id, raised.incident, in_history=False)
    told = store.incidents.changes(EVENT.id, 1)
    assert [(each.change, each.incident) for each in told] == [
        (Change.OPENED, first),
        (Change.RAISED, raised.incident),
    ]
    assert {each.told_at for each in told} == {clock()}


def test_how_far_each_event_was_tested(store: Store) -> None:
    _filled(store)
    advance(store, 1)
    assert store.incidents.tested() == {"cup": at(5), "other": at(0)}
    assert store.incidents.tested("other") == {"other": at(0)}
    assert store.incidents.tested("nobody") == {}


def test_who_was_slower_stores_nothing(store: Store) -> None:
    assert advance(store, 0)
    before = dump(store)
    for read in (0, 2, 7):
        assert not advance(store, read, Findings((opened(incident()),)))
    after = dump(store)
    # The event's version may have grown: that is how writers wait for each other.
    assert {name: rows for name, rows in after.items() if name != "events"} == {
        name: rows for name, rows in before.items() if name != "events"
    }
    assert advance(store, 1)


@pytest.mark.parametrize("statement", range(1, 11))
def test_a_crash_in_the_middle_neither_loses_nor_doubles_a_change(store: Store, statement: int) -> None:
    assert advance(store, 0)
    before = dump(store)
    seen = [0]

    def crash(*_: object) -> None:
        seen[0] += 1
        if seen[0] == statement:
            raise StoreError("the power is gone")

    findings = Findings((opened(incident()), then(incident(), Change.RAISED, 5)))
    listening.listen(store.engine, "before_cursor_execute", crash)
    with pytest.raises(StoreError, match="power"):
        advance(store, 1, findings)
    listening.remove(store.engine, "before_cursor_execute", crash)
    assert dump(store) == before
    assert advance(store, 1, findings)
    assert [each.change for each in store.incidents.changes(EVENT.id, 1)] == [Change.OPENED, Change.RAISED]


def test_a_change_cannot_be_stored_twice(store: Store) -> None:
    assert advance(store, 0, Findings((opened(incident()),)))
    before = dump(store)
    with pytest.raises(StoreError):
        advance(store, 1, Findings((opened(incident()),)))
    assert dump(store) == before


def test_what_changes_makes_pages_look_again(store: Store) -> None:
    version = store.version(EVENT.id)
    advance(store, 0, Findings((opened(incident()),)))
    assert store.version(EVENT.id) > version


def test_the_figures_of_the_open_incident_are_kept_without_a_change(store: Store) -> None:
    advance(store, 0, Findings((opened(incident()),)))
    advance(store, 1, Findings(current=incident(size=55.0)))
    assert store.incidents.one(EVENT.id, 1).incident.size == 55.0
    assert len(store.incidents.changes(EVENT.id, 1)) == 1


def test_what_was_over_before_it_was_noticed_stays_marked(store: Store) -> None:
    first = incident()
    closed = then(first, Change.CLOSED, 60)
    advance(store, 0, Findings(past=(opened(first), closed)))
    assert store.incidents.one(EVENT.id, 1) == StoredIncident(EVENT.id, closed.incident, in_history=True)
    assert store.incidents.steps() == {}
    reopened = then(closed.incident, Change.UPDATED, 5, ended_at=None)
    advance(store, 1, Findings((reopened,)))
    assert store.incidents.one(EVENT.id, 1).in_history


def test_a_detector_of_no_event_stores_nothing(store: Store) -> None:
    before = dump(store)
    for nobody in ("nobody", "\0", "\ud800"):
        with pytest.raises(NotFound):
            advance(store, 0, event_id=nobody)
        with pytest.raises(NotFound):
            store.incidents.put_rule(nobody, Rule())
    assert dump(store) == before


def _filled(store: Store) -> None:
    """Three incidents of one event, the second critical, the third open; and one of another, at the same time."""
    store.put_event(Event("other", "Other", "*"))
    third = incident(3, start=300)
    past = [incident(1), incident(2, start=100, severity=Severity.CRITICAL)]
    closed = [change for each in past for change in (opened(each), then(each, Change.CLOSED, 60))]
    advance(store, 0, Findings((*closed, opened(third))))
    advance(store, 0, Findings((opened(incident(1, start=100)),)), event_id="other")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (ANYTHING, [("cup", 3), ("cup", 2), ("other", 1), ("cup", 1)]),
        (IncidentFilter(event_id="cup"), [("cup", 3), ("cup", 2), ("cup", 1)]),
        (IncidentFilter(is_open=True), [("cup", 3), ("other", 1)]),
        (IncidentFilter(is_open=False), [("cup", 2), ("cup", 1)]),
        (IncidentFilter(least_severity=2), [("cup", 2)]),
        (IncidentFilter(start=at(70)), [("cup", 3), ("cup", 2), ("other", 1)]),
        (IncidentFilter(end=at(100)), [("cup", 1)]),
        (IncidentFilter(start=at(66), end=at(99)), []),
        (IncidentFilter(event_id="nobody"), []),
    ],
)
def test_incidents_are_found(store: Store, where: IncidentFilter, found: list[tuple[str, int]]) -> None:
    _filled(store)
    assert numbers(store, where) == found


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_visit_each_incident_once(store: Store, limit: int) -> None:
    _filled(store)
    seen: list[tuple[str, int]] = []
    after: str | None = None
    while True:
        page = store.incidents.find(ANYTHING, limit=limit, after=after)
        assert len(page.items) <= limit
        seen += [(each.event_id, each.incident.number) for each in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [("cup", 3), ("cup", 2), ("other", 1), ("cup", 1)]


@pytest.mark.parametrize("after", ["", "x", "1/2", "1//cup", "1/2/", "1/2/\0", "1/2/\ud800", "9" * 30 + "/1/cup"])
def test_a_place_that_is_none_is_refused(store: Store, after: str) -> None:
    with pytest.raises(InvalidInput, match="not a place"):
        store.incidents.find(ANYTHING, after=after)


def test_verdicts_are_appended_and_the_last_one_stands(store: Store, clock: Clock) -> None:
    _filled(store)
    store.incidents.give_verdict("cup", 1, Verdict.REAL, "seen it")
    clock.advance(60)
    store.incidents.give_verdict("cup", 1, Verdict.FALSE_ALARM)
    store.incidents.give_verdict("cup", 2, Verdict.EXPECTED)
    store.incidents.give_verdict("cup", 2, None)
    log = [(line.number, line.verdict, line.note) for line in store.incidents.verdicts("cup")]
    assert log == [(1, Verdict.REAL, "seen it"), (1, Verdict.FALSE_ALARM, ""), (2, Verdict.EXPECTED, ""), (2, None, "")]
    assert [line.at for line in store.incidents.verdicts("cup", 1)] == [clock() - timedelta(seconds=60), clock()]
    assert store.incidents.judged("cup") == [Judged(Verdict.FALSE_ALARM, at(0), at(65))]


def test_a_verdict_needs_its_incident_and_a_note_that_can_be_stored(store: Store) -> None:
    _filled(store)
    before = dump(store)
    with pytest.raises(NotFound, match="no incident 9"):
        store.incidents.give_verdict("cup", 9, Verdict.REAL)
    with pytest.raises(InvalidInput, match="note"):
        store.incidents.give_verdict("cup", 1, Verdict.REAL, "\ud800")
    assert dump(store) == before


def test_the_steps_from_the_spike_to_the_verdict_are_kept_once(store: Store, clock: Clock) -> None:
    came = clock()
    put(store, make("first", 0), make("second", 1))
    clock.advance(300)
    noticed = clock()
    advance(store, 0, Findings((opened(incident()),)))
    clock.advance(20)
    assert store.incidents.record_step("cup", 1, "shown")
    clock.advance(20)
    assert not store.incidents.record_step("cup", 1, "shown")
    store.incidents.give_verdict("cup", 1, Verdict.REAL)
    store.incidents.give_verdict("cup", 1, Verdict.FALSE_ALARM)
    assert store.incidents.steps("cup") == {
        ("cup", 1): {
            "began": came,
            "noticed": noticed,
            "shown": noticed + timedelta(seconds=20),
            "verdict": noticed + timedelta(seconds=40),
        }
    }
    with pytest.raises(NotFound):
        store.incidents.record_step("cup", 2, "shown")


def test_a_rule_comes_back_and_the_default_is_named_as_such(store: Store, clock: Clock) -> None:
    assert store.incidents.rule("cup").updated_at is None
    rule = Rule(alarms_per_week=0.25, kinds=(Kind.VOLUME,), least_size=25, calm_minutes=30, cooldown_hours=2)
    store.incidents.put_rule("cup", Rule())
    store.incidents.put_rule("cup", rule, enabled=False)
    stored = store.incidents.rule("cup")
    assert (stored.rule, stored.enabled, stored.updated_at) == (rule, False, clock())


def test_counts_are_by_source_and_step_without_copies_in_the_shares(store: Store) -> None:
    put(
        store,
        make("a", 0, label=Label.NEGATIVE),
        make("b", 4.9, label=Label.NEGATIVE, duplicate_of="a"),
        make("c", 4, label=Label.UNSCORED),
        make("d", 5, label=Label.POSITIVE),
        make("n", 12, label=Label.NEGATIVE, source="news", country="US"),
    )
    first = step_of(at(0))
    assert store.incidents.step_counts("cup", at(1), at(15), ["x", "news"]) == {
        "x": {first: StepCount(3, 1, 1), first + 1: StepCount(1, 1, 0)},
        "news": {first + 2: StepCount(1, 1, 1)},
    }
    assert store.incidents.step_counts("cup", at(5), at(9), ["x", "news"]) == {
        "x": {first + 1: StepCount(1, 1, 0)},
        "news": {},
    }
    assert store.incidents.watched("cup").last_steps == {"x": first + 1, "news": first + 2}
    assert store.incidents.counted_before("cup", {"x": start_of(first + 1), "news": at(0)}) == {"x": 3, "news": 0}
    assert store.incidents.step_counts("nobody", at(0), at(9), ["x"]) == {"x": {}}


def test_all_that_the_detector_looks_at_is_read_at_once(store: Store) -> None:
    _filled(store)
    store.incidents.put_rule("cup", Rule(least_size=5))
    store.incidents.give_verdict("cup", 1, Verdict.REAL)
    store.set_status("cup", "x_stream", SourceState.LIVE)
    found = store.incidents.watched("cup")
    assert (found.event, found.rule, found.detector) == (
        store.event("cup"),
        store.incidents.rule("cup"),
        store.incidents.detector("cup"),
    )
    assert (found.statuses, found.annotations, found.verdicts) == (store.statuses("cup"), (), 1)
    with pytest.raises(NotFound):
        store.incidents.watched("nobody")


def test_an_event_that_goes_takes_its_incidents_with_it(store: Store) -> None:
    _filled(store)
    store.incidents.put_rule("cup", Rule())
    store.incidents.give_verdict("cup", 1, Verdict.REAL)
    store.put_page("cup", "test", [], Progress())
    store.delete_event("cup")
    assert numbers(store) == [("other", 1)]
    left = dump(store)
    for table in ("incident_changes", "incident_steps", "incident_verdicts", "detection_rules", "detector_state"):
        assert [row for row in left[table] if "cup" in row] == []
