from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from app.core.detection import Lane, Memory, reconcile, told_and_past
from app.core.dial import Dial
from app.core.incidents import Change, IncidentBook, Lifecycle, Update, incident_json
from tests.adapters.builders import START, at
from tests.adapters.incident_builders import incident, opened, then

FIRST = incident(1)
CLOSED = then(FIRST, Change.CLOSED, 60)
SECOND = incident(2, start=200)


def watch(
    *, open_: Update | None = None, past: Update | None = None, next_: int = 1, name: str = "now"
) -> dict[str, Any]:
    """The state of a watch with these incidents in its book; the series bear a name."""
    book = IncidentBook(Lifecycle(), next_number=next_).state()
    return {
        "series": name,
        "book": {
            **book,
            "open": open_ and incident_json(open_.incident),
            "past": past and incident_json(past.incident),
        },
    }


def test_the_memory_comes_back() -> None:
    memory = Memory(
        watch=watch(),
        lanes={"x": Lane(5, 100), "news": Lane(3, 2)},
        reviewed_at=START,
        dial=Dial(0.1, 2),
        basis="default/2",
        late=7,
        down={"x_stream": "source:x_stream:1"},
    )
    assert Memory.from_json(memory.as_json()) == memory


def test_what_opened_and_closed_in_one_run_was_over_before_it_was_noticed() -> None:
    run = [opened(FIRST), then(FIRST, Change.RAISED, 5), CLOSED, opened(SECOND)]
    told, past = told_and_past(run)
    assert list(told) == [opened(SECOND)]
    assert list(past) == run[:3]


@pytest.mark.parametrize("run", [[opened(FIRST)], [CLOSED], [then(FIRST, Change.RAISED, 5), CLOSED], []])
def test_what_is_followed_is_told(run: list[Update]) -> None:
    assert told_and_past(run) == (tuple(run), ())


def test_the_first_replay_keeps_what_it_finds_and_goes_on_with_what_is_open() -> None:
    replayed = watch(open_=opened(SECOND), past=CLOSED, next_=3, name="learnt")
    found = reconcile(replayed, [opened(FIRST), CLOSED, opened(SECOND)], [], None, add=True)
    assert found.past == (opened(FIRST), CLOSED)
    assert found.told == (opened(SECOND),)
    assert found.watch == replayed


def test_what_is_known_is_not_found_again() -> None:
    current = watch(past=CLOSED, next_=2)
    replayed = watch(past=CLOSED, next_=2, name="learnt")
    known = [(1, at(1), at(66))]
    found = reconcile(replayed, [opened(FIRST), CLOSED], known, current, add=True)
    assert (found.told, found.past) == ((), ())
    assert found.watch["series"] == "learnt"
    assert found.watch["book"] == current["book"]


def _end(hours: float) -> datetime:
    return at(60 * hours)


def test_what_was_not_known_gets_the_next_number() -> None:
    current = watch(open_=opened(replace(SECOND, number=5)), next_=6)
    known = [(4, _end(50), _end(51)), (5, SECOND.started_at, None)]
    updates = [opened(FIRST), CLOSED, opened(SECOND)]
    found = reconcile(watch(open_=opened(SECOND), next_=3), updates, known, current, add=True)
    assert [(each.incident.number, each.change) for each in found.past] == [(6, Change.OPENED), (6, Change.CLOSED)]
    assert found.told == ()
    assert found.watch["book"] == {**current["book"], "next": 7}


def test_a_happening_that_goes_on_and_that_nobody_saw_is_told() -> None:
    current = watch(past=CLOSED, next_=2)
    updates = [opened(FIRST), CLOSED, opened(SECOND)]
    replayed = watch(open_=opened(SECOND), next_=3)
    found = reconcile(replayed, updates, [(1, at(0), at(65))], current, add=True)
    assert [each.incident.number for each in found.told] == [2]
    assert found.past == ()
    assert found.watch["book"] == {**replayed["book"], "past": current["book"]["past"], "next": 3}


def test_another_rule_adds_nothing_to_the_past() -> None:
    current = watch(next_=1)
    replayed = watch(open_=opened(SECOND), past=CLOSED, next_=3, name="learnt")
    found = reconcile(replayed, [opened(FIRST), CLOSED, opened(SECOND)], [], current, add=False)
    assert (found.told, found.past) == ((), ())
    assert found.watch == {**replayed, "book": current["book"]}


def test_what_the_replay_holds_for_open_does_not_push_out_what_is_open() -> None:
    current = watch(open_=opened(FIRST), next_=2)
    updates = [opened(replace(SECOND, number=1))]
    found = reconcile(watch(open_=updates[0], next_=2), updates, [(1, at(0), at(65))], current, add=True)
    assert (found.told, found.past) == ((), ())
    assert found.watch["book"] == current["book"]
