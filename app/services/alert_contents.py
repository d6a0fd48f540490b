"""What an alert says: the figures, sentences and evidence that the dashboard shows of its incidents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from app.adapters.alert_records import Parcel
from app.adapters.incident_records import StoredChange
from app.adapters.store import Store
from app.core.alert_content import (
    Alert,
    Entry,
    Evidence,
    Exemplar,
    Phrase,
    Step,
    incident_url,
    most_severe_first,
)
from app.core.errors import AppError
from app.core.incidents import Kind, Severity
from app.core.types import Label
from app.services import evidence as cards
from app.services.incidents import Incidents
from app.services.shares import Shares
from app.settings import Settings
from app.views import Selection

EXPLAINED: Final = 3
"""Incidents in a message that come with their evidence, the most severe ones; the others have the link to it."""

_PHRASES: Final = 5
_EXEMPLARS: Final = 3
_NEGATIVE: Final = frozenset({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT})
_STEP: Final = timedelta(minutes=5)


class AlertContents:
    """Makes alerts of what was claimed from the outbox. `now` is the clock, in UTC; `shares` is as in `Incidents`."""

    def __init__(
        self, store: Store, public_url: str, now: Callable[[], datetime], shares: Shares | None = None
    ) -> None:
        self._incidents = Incidents(store, now, shares)
        self._evidence = cards.Evidence(store, now)
        self._public_url = public_url

    @classmethod
    def served(cls, store: Store, settings: Settings, now: Callable[[], datetime]) -> AlertContents:
        """With shares corrected for the measured errors of the models that are served."""
        return cls(store, settings.public_url, now, Shares.measured(store, settings))

    def of(self, parcel: Parcel) -> Alert:
        """The alert of a parcel, still without evidence: one entry an incident, the most severe first.

        Raises NotFound when the event went meanwhile.
        """
        found = groupby(parcel.changes, key=lambda change: (change[0], change[1].incident.number))
        entries = [self._entry(event_id, number, [told for _, told in group]) for (event_id, number), group in found]
        return Alert(parcel.id, most_severe_first(entries))

    def explained(self, alert: Alert) -> Alert:
        """The alert with the evidence of its most severe incidents. Where that can't be made, the entry says why."""
        shown = [replace(entry, evidence=self._explain(entry)) for entry in alert.entries[:EXPLAINED]]
        return replace(alert, entries=(*shown, *alert.entries[EXPLAINED:]))

    def _entry(self, event_id: str, number: int, told: Sequence[StoredChange]) -> Entry:
        card = self._incidents.get(event_id, number)
        view = card.incident
        words = {change.revision: change.text for change in card.changes}
        sources = {finding.source for finding in view.findings}
        return Entry(
            event_id=event_id,
            event_name=view.event_name,
            number=number,
            severity=Severity[view.severity.upper()],
            kinds=view.kinds,
            source=sources.pop() if len(sources) == 1 else None,
            is_open=view.is_open,
            started_at=view.started_at,
            opened_at=view.opened_at,
            ended_at=view.ended_at,
            steps=tuple(
                Step(change.incident.revision, change.change, change.at, words[change.incident.revision])
                for change in told
            ),
            headline=view.headline,
            findings=tuple(finding.text for finding in view.findings),
            raw=view.raw,
            distinct=view.distinct,
            negative=view.negative,
            negative_before=view.negative_before,
            url=incident_url(self._public_url, event_id, number),
        )

    def _explain(self, entry: Entry) -> Evidence:
        # An incident that has just opened: the step that is being filled is part of it.
        end = entry.ended_at or max(entry.opened_at, *(step.at for step in entry.steps)) + _STEP
        selection = Selection(start=entry.started_at, end=end, source=entry.source)
        label = Label.NEGATIVE if entry.kinds[0] in _NEGATIVE else None
        try:
            return _evidence(self._evidence.card(entry.event_id, selection, label=label))
        except AppError as error:
            return Evidence(note=f"The evidence could not be made: {error}")


def _evidence(card: cards.EvidenceCard) -> Evidence:
    drivers = card.drivers
    exemplars = []
    for story in drivers.stories[:_EXEMPLARS]:
        stored = card.quoted.get(story.exemplar)
        if stored is not None:  # it may have been deleted since
            said = stored.message
            exemplars.append(Exemplar(said.id, said.text, said.source, said.created_at, said.url, story.total.raw))
    phrases = tuple(Phrase(phrase.text, phrase.authors, phrase.times_low) for phrase in drivers.phrases[:_PHRASES])
    return Evidence(phrases, tuple(exemplars), _note(card))


def _note(card: cards.EvidenceCard) -> str:
    said = []
    if card.before is None:
        said.append("Nothing before to compare with.")
    elif not card.drivers.phrases:
        said.append("No phrase stands out from what was written before.")
    if card.window.sampled:
        said.append(f"From a sample of {card.window.read:,} of {card.window.messages:,} messages.")
    return " ".join(said)
