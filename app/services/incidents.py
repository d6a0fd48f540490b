"""Incidents for people: which there are, what each is in a sentence, what was made of it, and how an event is doing."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.adapters.incident_records import IncidentFilter, StoredChange, StoredIncident, StoredVerdict
from app.adapters.store import Store
from app.core.annotations import AnnotationKind
from app.core.dial import Verdict
from app.core.errors import InvalidInput, NotFound
from app.core.incidents import Incident, Kind, Severity, Signal
from app.core.types import Count, Event, Label, SourceStatus
from app.services import detection_rules, event_states, incident_words
from app.services.incident_views import (
    ChangeView,
    DryRun,
    EventState,
    Finding,
    GivenVerdict,
    IncidentCard,
    IncidentPage,
    IncidentView,
    Offer,
    RuleDraft,
    RuleView,
    SeverityName,
    StateName,
    VerdictEntry,
    WouldBe,
)
from app.services.shares import Scored, Shares, alike, classified, correction_of, differences, shares_of
from app.services.windows import moment
from app.services.words import negative_sentence

__all__ = [
    "ChangeView",
    "DryRun",
    "EventState",
    "Finding",
    "GivenVerdict",
    "IncidentCard",
    "IncidentPage",
    "IncidentView",
    "Incidents",
    "Offer",
    "RuleDraft",
    "RuleView",
    "SeverityName",
    "StateName",
    "Verdict",
    "VerdictEntry",
    "WouldBe",
]

_MOST: Final = 500
_LONGEST_NOTE: Final = 2_000
# What "before" means: as long a stretch as the incident, but no less than a day, or a short one says nothing.
_LEAST_BEFORE: Final = timedelta(days=1)
_EXPECTED_LASTS: Final = timedelta(hours=2)


class Incidents:
    """Answers questions about incidents. `now` is the clock, in UTC; without `shares` none are corrected."""

    def __init__(self, store: Store, now: Callable[[], datetime], shares: Shares | None = None) -> None:
        self._store = store
        self._now = now
        self._shares = shares or Shares(store, lambda model: None)

    # Incidents

    def find(
        self,
        *,
        event_id: str | None = None,
        is_open: bool | None = None,
        least_severity: SeverityName = "watch",
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> IncidentPage:
        """Incidents of an event (None: of all), the latest opened first; those that touch [start, end).

        Raises NotFound, or InvalidInput for a limit, a time or an `after` that cannot be.
        """
        if not 1 <= limit <= _MOST:
            raise InvalidInput(f"a limit of {limit}: choose 1 to {_MOST}", field="limit")
        where = IncidentFilter(
            event_id=event_id,
            is_open=is_open,
            least_severity=Severity[least_severity.upper()],
            start=moment(start, "start") if start else None,
            end=moment(end, "end") if end else None,
        )
        names = {event.id: event for event in ([self._store.event(event_id)] if event_id else self._store.events())}
        page = self._store.incidents.find(where, limit=limit, after=after)
        # An event may have gone between the two questions, and its incidents with it.
        items = tuple(self._view(names[each.event_id], each) for each in page.items if each.event_id in names)
        return IncidentPage(items, page.next)

    def get(self, event_id: str, number: int) -> IncidentCard:
        """One incident with its history. Raises NotFound."""
        event = self._store.event(event_id)
        stored = self._store.incidents.one(event_id, number)
        changes = self._store.incidents.changes(event_id, number)
        verdicts = self._store.incidents.verdicts(event_id, number)
        view = self._view(event, stored)
        return IncidentCard(
            incident=view,
            changes=tuple(self._change(told, before) for told, before in zip(changes, (None, *changes), strict=False)),
            verdicts=tuple(VerdictEntry(line.verdict, line.note, line.at) for line in verdicts),
            offer=self._offer(stored.incident, view),
        )

    def alarms(self) -> Hashable:
        """Changes when an incident opens, closes or becomes more serious, of any event; cheap to ask."""
        return self._store.incidents.alarms()

    def latest_change(self, event_id: str, number: int) -> ChangeView:
        """The latest that was told of an incident. Raises NotFound."""
        changes = self._store.incidents.changes(event_id, number)
        if not changes:
            raise NotFound(f"event {event_id!r} has no incident {number}", field="number")
        return self._change(changes[-1], changes[-2] if len(changes) > 1 else None)

    def state(self, event_id: str) -> EventState:
        """Calm, watch, incident n, or no data. Raises NotFound."""
        event = self._store.event(event_id)
        found = self._store.incidents.find(IncidentFilter(event_id=event_id, is_open=True), limit=1)
        statuses = self._store.statuses(event_id)
        tested_to = self._store.incidents.tested(event_id).get(event_id)
        return self._state(event, found.items[0] if found.items else None, statuses, tested_to)

    def states(self) -> dict[str, EventState]:
        """The state of every event by its id."""
        events = self._store.events()
        open_ = self._store.incidents.find(IncidentFilter(is_open=True), limit=max(1, len(events))).items
        by_event = {stored.event_id: stored for stored in open_}
        tested = self._store.incidents.tested()
        statuses: dict[str, list[SourceStatus]] = {}
        for status in self._store.statuses():
            statuses.setdefault(status.event_id, []).append(status)
        return {
            event.id: self._state(event, by_event.get(event.id), statuses.get(event.id, ()), tested.get(event.id))
            for event in events
        }

    def _state(
        self,
        event: Event,
        stored: StoredIncident | None,
        statuses: Sequence[SourceStatus],
        tested_to: datetime | None,
    ) -> EventState:
        incident = self._view(event, stored) if stored else None
        return event_states.state(event.id, statuses, tested_to, incident, self._now())

    # Verdicts

    def give_verdict(self, event_id: str, number: int, verdict: Verdict, note: str = "") -> IncidentCard:
        """Say what an incident was; a later verdict stands in for an earlier one. Raises NotFound or InvalidInput."""
        if len(note) > _LONGEST_NOTE:
            raise InvalidInput(f"a note has at most {_LONGEST_NOTE:,} characters", field="note")
        self._store.incidents.give_verdict(event_id, number, verdict, note)
        return self.get(event_id, number)

    def withdraw_verdict(self, event_id: str, number: int) -> IncidentCard:
        """Take the verdict back; the log keeps it. Raises NotFound where none stands."""
        self._store.incidents.one(event_id, number)
        if _standing(self._store.incidents.verdicts(event_id, number)) is None:
            raise NotFound(f"incident {number} of {event_id!r} has no verdict", field="number")
        self._store.incidents.give_verdict(event_id, number, None)
        return self.get(event_id, number)

    # Rules

    def rule(self, event_id: str) -> RuleView:
        """The rule of an event, or the default. Raises NotFound."""
        self._store.event(event_id)
        return detection_rules.view(self._store, event_id)

    def put_rule(self, event_id: str, draft: RuleDraft) -> RuleView:
        """Set the rule; it holds from the next test on. Raises NotFound or InvalidInput."""
        rule = detection_rules.rule_of(draft)
        self._store.incidents.put_rule(event_id, rule, enabled=draft.enabled)
        return self.rule(event_id)

    def dry_run(self, event_id: str, draft: RuleDraft, *, days: int = 30) -> DryRun:
        """What the rule would have done in the event's own last days. Raises NotFound or InvalidInput."""
        return detection_rules.dry_run(self._store, event_id, draft, days, self._now())

    # Views

    def _view(self, event: Event, stored: StoredIncident) -> IncidentView:
        incident = stored.incident
        verdict = _standing(self._store.incidents.verdicts(event.id, incident.number))
        now = self._now()
        total, inside, before = self._counted(event.id, incident)
        negative, negative_before = (shares_of(each).get(Label.NEGATIVE) for each in (inside, before))
        change = differences(inside, before).get(Label.NEGATIVE)
        said = negative_sentence(negative, negative_before, change)
        return IncidentView(
            event_id=event.id,
            event_name=event.name,
            number=incident.number,
            kind=incident.kind,
            kinds=incident.kinds,
            severity=incident_words.severity_name(incident.severity),
            is_open=incident.is_open,
            in_history=stored.in_history,
            is_collection=incident.kinds == (Kind.SWITCHED_ON,),
            started_at=incident.started_at,
            opened_at=incident.opened_at,
            updated_at=incident.updated_at,
            ended_at=incident.ended_at,
            revision=incident.revision,
            reopened=incident.reopened,
            headline=incident_words.headline(incident, total, said, now),
            raw=total.raw,
            distinct=total.distinct,
            negative=negative,
            negative_before=negative_before,
            findings=tuple(_finding(signal, now) for signal in incident.evidence),
            verdict=verdict,
            change=change,
            classified=classified(inside.counts).get(Label.NEGATIVE),
            correction=correction_of(inside),
        )

    def _counted(self, event_id: str, incident: Incident) -> tuple[Count, Scored, Scored]:
        """The messages in it, and what they and those before it were scored; of its source, where that is one."""
        sources = {signal.source for signal in incident.evidence}
        source = sources.pop() if len(sources) == 1 else None
        start, end = incident.started_at, incident.ended_at or max(self._now(), incident.updated_at)
        before = start - max(_LEAST_BEFORE, (incident.ended_at or incident.updated_at) - start)
        counts = self._store.totals(event_id, start, incident.ended_at, source=source)
        inside, outside = alike(
            self._shares.look(event_id, start, end, counts),
            self._shares.look(event_id, before, start, self._store.totals(event_id, before, start, source=source)),
        )
        return sum(counts.values(), Count()), inside, outside

    def _change(self, told: StoredChange, before: StoredChange | None) -> ChangeView:
        return ChangeView(
            revision=told.incident.revision,
            change=told.change,
            severity=incident_words.severity_name(told.incident.severity),
            at=told.at,
            told_at=told.told_at,
            text=incident_words.change(told, before, self._now()),
        )

    def _offer(self, incident: Incident, view: IncidentView) -> Offer | None:
        """An expected moment for an incident that was one, unless there is one."""
        if view.verdict is None or view.verdict.verdict is not Verdict.EXPECTED:
            return None
        until = max(incident.ended_at or incident.updated_at, incident.started_at + _EXPECTED_LASTS)
        notes = self._store.annotations.between(view.event_id, incident.started_at, until)
        if any(note.kind is AnnotationKind.EXPECTED for note in notes):
            return None
        factors = [
            signal.observed / max(signal.expected, 1.0) for signal in incident.evidence if signal.kind is Kind.VOLUME
        ]
        text = view.verdict.note or f"expected: incident {incident.number}"
        return Offer(incident.started_at, until, float(max(2, math.ceil(max(factors, default=2.0)))), text)


def _standing(log: Sequence[StoredVerdict]) -> GivenVerdict | None:
    """The verdict that stands: the last line, unless that is a withdrawal."""
    if not log or log[-1].verdict is None:
        return None
    return GivenVerdict(log[-1].verdict, log[-1].note, log[-1].at)


def _finding(signal: Signal, now: datetime) -> Finding:
    return Finding(
        kind=signal.kind,
        source=signal.source,
        since=signal.since,
        observed=signal.observed,
        expected=signal.expected,
        surprise=signal.surprise,
        text=incident_words.finding(signal, now),
    )
