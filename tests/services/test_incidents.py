"""What is said of incidents: sentences, states, verdicts, rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.incident_records import Findings
from app.adapters.store import Progress, Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.detection import Lane, Memory
from app.core.dial import Dial, Verdict
from app.core.errors import InvalidInput, NotFound
from app.core.incidents import Change, Kind, Severity, Update
from app.core.types import Event, Label, SourceState
from app.core.watch import Watch
from app.services.incidents import Incidents, RuleDraft, StateName
from tests.adapters.builders import EVENT, START, at, make, put
from tests.adapters.incident_builders import incident, opened, signal, then
from tests.fakes.chatter import EVENT as LAUNCH
from tests.fakes.chatter import Chatter, time_of

NOW = at(120)


@pytest.fixture
def service(store: Store) -> Incidents:
    store.put_event(EVENT)
    return Incidents(store, lambda: NOW)


def tell(store: Store, *updates: Update, event_id: str = EVENT.id, past: bool = False) -> None:
    """Store changes as the detector would."""
    before = store.incidents.detector(event_id)
    findings = Findings(past=updates) if past else Findings(updates)
    memory = Memory(Watch(store.incidents.rule(event_id).rule).state(), {"x": Lane(1, 0)}, START, Dial(), "default/0")
    read = before.revision if before else 0
    assert store.incidents.advance(event_id, read, memory.as_json(), at(115), findings)


def fill(store: Store, start: float, negative: int, positive: int, copies: int = 0, source: str = "x") -> None:
    """Messages a second apart from a minute on."""
    labels = [Label.NEGATIVE] * negative + [Label.POSITIVE] * positive
    records = [
        make(f"{source}{start}-{n}", start + n / 60, label=label, source=source) for n, label in enumerate(labels)
    ]
    again = [replace(records[0].message, id=f"c{start}-{n}", duplicate_of=records[0].message.id) for n in range(copies)]
    put(store, *records, *(replace(records[0], message=copy) for copy in again))


def test_a_negative_incident_is_said_in_one_sentence(store: Store, service: Incidents) -> None:
    fill(store, -60, 90, 410)
    fill(store, 0, 120, 180, copies=50)
    tell(store, opened(incident()))
    view = service.get(EVENT.id, 1).incident
    assert view.headline == ("Negative share 40 % (35-46), up from 18 %; 350 messages since 12:00 UTC, 300 distinct.")
    assert (view.raw, view.distinct, view.severity, view.is_open) == (350, 300, "watch", True)
    assert view.negative is not None
    assert view.negative_before is not None
    assert (view.negative.n, view.negative_before.n) == (300, 500)
    (finding,) = view.findings
    assert finding.text == "x: 60 % counted as negative from 12:00 UTC on, where 20 % is usual"


def test_a_rise_that_cannot_be_told_is_not_called_one(store: Store, service: Incidents) -> None:
    fill(store, -60, 20, 80)
    fill(store, 0, 6, 14)
    tell(store, opened(incident()))
    assert service.get(EVENT.id, 1).incident.headline.startswith(
        "Negative share 30 % (15-52) in a small sample of 20, 20 % before: no difference we can tell; 20 messages"
    )


def test_nothing_before_and_nothing_scored_are_said_so(store: Store, service: Incidents) -> None:
    fill(store, 0, 30, 30)
    tell(store, opened(incident()), opened(incident(2, start=90)))
    assert "nothing before to compare with" in service.get(EVENT.id, 1).incident.headline
    assert "No share yet: nothing was scored; 0 messages" in service.get(EVENT.id, 2).incident.headline


def test_volume_and_negative_messages_say_how_many_are_usual(store: Store, service: Incidents) -> None:
    fill(store, 0, 60, 60)
    found = signal(Kind.VOLUME, at(0), observed=120.0, expected=30.0)
    tell(store, opened(incident(kinds=(Kind.VOLUME,), evidence=(found,))))
    many = signal(Kind.NEGATIVE_COUNT, at(0), observed=60.0, expected=8.0)
    tell(store, opened(incident(2, kinds=(Kind.NEGATIVE_COUNT,), evidence=(many,))))
    first, second = (service.get(EVENT.id, number).incident.headline for number in (1, 2))
    assert first.startswith("120 messages from 12:00 UTC on, where about 30 are usual; 120 messages since 12:00 UTC")
    assert second.startswith("60 negative messages from 12:00 UTC on, where about 8 are usual; 120 messages")


def test_a_source_that_was_switched_on_is_called_collection(store: Store, service: Incidents) -> None:
    fill(store, 0, 10, 50, source="news")
    on = signal(Kind.SWITCHED_ON, at(0), source="news", observed=60.0, expected=0.0)
    tell(store, opened(incident(kinds=(Kind.SWITCHED_ON,), evidence=(on,))))
    view = service.get(EVENT.id, 1).incident
    assert view.is_collection
    assert view.headline == (
        "Source news was switched on at 12:00 UTC: 60 messages since 12:00 UTC, 60 distinct. "
        "This is collection, not public reaction."
    )


def test_an_incident_of_one_source_is_counted_in_that_source(store: Store, service: Incidents) -> None:
    fill(store, 0, 0, 200)
    fill(store, 0, 30, 10, source="news")
    tell(store, opened(incident(evidence=(signal(since=at(0), source="news"),))))
    view = service.get(EVENT.id, 1).incident
    assert (view.raw, view.negative and round(view.negative.value, 2)) == (40, 0.75)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (at(120), "from 12:00 to 13:05 UTC"),
        (at(60 * 30), "from 1 Mar 12:00 to 13:05 UTC"),
        (datetime.fromisoformat("2027-01-01T00:00Z"), "from 1 Mar 2026 12:00 to 13:05 UTC"),
    ],
)
def test_a_closed_incident_has_both_its_ends(store: Store, now: datetime, words: str) -> None:
    store.put_event(EVENT)
    tell(store, opened(incident()), then(incident(), Change.CLOSED, 60))
    assert words in Incidents(store, lambda: now).get(EVENT.id, 1).incident.headline


def test_the_history_of_an_incident_is_told_in_words(store: Store, service: Incidents) -> None:
    steps: list[Update] = [opened(incident())]

    def next_(change: Change, **fields: object) -> None:
        steps.append(then(steps[-1].incident, change, 5, **fields))

    next_(Change.RAISED, severity=Severity.HIGH)
    next_(Change.UPDATED, kinds=(Kind.NEGATIVE_SHARE, Kind.VOLUME))
    next_(Change.UPDATED, size=1240.0)
    next_(Change.CLOSED, ended_at=at(20))
    next_(Change.UPDATED, ended_at=None, reopened=1)
    tell(store, *steps)
    changes = service.get(EVENT.id, 1).changes
    assert [each.text for each in changes] == [
        "opened as watch: negative share",
        "raised from watch to high",
        "volume joined",
        "grew to 1,240 messages above the usual",
        "closed: calm since 12:20 UTC",
        "went on after it had closed",
    ]
    assert [each.revision for each in changes] == [1, 2, 3, 4, 5, 6]
    assert service.latest_change(EVENT.id, 1) == changes[-1]


def test_the_latest_change_may_be_the_first(store: Store, service: Incidents) -> None:
    tell(store, opened(incident()))
    assert service.latest_change(EVENT.id, 1).text == "opened as watch: negative share"
    with pytest.raises(NotFound, match="no incident 2"):
        service.latest_change(EVENT.id, 2)


def test_alarms_change_when_people_have_to_know(store: Store, service: Incidents) -> None:
    seen = [service.alarms()]
    first = opened(incident())
    raised = then(first.incident, Change.RAISED, 5, severity=Severity.HIGH)
    grown = then(raised.incident, Change.UPDATED, 5, size=1240.0)
    closed = then(grown.incident, Change.CLOSED, 5, ended_at=at(20))
    for step in (first, raised, grown, closed):
        tell(store, step)
        seen.append(service.alarms())
    nothing, watched, high, larger, over = seen
    assert len({nothing, watched, high}) == 3
    assert (larger, over) == (high, nothing)


def test_incidents_of_all_events_and_of_one(store: Store, service: Incidents) -> None:
    store.put_event(Event("other", "Other", "*"))
    tell(store, opened(incident(severity=Severity.HIGH)), then(incident(severity=Severity.HIGH), Change.CLOSED, 60))
    tell(store, opened(incident(start=30)), event_id="other")
    assert [each.event_name for each in service.find().items] == ["Other", "World Cup"]
    assert [each.event_id for each in service.find(is_open=True).items] == ["other"]
    assert [each.event_id for each in service.find(least_severity="high").items] == ["cup"]
    assert [each.number for each in service.find(event_id="cup", end=at(1)).items] == [1]
    assert service.find(event_id="cup", start=at(70)).items == ()
    first = service.find(limit=1)
    assert first.next is not None
    assert [each.event_id for each in service.find(limit=1, after=first.next).items] == ["cup"]


def test_what_cannot_be_asked_is_named(service: Incidents) -> None:
    asks: list[tuple[str, Callable[[], object]]] = [
        ("limit", lambda: service.find(limit=0)),
        ("limit", lambda: service.find(limit=501)),
        ("after", lambda: service.find(after="x")),
        ("start", lambda: service.find(start=NOW.replace(tzinfo=None))),
    ]
    for field, ask in asks:
        with pytest.raises(InvalidInput) as refused:
            ask()
        assert refused.value.field == field


def test_there_is_no_incident_of_no_event(service: Incidents) -> None:
    asks: list[Callable[[], object]] = [
        lambda: service.find(event_id="nobody"),
        lambda: service.get("nobody", 1),
        lambda: service.get(EVENT.id, 1),
        lambda: service.state("nobody"),
        lambda: service.rule("nobody"),
        lambda: service.put_rule("nobody", RuleDraft()),
        lambda: service.dry_run("nobody", RuleDraft()),
        lambda: service.give_verdict(EVENT.id, 1, Verdict.REAL),
        lambda: service.withdraw_verdict(EVENT.id, 1),
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask()


# Verdicts


def test_a_verdict_stands_until_it_is_withdrawn_and_the_log_keeps_all(store: Store, service: Incidents) -> None:
    tell(store, opened(incident()))
    card = service.give_verdict(EVENT.id, 1, Verdict.FALSE_ALARM, "a bot")
    assert card.incident.verdict is not None
    assert (card.incident.verdict.verdict, card.incident.verdict.note) == (Verdict.FALSE_ALARM, "a bot")
    assert service.find().items[0].verdict == card.incident.verdict
    card = service.withdraw_verdict(EVENT.id, 1)
    assert card.incident.verdict is None
    assert [line.verdict for line in card.verdicts] == [Verdict.FALSE_ALARM, None]
    with pytest.raises(NotFound, match="no verdict"):
        service.withdraw_verdict(EVENT.id, 1)
    with pytest.raises(InvalidInput, match="2,000"):
        service.give_verdict(EVENT.id, 1, Verdict.REAL, "x" * 2_001)


def test_an_expected_incident_offers_a_moment_until_there_is_one(store: Store, service: Incidents) -> None:
    crowd = signal(Kind.VOLUME, at(0), observed=95.0, expected=20.0)
    tell(store, opened(incident(evidence=(signal(since=at(0)), crowd))))
    assert service.give_verdict(EVENT.id, 1, Verdict.REAL).offer is None
    offer = service.give_verdict(EVENT.id, 1, Verdict.EXPECTED, "kick-off").offer
    assert offer is not None
    assert (offer.at, offer.until, offer.times, offer.text) == (at(0), at(120), 5.0, "kick-off")
    note = Annotation(EVENT.id, "a", offer.at, offer.until, AnnotationKind.EXPECTED, offer.text, offer.times)
    store.annotations.put(note)
    assert service.get(EVENT.id, 1).offer is None


# States


def follow(store: Store, state: SourceState = SourceState.LIVE, live_to: datetime | None = None) -> None:
    store.put_page(EVENT.id, "x_stream", [make("a")], Progress(state=state, live_to=live_to or at(119)))


@pytest.fixture
def followed(tmp_path: Path) -> Store:
    """A store by the clock of the service."""
    made = Store(f"sqlite:///{tmp_path}/followed.db", now=lambda: NOW)
    made.migrate()
    made.put_event(EVENT)
    return made


def state(store: Store, now: datetime = NOW) -> tuple[StateName, str]:
    found = Incidents(store, lambda: now).state(EVENT.id)
    return found.state, found.text


def test_an_event_that_is_read_and_has_no_incident_is_calm(followed: Store) -> None:
    follow(followed)
    assert state(followed) == (StateName.CALM, "calm")
    tell(followed, opened(incident()), then(incident(), Change.CLOSED, 60))
    assert state(followed) == (StateName.CALM, "calm")


@pytest.mark.parametrize(
    ("severity", "said"),
    [
        (Severity.WATCH, (StateName.WATCH, "watch: incident 1")),
        (Severity.HIGH, (StateName.INCIDENT, "incident 1")),
        (Severity.CRITICAL, (StateName.INCIDENT, "incident 1")),
    ],
)
def test_an_open_incident_is_the_state(followed: Store, severity: Severity, said: tuple[StateName, str]) -> None:
    follow(followed)
    tell(followed, opened(incident(severity=severity)))
    assert state(followed) == said
    found = Incidents(followed, lambda: NOW).states()[EVENT.id]
    assert found.incident is not None
    assert (found.incident.number, found.live_to, found.tested_to) == (1, at(119), at(115))


def test_no_data_is_never_calm(followed: Store) -> None:
    assert state(followed) == (StateName.NO_DATA, "no data: no source is followed")
    followed.set_status(EVENT.id, "x_stream", SourceState.CONNECTING)
    assert state(followed) == (StateName.NO_DATA, "no data: nothing has been read yet")
    follow(followed)
    assert state(followed, NOW + timedelta(hours=1)) == (
        StateName.NO_DATA,
        "no data: nothing has been read since 13:59 UTC",
    )
    followed.set_status(EVENT.id, "x_stream", SourceState.UNAUTHORIZED)
    assert state(followed) == (StateName.NO_DATA, "no data: x_stream is unauthorized since 13:59 UTC")
    tell(followed, opened(incident(severity=Severity.HIGH)))
    assert state(followed) == (
        StateName.INCIDENT,
        "incident 1; no data: x_stream is unauthorized since 13:59 UTC",
    )


def test_what_was_read_and_not_tested_is_not_calm(followed: Store) -> None:
    follow(followed, live_to=at(110))
    tell(followed)
    assert state(followed)[0] is StateName.CALM
    follow(followed, live_to=at(179))
    assert state(followed, at(150)) == (StateName.NO_DATA, "no data: nothing has been tested since 13:55 UTC")


def test_a_recording_that_has_ended_keeps_its_last_state(followed: Store) -> None:
    follow(followed, SourceState.FINISHED)
    tell(followed)
    assert state(followed, NOW + timedelta(days=3)) == (StateName.CALM, "calm")


# Rules


def test_the_default_rule_is_shown_and_another_one_takes_its_place(store: Store, service: Incidents) -> None:
    view = service.rule(EVENT.id)
    assert (view.rule, view.is_default, view.effective, view.tuned_at) == (RuleDraft(), True, 1.0, None)
    draft = RuleDraft(enabled=False, alarms_per_week=0.2, kinds=(Kind.VOLUME,), least_size=30, calm_minutes=20)
    view = service.put_rule(EVENT.id, draft)
    assert (view.rule, view.is_default, view.effective) == (draft, False, 0.2)
    assert service.rule(EVENT.id) == view
    with pytest.raises(InvalidInput, match="at least one kind"):
        service.put_rule(EVENT.id, RuleDraft(kinds=()))


@pytest.mark.parametrize(
    ("left", "note"),
    [
        (0, ""),
        (1, "1 false alarm would still come: a stricter rule would lose a real incident"),
        (3, "3 false alarms would still come: a stricter rule would lose a real incident"),
    ],
)
def test_a_rule_says_where_the_verdicts_have_moved_it(store: Store, service: Incidents, left: int, note: str) -> None:
    memory = Memory(Watch(store.incidents.rule(EVENT.id).rule).state(), {}, at(5), Dial(0.1, left), "b")
    store.incidents.advance(EVENT.id, 0, memory.as_json(), at(5), Findings())
    view = service.rule(EVENT.id)
    assert (view.effective, view.tuned_at, view.note) == (0.1, at(5), note)


def dry_run(store: Store, draft: RuleDraft, days: int, steps: int) -> tuple[str, int]:
    found = Incidents(store, lambda: time_of(steps)).dry_run(LAUNCH.id, draft, days=days)
    assert found.fired == len(found.incidents)
    return found.text, found.fired


def test_a_dry_run_says_what_a_rule_would_have_done(store: Store) -> None:
    store.put_event(LAUNCH)
    assert dry_run(store, RuleDraft(), 30, 0) == ("There is no history yet to try this rule on.", 0)
    chatter = Chatter(store, usual=4)
    crises = {begin + step: (40, 4) for begin in (300, 640) for step in range(3)}
    chatter.put(range(720), extra=crises)
    text, fired = dry_run(store, RuleDraft(), 30, 720)
    assert fired == 2
    assert text.startswith("This rule would have fired 2 times in the 2.5 days of history that there are: 05:")
    text, fired = dry_run(store, RuleDraft(), 1, 720)
    assert fired == 1
    assert text.startswith("This rule would have fired once in the last day: 05:")
    assert dry_run(store, RuleDraft(least_size=1_000), 30, 720) == (
        "This rule would not have fired in the 2.5 days of history that there are.",
        0,
    )
    assert store.incidents.detector(LAUNCH.id) is None
    with pytest.raises(InvalidInput, match="1 to 30"):
        dry_run(store, RuleDraft(), 31, 720)
