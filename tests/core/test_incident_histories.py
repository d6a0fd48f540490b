"""Whatever the tests of the series say, the histories of the incidents are whole, and survive a restart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.incidents import (
    Change,
    Incident,
    IncidentBook,
    Kind,
    Severity,
    Signal,
    Update,
    incident_from_json,
    incident_json,
    signal_json,
)
from tests.adapters.incident_builders import signal
from tests.core.life import RULES, Life

signals = st.builds(
    signal,
    st.sampled_from(Kind),
    source=st.sampled_from(["x", "news"]),
    size=st.floats(1, 1e5),
    surprise=st.floats(-1, 20),
    threshold=st.sampled_from([0.0, 2.0]),
)
steps = st.lists(
    st.tuples(st.lists(signals, max_size=3), st.integers(1, 30), st.booleans(), st.booleans()), min_size=1, max_size=8
)
Steps = list[tuple[list[Signal], int, bool, bool]]


def told(life: Life, story: Steps) -> list[Update]:
    """Each step of the story once, then so many steps without a signal."""
    for found, rest, known, complete in story:
        life.step(*found, known=known, complete=complete)
        life.steps_of(rest)
    return life.updates


@settings(max_examples=50)
@given(steps)
def test_the_history_of_every_incident_is_whole(story: Steps) -> None:
    histories: dict[int, list[Update]] = {}
    updates = told(Life(), story)
    for here, there in pairwise(updates):
        assert here.incident.number == there.incident.number or here.change is Change.CLOSED
    for update in updates:
        histories.setdefault(update.incident.number, []).append(update)
    assert list(histories) == list(range(1, len(histories) + 1))
    for history in histories.values():
        first, *later = history
        assert first.change is Change.OPENED
        assert Change.OPENED not in {update.change for update in later}
        assert [update.incident.revision for update in history] == list(range(1, len(history) + 1))
        assert all(update.incident.is_open != (update.change is Change.CLOSED) for update in history)
        for before, after in pairwise(history):
            assert before.at <= after.at == after.incident.updated_at
            assert before.incident.severity <= after.incident.severity
            assert (before.incident.severity < after.incident.severity) == (after.change is Change.RAISED)
            assert before.incident.size <= after.incident.size
            assert set(before.incident.kinds) <= set(after.incident.kinds)
            assert before.incident.started_at == after.incident.started_at
            assert before.incident.opened_at == after.incident.opened_at


@settings(max_examples=50)
@given(steps, steps)
def test_a_book_that_was_saved_goes_on_as_if_nothing_had_been(before: Steps, after: Steps) -> None:
    life, restored = Life(), Life()
    told(life, before)
    restored.book = IncidentBook.restored(RULES, json.loads(json.dumps(life.book.state())))
    restored.steps, restored.updates = life.steps, list(life.updates)
    assert restored.book.open == life.book.open
    assert told(restored, after) == told(life, after)


times = st.integers(0, 4_000_000_000_000_000).map(
    lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
figures = st.floats(0, 1e9)


@given(
    st.builds(
        Incident,
        number=st.integers(1, 10**6),
        kinds=st.lists(st.sampled_from(Kind), min_size=1, unique=True).map(tuple),
        severity=st.sampled_from(Severity),
        started_at=times,
        opened_at=times,
        updated_at=times,
        ended_at=st.none() | times,
        revision=st.integers(1, 10**6),
        size=figures,
        reopened=st.integers(0, 100),
        evidence=st.lists(
            st.builds(
                Signal, st.sampled_from(Kind), st.text(), times, figures, figures, figures, figures, st.floats(-9, 9)
            ),
            max_size=4,
        ).map(tuple),
    )
)
def test_an_incident_survives_json(incident: Incident) -> None:
    assert incident_from_json(json.loads(json.dumps(incident_json(incident)))) == incident
    assert incident_json(incident)["evidence"] == [signal_json(each) for each in incident.evidence]
