"""The detector after an update: what it remembers may be of tests that are no more."""

from __future__ import annotations

from dataclasses import replace

from app.adapters.incident_records import Findings
from app.adapters.store import Store
from app.core.detection import Memory
from pipelines.detect import Detector
from tests.fakes.chatter import EVENT, Chatter, time_of
from tests.fakes.clock import Clock

STEPS = 60


def _memory(store: Store) -> Memory:
    state = store.incidents.detector(EVENT.id)
    assert state is not None
    return Memory.from_json(state.state)


def test_what_other_tests_remember_is_made_anew_of_the_history(store: Store) -> None:
    clock = Clock(time_of(STEPS))
    store.put_event(EVENT)
    Chatter(store).put(range(STEPS))
    detector = Detector(store, now=clock)
    detector.test(EVENT.id)
    memory = _memory(store)
    older = replace(memory, watch={**memory.watch, "series": {"x": {"of": "another make"}}}, basis="0/default/0")
    assert store.incidents.advance(EVENT.id, 1, older.as_json(), time_of(STEPS), Findings())
    Chatter(store, name="later").put(range(STEPS, STEPS + 2))
    clock.advance(600)
    detector.test(EVENT.id)
    assert _memory(store).watch["series"] == memory.watch["series"]
    detector.test(EVENT.id)
    assert {lane.to - memory.lanes[source].to for source, lane in _memory(store).lanes.items()} == {2}
