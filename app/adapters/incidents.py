"""The part of the store that keeps incidents: what the detector writes, and what people say of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from app.adapters import (
    alert_tables,
    annotation_tables,
    detector_tables,
    event_tables,
    incident_tables,
    source_tables,
)
from app.adapters.database import Database
from app.adapters.incident_records import (
    DetectorState,
    Findings,
    IncidentFilter,
    IncidentRows,
    StoredChange,
    StoredIncident,
    StoredRule,
    StoredVerdict,
    Watched,
)
from app.core.dial import Judged, Verdict
from app.core.history import Counts
from app.core.watch import Rule


class IncidentStore:
    """The incidents of a `Store`, as `store.incidents`. Raises StoreError like the store.

    What always holds: a detector's state and all that it found are stored together or not at all, and once, however
    many processes test the same event; every change of an incident is kept; verdicts are only ever appended.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    # The detector

    def detector(self, event_id: str) -> DetectorState | None:
        """Where the detector of an event stands; None before its first run."""
        with self._database.read() as connection:
            return detector_tables.state(connection, event_id)

    def tested(self, event_id: str | None = None) -> dict[str, datetime]:
        """By event (None: all), the time before which everything has been tested."""
        with self._database.read() as connection:
            return detector_tables.tested(connection, event_id)

    def watched(self, event_id: str) -> Watched:
        """What the detector needs to know of an event before it looks at counts. Raises NotFound."""
        with self._database.snapshot() as connection:
            return Watched(
                event=event_tables.event(connection, event_id),
                statuses=source_tables.statuses(connection, event_id),
                annotations=annotation_tables.between(connection, event_id, None, None),
                last_steps=detector_tables.last_steps(connection, event_id),
                detector=detector_tables.state(connection, event_id),
                rule=detector_tables.rule(connection, event_id),
                verdicts=incident_tables.count_verdicts(connection, event_id),
            )

    def advance(
        self, event_id: str, read: int, state: Mapping[str, Any], tested_to: datetime, findings: Findings
    ) -> bool:
        """Store a detector's new state and what it found, if nobody else has meanwhile.

        `read` is the revision of the state that it began with, 0 for none. False: another was faster, nothing is
        kept, and the run is to be done again. Raises NotFound when there is no such event.
        """
        now = self._now()
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            if not detector_tables.put_state(connection, event_id, read, state, tested_to, now):
                return False
            incident_tables.put_changes(connection, event_id, findings.past, now, in_history=True)
            incident_tables.put_changes(connection, event_id, findings.updates, now, in_history=False)
            alert_tables.enqueue(connection, event_id, findings.updates, now)
            if findings.current is not None:
                incident_tables.put_incident(connection, event_id, findings.current, in_history=False)
        return True

    def step_counts(self, event_id: str, since: datetime, until: datetime, sources: Collection[str]) -> Counts:
        """The counts of the steps from that of `since` on which begin before `until`, of these sources."""
        with self._database.read() as connection:
            return detector_tables.step_counts(connection, event_id, since, until, sources)

    def counted_before(self, event_id: str, moments: Mapping[str, datetime]) -> dict[str, int]:
        """By source: its messages from before a time, to the minute."""
        with self._database.read() as connection:
            return {
                source: detector_tables.counted_before(connection, event_id, source, moment)
                for source, moment in moments.items()
            }

    # Incidents

    def one(self, event_id: str, number: int) -> StoredIncident:
        """One incident. Raises NotFound."""
        with self._database.read() as connection:
            return incident_tables.one(connection, event_id, number)

    def find(self, where: IncidentFilter, *, limit: int = 50, after: str | None = None) -> IncidentRows:
        """A page of incidents, the latest opened first. Raises InvalidInput for a limit or `after` that cannot be."""
        with self._database.read() as connection:
            return incident_tables.find(connection, where, limit, after)

    def alarms(self) -> frozenset[tuple[str, int, int]]:
        """Event, number and severity of all open incidents: cheap to ask, and changes when people have to know."""
        with self._database.read() as connection:
            return incident_tables.alarms(connection)

    def changes(self, event_id: str, number: int) -> tuple[StoredChange, ...]:
        """The changes of an incident, the oldest first."""
        with self._database.read() as connection:
            return incident_tables.history_of(connection, event_id, number)

    def stretches(self, event_id: str) -> list[tuple[int, datetime, datetime | None]]:
        """(number, started_at, ended_at) of all incidents of an event; None while it is open."""
        with self._database.read() as connection:
            return incident_tables.stretches(connection, event_id)

    # What people say

    def give_verdict(self, event_id: str, number: int, verdict: Verdict | None, note: str = "") -> None:
        """Append a verdict, or with None a withdrawal. Raises NotFound, or InvalidInput for a note that can't be."""
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            incident_tables.one(connection, event_id, number)
            incident_tables.put_verdict(connection, event_id, number, verdict, note, self._now())

    def verdicts(self, event_id: str, number: int | None = None) -> tuple[StoredVerdict, ...]:
        """The log of the verdicts of an event, or of one incident, the oldest first."""
        with self._database.read() as connection:
            return incident_tables.verdicts_of(connection, event_id, number)

    def judged(self, event_id: str) -> list[Judged]:
        """The incidents of an event on which a verdict stands."""
        stands = {line.number: line.verdict for line in self.verdicts(event_id)}
        return [
            Judged(verdict, started_at, ended_at)
            for number, started_at, ended_at in self.stretches(event_id)
            if (verdict := stands.get(number)) is not None
        ]

    def rule(self, event_id: str) -> StoredRule:
        """The rule of an event, or the default."""
        with self._database.read() as connection:
            return detector_tables.rule(connection, event_id)

    def put_rule(self, event_id: str, rule: Rule, *, enabled: bool = True) -> None:
        """Set the rule of an event. Raises NotFound."""
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            detector_tables.put_rule(connection, event_id, rule, enabled, self._now())

    # Time to insight

    def record_step(self, event_id: str, number: int, step: str) -> bool:
        """Note that a step has happened; only the first time is kept. Says whether it was. Raises NotFound."""
        with self._database.read() as connection:
            incident_tables.one(connection, event_id, number)
            known = incident_tables.steps_of(connection, event_id).get((event_id, number), {})
        if step in known:
            return False
        with self._database.write() as connection:
            return incident_tables.put_step(connection, event_id, number, step, self._now())

    def steps(self, event_id: str | None = None) -> Mapping[tuple[str, int], Mapping[str, datetime]]:
        """The first time of each step, by event and number, for the incidents that were told."""
        with self._database.read() as connection:
            return incident_tables.steps_of(connection, event_id)
