"""Did our statement work? The same length of time before and after a moment, and what else may have moved the share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from app.adapters.incident_records import IncidentFilter
from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput
from app.core.prevalence import Share
from app.core.types import Label
from app.services.comparison import Comparison, ComparisonDraft, Comparisons, Side, SideDraft, Told
from app.services.windows import live_to, moment
from app.services.words import at as at_time
from app.services.words import capital, length, percent, points, stretch, with_interval

_MINUTE: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Around:
    """What is asked: the moment itself, or the annotation that marks it, how long before and after, and what part of
    the event.
    """

    at: datetime | None = None
    annotation_id: str | None = None
    hours: float = 24.0
    source: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Two windows of one length on both sides of a moment.

    `comparison` has the window before as its first side, and its warnings are among those here. `trend` is how far the
    negative share had moved within the window before already, its second half against its first. `sentence` says what
    was found of the negative share; that it came after the moment does not say that it came of it.
    """

    event_id: str
    at: datetime
    annotation: Annotation | None
    hours: float
    comparison: Comparison
    trend: Told | None
    sentence: str
    warnings: tuple[str, ...]


class BeforesAfters:
    """Compares before and after. `now` is the clock, in UTC."""

    def __init__(self, store: Store, comparisons: Comparisons, now: Callable[[], datetime]) -> None:
        self._store = store
        self._comparisons = comparisons
        self._now = now

    def around(self, event_id: str, asked: Around) -> BeforeAfter:
        """Before and after a moment, as much of both as there is after it.

        Raises NotFound, or InvalidInput where nothing is known after the moment yet.
        """
        self._store.event(event_id)
        annotation = self._annotation(event_id, asked)
        if asked.at is not None:
            at = moment(asked.at, "at")
        elif annotation is not None:
            at = annotation.at
        else:
            raise InvalidInput("before and after what? Give at, or the id of an annotation", field="at")
        at = at.replace(second=0, microsecond=0)  # whole minutes are counted, and none on both sides
        wanted = timedelta(hours=asked.hours)
        if not _MINUTE <= wanted <= _LONGEST:
            raise InvalidInput(f"{asked.hours} hours: choose a minute to 92 days", field="hours")
        known = self._known_after(event_id, at)
        span = min(wanted, known)
        sides = [
            SideDraft(event_id=event_id, name=name, start=start, end=end, source=asked.source, country=asked.country)
            for name, (start, end) in zip(("Before", "After"), pairwise((at - span, at, at + span)), strict=True)
        ]
        comparison = self._comparisons.compare(ComparisonDraft(sides=tuple(sides)))
        halves = [sides[0].model_copy(update={"start": start, "end": end}) for start, end in _halves(at - span, at)]
        trend = self._comparisons.compare(ComparisonDraft(sides=tuple(halves))).sides[1].differences
        warnings = list(comparison.warnings)
        if span < wanted:
            warnings.append(f"{length(span)} are known after it, so {length(span)} before and after are compared")
        warnings += self._confounders(event_id, annotation, at, span)
        if (moved := trend.get(Label.NEGATIVE)) and moved.verdict != "can't tell":
            warnings.append(
                f"the negative share was moving before: {moved.verdict} in the second half of that time, by "
                f"{points(moved.low, moved.high)}"
            )
        before, after = comparison.sides
        return BeforeAfter(
            event_id=event_id,
            at=at,
            annotation=annotation,
            hours=span / timedelta(hours=1),
            comparison=comparison,
            trend=trend.get(Label.NEGATIVE),
            sentence=_sentence(before, after, span),
            warnings=tuple(map(capital, warnings)),
        )

    def _annotation(self, event_id: str, asked: Around) -> Annotation | None:
        if asked.annotation_id is None:
            return None
        if asked.at is not None:
            raise InvalidInput("give at or annotation, not both", field="annotation")
        return self._store.annotations.one(event_id, asked.annotation_id)

    def _known_after(self, event_id: str, at: datetime) -> timedelta:
        """Whole minutes after the moment of which everything is known."""
        span = self._store.span(event_id)
        edge = live_to(self._store.statuses(event_id)) or (span[1] + _MINUTE if span else None)
        known = edge.replace(second=0, microsecond=0) - at if edge else timedelta()
        if known < _MINUTE:
            told = f"the data end at {at_time(edge, self._now())}" if edge else "the event has no messages"
            raise InvalidInput(f"nothing is known after {at_time(at, self._now())} yet: {told}", field="at")
        return known

    def _confounders(self, event_id: str, own: Annotation | None, at: datetime, span: timedelta) -> list[str]:
        """What else happened, and might have moved the share without the moment."""
        now, found = self._now(), []
        for note in self._store.annotations.between(event_id, at - span, at + span):
            if own is not None and note.id == own.id:
                continue
            if note.kind is AnnotationKind.EXPECTED:
                found.append(
                    f'the windows touch the expected moment "{note.text}", {stretch(note.at, note.until, now)}'
                )
            if note.kind is AnnotationKind.STATEMENT:
                found.append(f'there was another statement, "{note.text}", at {at_time(note.at, now)}')
        for stored in self._store.incidents.find(IncidentFilter(event_id, start=at - span, end=at)).items:
            incident = stored.incident
            when = stretch(incident.started_at, incident.ended_at, now)
            found.append(f"incident {incident.number}, {when}, was before it: what rose that far falls again by itself")
        return found


def _halves(start: datetime, end: datetime) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
    minutes = (end - start) // _MINUTE
    middle = start + _MINUTE * (minutes // 2) if minutes > 1 else start + (end - start) / 2
    return (start, middle), (middle, end)


def _sentence(before: Side, after: Side, span: timedelta) -> str:
    told = after.differences.get(Label.NEGATIVE)
    now, then = after.shares.get(Label.NEGATIVE), before.shares.get(Label.NEGATIVE)
    if told is None or now is None or then is None:
        side = "before" if then is None else "after"
        return f"Nothing was scored in the {length(span)} {side}: there is nothing to compare."
    was, number = percent(then.value), f"n = {_least(now, then):,}"
    said = f"Negative share {with_interval(now)} in the {length(span)} after, {was} before"
    if told.verdict == "can't tell":
        return f"{said}: no difference we can tell ({number})."
    return f"{said}: {told.verdict}, by {points(told.low, told.high)} ({number})."


def _least(one: Share, other: Share) -> int:
    return min(one.n, other.n)
