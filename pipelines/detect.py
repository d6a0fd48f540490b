"""The spike detector on the stored counts: in the live pipeline, after a batch, and by hand.

    python -m pipelines.detect --event E                # replay the event's history and print the incidents as JSON
    python -m pipelines.detect --event E --since 7d     # only those that opened since then
    python -m pipelines.detect --event E --store        # bring the store up to date, as the live pipeline does

Each source is tested at its own pace, up to the time to which it has been read: one that is behind holds up none, and a
step that nobody can know is left out, never read as zero. Messages that come for a step which has been tested already
are counted on every chart, but the step is not tested twice: enough of them, and the history is replayed; what it finds
that was not known is kept as found in history, and nobody is woken for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.adapters.detector_input import OUT, Reading, outage_id, past, reading, recent
from app.adapters.incident_records import Findings, Watched
from app.adapters.incident_tables import BEGAN, NOTICED
from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.bursts import REVISION, Tick
from app.core.detection import Lane, Memory, Reviewed, reconcile, told_and_past
from app.core.dial import in_force, tune
from app.core.errors import AppError, StoreError
from app.core.history import FOLLOWED, STEP, Counts, start_of, step_of, ticks
from app.core.incidents import Change, Incident, Update, incident_json
from app.core.types import SourceState, SourceStatus
from app.core.watch import Watch, replay
from app.settings import Settings
from pipelines.since import parse_since

REVIEW_EVERY: Final = timedelta(days=1)
"""How often an event's history is replayed when nothing asks for it."""

REVIEW_LATE_EVERY: Final = timedelta(minutes=10)
"""How often, at most, for messages that came late."""

_DAY_STEPS: Final = 288
# A step that is being filled is looked at; of a source that is far behind only the latest ones.
_MOST_OPEN_STEPS: Final = 12
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: the changes that were told, and the messages that came for steps tested before."""

    told: tuple[Update, ...] = ()
    late: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.told + other.told, self.late + other.late)


@dataclass(frozen=True, slots=True)
class _Advance:
    """A test of what has come in: the memory after it, and what it found."""

    memory: Memory
    findings: Findings


class Detector:
    """Tests the events of a store. May be used from several threads, and beside other processes that do the same."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def test(self, event_id: str) -> Outcome:
        """Test what has come in since the last run.

        The first run of an event replays its history. Raises NotFound, or StoreError; nothing of the run is kept then.
        """
        return self._until_stored(self._test, event_id)

    def review(self, event_id: str) -> Outcome:
        """Test what has come in and replay the history, to find what was not known and to set the dial anew.

        Raises like `test`.
        """
        return self.test(event_id) + self._until_stored(self._review, event_id)

    def notice_seconds(self, event_id: str, done: Outcome) -> list[float]:
        """For each incident that a run opened: the seconds from its first message in the store to the incident."""
        opened = [update.incident.number for update in done.told if update.change is Change.OPENED]
        steps = self._store.incidents.steps(event_id) if opened else {}
        times = [steps[event_id, number] for number in opened]
        return [(each[NOTICED] - each[BEGAN]).total_seconds() for each in times]

    def _until_stored(self, run: Callable[[str], Outcome | None], event_id: str) -> Outcome:
        for _ in range(_TRIES):
            done = run(event_id)
            if done is not None:
                return done
        raise StoreError(f"the detector of {event_id!r} lost {_TRIES} races against another: try again")

    # A run

    def _test(self, event_id: str) -> Outcome | None:
        watched = self._store.incidents.watched(event_id)
        if watched.detector is None:
            return self._review(event_id)
        read = reading(watched, self._now())
        before = Memory.from_json(watched.detector.state)
        if not before.basis.startswith(_tests()):
            return self._review(event_id)
        memory = self._noted(before, read)
        step = self._advanced(memory, watched, read)
        if step is not None:
            memory = step.memory
            if not self._commit(watched.detector.revision, memory, read, step.findings):
                return None
        elif memory != before and not self._commit(watched.detector.revision, memory, read, Findings()):
            return None
        done = Outcome(step.findings.updates, memory.late - before.late) if step else Outcome()
        if self._is_due(memory, watched, read):
            done += self._until_stored(self._review, event_id)
        return done

    def _advanced(self, memory: Memory, watched: Watched, read: Reading) -> _Advance | None:
        """Test what has come in; None where that is no step and nothing is to be told."""
        ranges = {
            source: (lane.to, max(lane.to, step_of(read.edges[source])))
            for source, lane in memory.lanes.items()
            if source in read.edges
        }
        if read.front is None or not ranges:
            return None
        done = {source: (first, last) for source, (first, last) in ranges.items() if last > first}
        open_from = max(min(last for _, last in ranges.values()), step_of(read.front) + 1 - _MOST_OPEN_STEPS)
        since = min([open_from, *(first for first, _ in done.values())])
        # After an outage, what silence is usual must be known to tell a gap from a zero.
        leap = any(last - first > FOLLOWED for first, last in done.values())
        counts = recent(self._store, read, since - 7 * _DAY_STEPS if leap else since)
        watch = Watch.restored(in_force(watched.rule.rule, memory.dial, on=watched.rule.enabled), memory.watch)
        updates: list[Update] = []
        front = max(lane.to for lane in memory.lanes.values())
        for step in ticks(counts, done, read.foreseen, read.outages):
            updates += watch.observe(step, settled=_settles(watch.open, step, read, front))
        for step in _open_steps(counts, ranges, read):
            start = next(iter(step.values())).start
            updates += watch.look(step, now=max(read.front, start))
        if not (updates or done):
            return None
        new = replace(memory, watch=watch.state(), **self._lanes(read.event.id, memory, done))
        return _Advance(new, Findings(*told_and_past(updates), watch.open))

    def _lanes(self, event_id: str, memory: Memory, done: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
        """The lanes after these ranges were tested, and how many messages have come for what was tested before."""
        late = self._late(event_id, {source: memory.lanes[source] for source in done})
        reached = {source: start_of(last) for source, (_, last) in done.items()}
        counted = self._store.incidents.counted_before(event_id, reached)
        lanes = {source: Lane(last, counted[source]) for source, (_, last) in done.items()}
        return {"lanes": {**memory.lanes, **lanes}, "late": memory.late + late}

    def _late(self, event_id: str, lanes: Mapping[str, Lane]) -> int:
        """How many messages have come for steps that were tested already."""
        tested = {source: start_of(lane.to) for source, lane in lanes.items()}
        counted = self._store.incidents.counted_before(event_id, tested)
        return sum(max(0, counted[source] - lane.counted) for source, lane in lanes.items())

    def _commit(self, revision: int, memory: Memory, read: Reading, findings: Findings) -> bool:
        tested_to = max((start_of(lane.to) for lane in memory.lanes.values()), default=read.front or self._now())
        return self._store.incidents.advance(read.event.id, revision, memory.as_json(), tested_to, findings)

    # A replay of the history

    def _is_due(self, memory: Memory, watched: Watched, read: Reading) -> bool:
        age = self._now() - memory.reviewed_at
        return (
            age >= REVIEW_EVERY
            or memory.basis != _basis(watched)
            or (memory.late >= watched.rule.rule.least_size and age >= REVIEW_LATE_EVERY)
            or bool(read.edges.keys() - memory.lanes.keys())
        )

    def _review(self, event_id: str) -> Outcome | None:
        watched = self._store.incidents.watched(event_id)
        memory = Memory.from_json(watched.detector.state) if watched.detector else None
        read = reading(watched, self._now())
        if read.front is None:
            return Outcome()
        to = {source: step_of(edge) for source, edge in read.edges.items()}
        to |= {source: lane.to for source, lane in memory.lanes.items()} if memory else {}
        history = past(self._store, read, to)
        tuned = tune(history, watched.rule.rule, self._store.incidents.judged(event_id))
        watch = Watch(in_force(watched.rule.rule, tuned.dial, on=watched.rule.enabled), step=STEP)
        updates: list[Update] = []
        for step in history:
            updates += watch.observe(step, settled=_settles(watch.open, step, read))
        unread = read.edges.keys() - (memory.lanes.keys() if memory else ())
        late = memory.late + self._late(event_id, memory.lanes) if memory else 0
        found = reconcile(
            watch.state(),
            updates,
            self._store.incidents.stretches(event_id),
            memory.watch if memory else None,
            add=bool(unread) or late >= watched.rule.rule.least_size,
        )
        reached = {source: start_of(last) for source, last in to.items()}
        counted = self._store.incidents.counted_before(event_id, reached)
        new = Memory(
            watch=found.watch,
            lanes={source: Lane(last, counted[source]) for source, last in to.items()},
            reviewed_at=self._now(),
            dial=tuned.dial,
            basis=_basis(watched),
            down=memory.down if memory else {},
        )
        findings = _findings(found, read)
        kept = self._commit(watched.detector.revision if watched.detector else 0, new, read, findings)
        return Outcome(findings.updates) if kept else None

    # Outages

    def _noted(self, memory: Memory, read: Reading) -> Memory:
        """Write onto the time line which sources are out, and which are back."""
        down = dict(memory.down)
        for status in read.statuses:
            if status.state in OUT and status.live_to is not None and status.source not in down:
                down[status.source] = outage_id(status.source, status.live_to)
                self._store.annotations.put(_outage(status, down[status.source], status.live_to, None, self._now()))
            elif status.state is SourceState.LIVE and status.source in down:
                note = self._store.annotations.one(read.event.id, down.pop(status.source))
                self._store.annotations.put(replace(note, until=max(note.at, status.updated_at or self._now())))
        return replace(memory, down=down)


def _basis(watched: Watched) -> str:
    """What a replay rests on: the tests, when the rule was set, and how many verdicts there were."""
    set_at = watched.rule.updated_at
    return f"{_tests()}{set_at.isoformat() if set_at else 'default'}/{watched.verdicts}"


def _tests() -> str:
    """What a basis begins with: a memory of other tests can not be gone on with."""
    return f"{REVISION}/"


def _settles(open_: Incident | None, step: Mapping[str, Tick], read: Reading, front: int = 0) -> bool:
    """Whether a step may close the incident.

    It is not a step of a source that is behind the others (before `front`), one of the incident's sources is known in
    it, and none of them is dark: no data is not calm.
    """
    sources = {signal.source for signal in open_.evidence} if open_ else set(step)
    known = not sources.isdisjoint(step) and sources.isdisjoint(read.dark)
    return known and step_of(next(iter(step.values())).start) >= front


def _open_steps(counts: Counts, ranges: Mapping[str, tuple[int, int]], read: Reading) -> Iterable[dict[str, Tick]]:
    """The steps that are still being filled, as far as they have messages."""
    assert read.front is not None
    newest = step_of(read.front)
    found: dict[int, dict[str, Tick]] = {}
    for source, (_, last) in ranges.items():
        for step in range(max(last, newest + 1 - _MOST_OPEN_STEPS), newest + 1):
            count = counts.get(source, {}).get(step)
            if count is not None:
                tick = Tick(start_of(step), *count, expected=read.foreseen.at(start_of(step)))
                found.setdefault(step, {})[source] = tick
    return [found[step] for step in sorted(found)]


def _findings(found: Reviewed, read: Reading) -> Findings:
    """What is told of a replay: nothing where nobody follows the event as it happens."""
    if read.followed:
        return Findings(found.told, found.past)
    return Findings((), (*found.past, *found.told))


def _outage(status: SourceStatus, id_: str, since: datetime, until: datetime | None, now: datetime) -> Annotation:
    words = status.state.value.replace("_", " ")
    text = f"{status.source}: {words}" + (f" ({status.detail})" if status.detail else "")
    return Annotation(status.event_id, id_, since, until, AnnotationKind.SYSTEM, text, created_at=now)


def replayed(store: Store, event_id: str, now: datetime, since: datetime | None) -> list[Incident]:
    """What the event's rule makes of its history, without storing anything. Raises NotFound."""
    watched = store.incidents.watched(event_id)
    return replay(past(store, reading(watched, now)), watched.rule.rule, step=STEP, since=since)


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.detect", description="Find the incidents of an event.")
    parser.add_argument("--event", required=True, help="id of the event")
    parser.add_argument("--since", help="only those that opened since: 90m, 36h, 7d, or an ISO 8601 time")
    parser.add_argument("--store", action="store_true", help="store what is new, instead of printing a replay")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    try:
        since = parse_since(options.since, now) if options.since else None
        with Store(Settings().database) as store:
            store.migrate()
            store.event(options.event)
            if options.store:
                print(json.dumps({"told": len(Detector(store).review(options.event).told)}))
            else:
                for incident in replayed(store, options.event, now, since):
                    print(json.dumps(_printable(incident)))
    except AppError as error:
        sys.stderr.write(f"detect: {error}\n")
        return 1
    return 0


def _printable(incident: Incident) -> dict[str, Any]:
    said = {key: value for key, value in incident_json(incident).items() if key != "evidence"}
    times = {
        name: None if getattr(incident, name) is None else getattr(incident, name).isoformat()
        for name in ("started_at", "opened_at", "updated_at", "ended_at")
    }
    return said | times | {"kind": incident.kind.value, "severity": incident.severity.name.lower()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
