"""What an alert says, on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.alert_records import Parcel
from app.adapters.incident_records import Findings
from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.alert_content import Alert
from app.core.errors import NotFound
from app.core.incidents import Change, Severity, Update
from app.core.types import CLASSES, Event, Label
from app.services.alert_contents import EXPLAINED, AlertContents
from tests.fakes.alerts import change, channel
from tests.fakes.clock import START, Clock
from tests.serving.support import record

EVENT = "launch"
PUBLIC = "https://pulse.example.org/"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/eventpulse.db", now=clock) as made:
        made.migrate()
        yield made


@pytest.fixture
def tell(store: Store, clock: Clock) -> Callable[..., Parcel]:
    """Stores changes; gives what a digest of them is claimed as."""

    def tell(*updates: Update) -> Parcel:
        store.alerts.put_channel(channel("a", digest_minutes=1))
        assert store.incidents.advance(EVENT, 0, {}, START, Findings(updates=updates))
        clock.advance(60)
        (parcel,) = store.alerts.claim()
        return parcel

    return tell


def by(name: str, text: str, minutes: float, label: Label) -> Record:
    """A message of an author who writes nothing else."""
    made = record(name, text, minutes=minutes, label=label)
    return replace(made, message=replace(made.message, author=f"author of {name}"))


@pytest.fixture
def contents(store: Store) -> AlertContents:
    """Twenty minutes of one complaint, after an hour and a half of this and that."""
    store.put_event(Event(EVENT, "Launch", "launch"))
    before = [by(f"b{n}", f"what a day for thing number {n}", 21 + n, CLASSES[n % 3]) for n in range(90)]
    during = [by(f"d{n}", f"the screen flickers on mine too, case {n}", n % 20, Label.NEGATIVE) for n in range(30)]
    store.put_page(EVENT, "x", [*before, *during], Progress(live_to=START))
    return AlertContents(store, PUBLIC, Clock())


@pytest.fixture
def alert(contents: AlertContents, tell: Callable[..., Parcel]) -> Callable[..., Alert]:
    return lambda *updates: contents.explained(contents.of(tell(*updates)))


def test_an_alert_says_what_happened_with_figures_and_intervals(alert: Callable[..., Alert]) -> None:
    (entry,) = alert(change(1)).entries
    assert (entry.event_name, entry.number, entry.severity) == ("Launch", 1, Severity.WATCH)
    assert (entry.raw, entry.distinct) == (30, 30)
    assert entry.negative is not None
    assert entry.negative.low < entry.negative.value == 1.0
    assert entry.negative_before is not None
    assert entry.negative_before.value == pytest.approx(1 / 3, abs=0.05)
    assert "Negative share" in entry.headline
    assert entry.title == "Launch: incident 1 opened as watch: negative share"
    assert entry.url == "https://pulse.example.org/incidents?event=launch&incident=1"


def test_an_alert_says_why(alert: Callable[..., Alert]) -> None:
    (entry,) = alert(change(1)).entries
    assert entry.evidence is not None
    assert any("screen" in phrase.text or "flickers" in phrase.text for phrase in entry.evidence.phrases)
    assert any("the screen flickers" in exemplar.text for exemplar in entry.evidence.exemplars)


def test_the_changes_of_an_incident_are_one_entry_and_the_most_severe_is_the_first(
    alert: Callable[..., Alert],
) -> None:
    told = [
        change(1),
        change(2),
        change(2, 2, Change.CLOSED),
        change(3, at=START - timedelta(minutes=1)),
        change(3, 2, Change.UPDATED),
    ]
    made = alert(*told)
    assert [(entry.number, [step.revision for step in entry.steps]) for entry in made.entries] == [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2]),
    ]
    assert made.entries[1].title == "Launch: incident 2 closed: calm since 12:00 UTC"
    assert not made.entries[1].is_open


def test_only_the_first_incidents_come_with_their_evidence(alert: Callable[..., Alert]) -> None:
    made = alert(*(change(number) for number in range(1, EXPLAINED + 3)))
    assert [entry.evidence is not None for entry in made.entries] == [True] * EXPLAINED + [False] * 2


def test_evidence_that_cannot_be_made_says_so(
    store: Store, contents: AlertContents, alert: Callable[..., Alert]
) -> None:
    made = alert(change(1))
    store.delete_event(EVENT)
    (entry,) = contents.explained(made).entries
    assert entry.evidence is not None
    assert entry.evidence.note == f"The evidence could not be made: there is no event {EVENT!r}"


def test_without_anything_before_it_says_so(store: Store, tell: Callable[..., Parcel]) -> None:
    store.put_event(Event(EVENT, "Launch", "launch"))
    store.put_page(EVENT, "x", [record("1", "bad", minutes=3, label=Label.NEGATIVE)], Progress(live_to=START))
    contents = AlertContents(store, PUBLIC, Clock())
    (entry,) = contents.explained(contents.of(tell(change(1)))).entries
    assert entry.evidence is not None
    assert "Nothing before to compare with." in entry.evidence.note
    assert entry.negative_before is None


def test_an_event_that_went_has_no_alert(store: Store, contents: AlertContents, tell: Callable[..., Parcel]) -> None:
    parcel = tell(change(1))
    store.delete_event(EVENT)
    with pytest.raises(NotFound):
        contents.of(parcel)
