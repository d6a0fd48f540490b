from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.adapters.store import Store
from app.core.types import Count, Event, SourceState
from app.settings import Settings
from pipelines.detect import Outcome
from pipelines.supervise import Supervisor, ensure_replay_event
from tests.fakes.pipeline import FakeClassifier

ENGLISH = frozenset({"en"})


def _recording(folder: Path, count: int = 5) -> Path:
    path = folder / "recording.jsonl"
    rows = [
        {"id": f"m{n}", "text": f"remark {n} about the watch", "created_at": f"2026-11-01T12:00:{n:02}Z", "source": "x"}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _settings(folder: Path) -> Settings:
    return Settings(_env_file=None, replay_path=_recording(folder), replay_event="Launch", replay_speed=0)


class Counts:
    """How often the tests of events went well, and how often not."""

    def __init__(self) -> None:
        self.went: list[tuple[Outcome, float, Sequence[float]]] = []
        self.refused = 0

    def tested(self, done: Outcome, seconds: float, notice_s: Sequence[float]) -> None:
        self.went.append((done, seconds, notice_s))

    def failed(self) -> None:
        self.refused += 1


class Enough(Exception):
    """Ends a supervisor from one of its pauses."""


def _supervise(store: Store, settings: Settings, *steps: Callable[[], object], watcher: Counts | None = None) -> None:
    """Run a supervisor through steps, a step a pause. One that gives False is not done, and asked again."""
    left = list(steps)

    async def pause(seconds: float) -> None:
        if not left:
            raise Enough
        if await asyncio.to_thread(left[0]) is not False:
            left.pop(0)

    async def run() -> None:
        async with asyncio.timeout(20):
            await Supervisor(store, FakeClassifier(), settings, ENGLISH, watcher, sleep=pause).run()

    with pytest.raises(Enough):
        asyncio.run(run())


def _finished(store: Store) -> bool:
    return any(status.state is SourceState.FINISHED for status in store.statuses())


def test_the_recordings_event_is_created_once_and_its_messages_are_stored(tmp_path: Path, store: Store) -> None:
    settings = _settings(tmp_path)
    ensure_replay_event(store, settings)
    ensure_replay_event(store, settings)
    assert [event.name for event in store.events()] == ["Launch"]
    _supervise(store, settings, lambda: _finished(store))
    assert sum(store.totals("launch").values(), Count()) == Count(5, 5)
    assert store.check("launch") == []


def test_a_second_run_over_the_same_store_changes_no_count(tmp_path: Path, store: Store) -> None:
    settings = _settings(tmp_path)
    ensure_replay_event(store, settings)
    for _ in range(2):
        _supervise(store, settings, lambda: _finished(store))
    assert sum(store.totals("launch").values(), Count()) == Count(5, 5)


def test_an_event_without_keys_says_which_variables_are_missing(tmp_path: Path, store: Store) -> None:
    store.put_event(Event("budget", "Budget", "#budget2025"))
    _supervise(store, _settings(tmp_path), lambda: len(store.statuses("budget")) == 2)
    assert {status.source: (status.state, status.detail) for status in store.statuses("budget")} == {
        "newsapi": (SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set"),
        "x_stream": (SourceState.NOT_CONNECTED, "EVENTPULSE_X_BEARER_TOKEN is not set"),
    }


def test_an_event_that_comes_later_is_followed_and_one_that_goes_ends_quietly(tmp_path: Path, store: Store) -> None:
    settings = _settings(tmp_path)
    store.put_event(Event("gone", "Gone", "nothing"))

    def later() -> None:
        store.delete_event("gone")
        ensure_replay_event(store, settings)

    _supervise(store, settings, lambda: len(store.statuses("gone")) == 2, later, lambda: _finished(store))
    assert [event.id for event in store.events()] == ["launch"]


def _tested(store: Store) -> bool:
    return store.incidents.detector("launch") is not None


def test_what_is_stored_is_tested(tmp_path: Path, store: Store) -> None:
    settings, counts = _settings(tmp_path), Counts()
    ensure_replay_event(store, settings)
    _supervise(store, settings, lambda: _tested(store) and bool(counts.went), watcher=counts)
    assert counts.refused == 0
    assert {(done.told, done.late, tuple(notice_s)) for done, _, notice_s in counts.went} == {((), 0, ())}


def test_a_test_that_the_database_refuses_stops_nothing(tmp_path: Path, store: Store) -> None:
    settings, counts = _settings(tmp_path), Counts()
    ensure_replay_event(store, settings)
    with sqlite3.connect(tmp_path / "eventpulse.db") as blocked:
        blocked.execute("CREATE TRIGGER full BEFORE INSERT ON detector_state BEGIN SELECT RAISE(ABORT, 'no'); END")
    blocked.close()
    _supervise(store, settings, lambda: _finished(store) and counts.refused > 0, watcher=counts)
    assert not _tested(store)
    assert sum(store.totals("launch").values(), Count()) == Count(5, 5)
