"""The detector on a store: what is told, once, and what is not."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.detector_input import FEEDS
from app.adapters.incident_records import IncidentFilter, StoredIncident
from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.detection import Memory
from app.core.dial import Verdict
from app.core.errors import NotFound
from app.core.incidents import Change, Kind
from app.core.types import SourceState
from app.core.watch import Rule
from pipelines.detect import Detector, main
from pipelines.sources.registry import SOURCES
from tests.fakes.chatter import EVENT, START, Chatter, time_of
from tests.fakes.clock import Clock

CALM = 400  # steps: a day and a half of the usual
# Forty messages more than the usual in each of three steps, nearly all of them negative.
CRISIS = {CALM + step: (40, 4) for step in range(3)}


@pytest.fixture
def clock() -> Clock:
    return Clock(time_of(CALM))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a day and a half of the usual."""
    path = tmp_path_factory.mktemp("usual") / "store.db"
    with Store(f"sqlite:///{path}", now=lambda: time_of(CALM)) as made:
        made.migrate()
        made.put_event(EVENT)
        Chatter(made).put(range(CALM))
    return path


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store with an event, and with `chatter` also a day and a half of the usual."""
    if "chatter" in request.fixturenames:
        shutil.copy(request.getfixturevalue("usual"), tmp_path / "eventpulse.db")
    with Store(f"sqlite:///{tmp_path}/eventpulse.db", now=clock) as made:
        made.migrate()
        made.put_event(EVENT)
        yield made


@pytest.fixture
def detector(store: Store, clock: Clock) -> Detector:
    return Detector(store, now=clock)


@pytest.fixture
def chatter(store: Store) -> Chatter:
    """Goes on where the usual ends."""
    return Chatter(store, name="later")


def incidents(store: Store) -> list[StoredIncident]:
    return list(reversed(store.incidents.find(IncidentFilter(), limit=100).items))


def live(detector: Detector, chatter: Chatter, clock: Clock, steps: Sequence[int], **more: object) -> list[Change]:
    """Step by step: the messages come in, the clock goes on, the detector tests; gives what was told."""
    told = []
    for step in steps:
        chatter.put([step], extra=CRISIS)
        clock.advance((time_of(step + 1) - clock()).total_seconds())
        told += [update.change for update in detector.test(EVENT.id).told]
    return told


def test_the_usual_raises_nothing_and_a_test_of_nothing_new_writes_nothing(
    store: Store, detector: Detector, chatter: Chatter
) -> None:
    assert detector.test(EVENT.id).told == ()
    version = store.version(EVENT.id)
    assert detector.test(EVENT.id).told == ()
    assert store.version(EVENT.id) == version
    assert incidents(store) == []
    state = store.incidents.detector(EVENT.id)
    assert state is not None
    assert state.tested_to == time_of(CALM)


def test_an_event_without_messages_has_nothing_to_test(store: Store, detector: Detector) -> None:
    assert detector.test(EVENT.id).told == ()
    assert store.incidents.detector(EVENT.id) is None
    with pytest.raises(NotFound):
        detector.test("nobody")


def test_a_crisis_opens_one_incident_that_closes_when_it_is_over(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    detector.test(EVENT.id)
    told = live(detector, chatter, clock, range(CALM, CALM + 90))
    assert (told[0], told[-1]) == (Change.OPENED, Change.CLOSED)
    assert told.count(Change.OPENED) == 1
    (stored,) = incidents(store)
    assert not stored.in_history
    assert not stored.incident.is_open
    assert time_of(CALM - 12) <= stored.incident.started_at <= time_of(CALM + 1)
    assert stored.incident.opened_at <= time_of(CALM + 3)
    changes = store.incidents.changes(EVENT.id, 1)
    assert [each.change for each in changes] == told
    assert [each.incident.revision for each in changes] == list(range(1, len(told) + 1))


def test_time_to_insight_begins_with_the_first_message_in_the_store(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    detector.test(EVENT.id)
    for step in range(CALM, CALM + 3):
        chatter.put([step], extra=CRISIS)
        clock.advance((time_of(step + 1) - clock()).total_seconds())
        done = detector.test(EVENT.id)
        if done.told:
            break
    steps = store.incidents.steps(EVENT.id)[EVENT.id, 1]
    assert steps["noticed"] == clock()
    assert steps["began"] <= steps["noticed"]
    (seconds,) = detector.notice_seconds(EVENT.id, done)
    assert seconds == (steps["noticed"] - steps["began"]).total_seconds()


def test_a_burst_is_noticed_before_its_step_is_over(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    detector.test(EVENT.id)
    chatter.burst(CALM + 0.2, 90, 10)
    chatter.page([], time_of(CALM + 0.3))
    clock.advance(90)
    told = detector.test(EVENT.id).told
    assert [update.change for update in told] == [Change.OPENED]
    assert told[0].incident.opened_at == time_of(CALM + 0.3)
    assert detector.test(EVENT.id).told == ()


@pytest.mark.parametrize("seed", range(2))
def test_however_often_it_is_tested_and_started_again_the_incidents_are_the_same(
    tmp_path: Path, usual: Path, clock: Clock, seed: int
) -> None:
    rng = random.Random(seed)
    found = []
    for name, chance in (("each", 1.0), ("some", 0.3)):
        shutil.copy(usual, tmp_path / f"{name}.db")
        with Store(f"sqlite:///{tmp_path}/{name}.db", now=clock) as store:
            chatter = Chatter(store, name="later")
            Detector(store, now=lambda: time_of(CALM + 60)).test(EVENT.id)
            for step in range(CALM, CALM + 45):
                chatter.put([step], extra=CRISIS)
                if rng.random() < chance or step == CALM + 44:
                    Detector(store, now=lambda: time_of(CALM + 60)).test(EVENT.id)
            found.append(
                [
                    (each.incident.number, each.incident.kinds, each.incident.opened_at, each.incident.ended_at)
                    for each in incidents(store)
                ]
            )
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_detectors_beside_each_other_tell_an_incident_once(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    detector.test(EVENT.id)
    chatter.put(range(CALM, CALM + 3), extra=CRISIS)
    clock.advance(900)
    others = [Detector(store, now=clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda each: each.test(EVENT.id), others))
    told = [update.change for each in done for update in each.told]
    assert told.count(Change.OPENED) == 1
    assert len(incidents(store)) == 1
    assert [each.change for each in store.incidents.changes(EVENT.id, 1)] == told


def test_what_was_over_long_ago_is_found_in_history_and_told_to_nobody(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    chatter.put(range(CALM, CALM + 100), extra=CRISIS)
    clock.advance(100 * 300)
    assert detector.test(EVENT.id).told == ()
    (stored,) = incidents(store)
    assert stored.in_history
    assert not stored.incident.is_open
    assert store.incidents.steps() == {}


def test_what_a_batch_brings_of_the_past_is_found_and_told_to_nobody(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    chatter.put(range(CALM, CALM + 150))
    clock.advance(150 * 300)
    detector.test(EVENT.id)
    assert incidents(store) == []
    batch = Chatter(store, connector="batch:x_search")
    for step in range(3):
        batch.burst(CALM + step + 0.5, 40, 4)
    done = detector.review(EVENT.id)
    assert done.told == ()
    (stored,) = incidents(store)
    assert stored.in_history
    assert stored.incident.started_at <= time_of(CALM + 3)
    detector.review(EVENT.id)
    assert len(incidents(store)) == 1


def test_messages_that_come_late_lead_to_a_replay_by_themselves(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    chatter.put(range(CALM, CALM + 150))
    clock.advance(150 * 300)
    detector.test(EVENT.id)
    late = Chatter(store, connector="batch:x_search")
    for step in range(3):
        late.burst(CALM + step + 0.5, 40, 4)
    clock.advance(900)
    chatter.put([CALM + 150])
    done = detector.test(EVENT.id)
    assert (done.told, done.late) == ((), 132)
    assert [each.in_history for each in incidents(store)] == [True]


def test_what_only_a_batch_has_read_is_history_even_where_it_goes_on(
    store: Store, detector: Detector, clock: Clock
) -> None:
    batch = Chatter(store, connector="batch:x_search")
    batch.put(range(CALM + 3), extra=CRISIS, live=False)
    clock.advance(900)
    assert detector.test(EVENT.id).told == ()
    (stored,) = incidents(store)
    assert stored.in_history


def test_a_source_that_is_behind_is_tested_at_its_own_pace(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    news = Chatter(store, source="news", connector="newsapi")
    news.put(range(CALM - 6))
    detector.test(EVENT.id)
    for step in range(CALM, CALM + 12):
        chatter.put([step])
        clock.advance(300)
        assert detector.test(EVENT.id).told == ()
    state = store.incidents.detector(EVENT.id)
    assert state is not None
    lanes = Memory.from_json(state.state).lanes
    assert lanes["x"].to - lanes["news"].to == 18
    news.put(range(CALM - 6, CALM + 6), extra={CALM + step: (40, 4) for step in range(3)})
    done = detector.test(EVENT.id)
    assert [update.change for update in done.told][:1] == [Change.OPENED]
    assert {signal.source for signal in done.told[0].incident.evidence} == {"news"}
    assert done.late == 0


def test_no_data_is_not_calm(store: Store, detector: Detector, chatter: Chatter, clock: Clock) -> None:
    news = Chatter(store, source="news", connector="newsapi")
    news.put(range(CALM))
    detector.test(EVENT.id)
    for step in range(CALM, CALM + 3):
        chatter.put([step], extra=CRISIS)
        news.put([step])
        clock.advance(300)
        detector.test(EVENT.id)
    store.set_status(EVENT.id, "x_stream", SourceState.UNAUTHORIZED, "the key was refused")
    for step in range(CALM + 3, CALM + 50):
        news.put([step])
        clock.advance(300)
        detector.test(EVENT.id)
    (stored,) = incidents(store)
    assert stored.incident.is_open
    (note,) = store.annotations.between(EVENT.id)
    assert (note.kind, note.at, note.until) == (AnnotationKind.SYSTEM, time_of(CALM + 3), None)
    assert note.text == "x_stream: unauthorized (the key was refused)"
    chatter.put(range(CALM + 50, CALM + 80))
    news.put(range(CALM + 50, CALM + 80))
    clock.advance(30 * 300)
    detector.test(EVENT.id)
    assert not incidents(store)[0].incident.is_open
    (note,) = store.annotations.between(EVENT.id)
    assert note.until is not None


def test_an_expected_moment_does_not_alarm_for_its_volume(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    crowd = {CALM + step: (6, 24) for step in range(6)}  # five times the usual, as negative as ever
    launch = Annotation(EVENT.id, "l", time_of(CALM), time_of(CALM + 6), AnnotationKind.EXPECTED, "launch", 8.0)
    store.annotations.put(launch)
    detector.test(EVENT.id)
    chatter.put(range(CALM, CALM + 10), extra=crowd)
    clock.advance(3000)
    assert detector.test(EVENT.id).told == ()
    store.annotations.delete(EVENT.id, "l")
    assert [each.incident.kind for each in incidents(store)] == []


def test_a_rule_that_is_off_opens_nothing(store: Store, detector: Detector, chatter: Chatter, clock: Clock) -> None:
    store.incidents.put_rule(EVENT.id, Rule(), enabled=False)
    detector.test(EVENT.id)
    assert live(detector, chatter, clock, range(CALM, CALM + 5)) == []
    assert incidents(store) == []


def test_a_rule_for_volume_alone_leaves_negatives_out(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    store.incidents.put_rule(EVENT.id, Rule(kinds=(Kind.VOLUME,)))
    detector.test(EVENT.id)
    live(detector, chatter, clock, range(CALM, CALM + 5))
    assert [each.incident.kinds for each in incidents(store)] == [(Kind.VOLUME,)]


def test_a_false_alarm_makes_the_rule_stricter_until_the_verdict_is_withdrawn(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock
) -> None:
    chatter.put(range(CALM, CALM + 40), extra={CALM + step: (20, 10) for step in range(3)})
    clock.advance(40 * 300)
    detector.test(EVENT.id)
    assert [each.incident.number for each in incidents(store)] == [1]

    def dial() -> float:
        state = store.incidents.detector(EVENT.id)
        assert state is not None
        return Memory.from_json(state.state).dial.factor

    assert dial() == 1.0
    store.incidents.give_verdict(EVENT.id, 1, Verdict.FALSE_ALARM)
    detector.test(EVENT.id)
    assert dial() < 1.0
    store.incidents.give_verdict(EVENT.id, 1, None)
    detector.test(EVENT.id)
    assert dial() == 1.0
    assert [each.incident.number for each in incidents(store)] == [1]


def test_an_unknown_database_error_keeps_nothing_and_the_next_run_tells_it(
    store: Store, detector: Detector, chatter: Chatter, clock: Clock, tmp_path: Path
) -> None:
    detector.test(EVENT.id)
    chatter.put(range(CALM, CALM + 3), extra=CRISIS)
    clock.advance(900)
    blocked = sqlite3.connect(tmp_path / "eventpulse.db")
    blocked.execute("CREATE TRIGGER full BEFORE INSERT ON incident_changes BEGIN SELECT RAISE(ABORT, 'no'); END")
    blocked.commit()
    with pytest.raises(Exception, match="no"):
        detector.test(EVENT.id)
    assert incidents(store) == []
    blocked.execute("DROP TRIGGER full")
    blocked.commit()
    blocked.close()
    assert Change.OPENED in [update.change for update in detector.test(EVENT.id).told]


def test_the_command_line_replays_and_prints(
    store: Store, chatter: Chatter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVENTPULSE_DATABASE_URL", f"sqlite:///{tmp_path}/eventpulse.db")
    chatter.put(range(CALM, CALM + 40), extra=CRISIS)
    assert main(["--event", EVENT.id]) == 0
    (printed,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed["number"] == 1
    assert printed["started_at"].startswith((time_of(CALM) - timedelta(hours=1)).date().isoformat())
    assert incidents(store) == []
    assert main(["--event", EVENT.id, "--since", (START + timedelta(days=30)).isoformat()]) == 1  # still to come
    assert main(["--event", EVENT.id, "--store"]) == 0
    assert len(incidents(store)) == 1
    assert main(["--event", "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err


def test_every_connector_of_one_source_is_known_to_the_detector() -> None:
    assert set(SOURCES) <= set(FEEDS)
