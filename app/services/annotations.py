"""Annotations of an event's time line: notes, statements, expected moments, and what EventPulse itself has to say."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import InvalidInput
from app.services.windows import moment

_EXPECTED_LASTS: Final = timedelta(hours=2)
_EXPECTED_TIMES: Final = 3.0
_LONGEST: Final = timedelta(days=366)


class AnnotationDraft(BaseModel):
    """An annotation as an analyst writes it: a flag at `at`, or a stretch up to `until`.

    An expected moment without `until` is two hours long; without `times` three times the usual volume is foreseen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    until: datetime | None = None
    kind: Literal["note", "statement", "expected"] = "note"
    text: str = Field(min_length=1, max_length=500, examples=["Our statement"])
    times: float | None = Field(default=None, gt=1, le=1000, examples=[3])


class Annotations:
    """Keeps the annotations of events. `now` is the clock, in UTC."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def find(self, event_id: str, start: datetime | None = None, end: datetime | None = None) -> tuple[Annotation, ...]:
        """The annotations that touch [start, end) in order of time; None is open. Raises NotFound or InvalidInput."""
        self._store.event(event_id)
        low = moment(start, "start") if start else None
        high = moment(end, "end") if end else None
        return self._store.annotations.between(event_id, low, high)

    def add(self, event_id: str, draft: AnnotationDraft) -> Annotation:
        """Add one; its id is new. Raises NotFound or InvalidInput."""
        return self._put(event_id, secrets.token_hex(8), draft, self._now())

    def change(self, event_id: str, annotation_id: str, draft: AnnotationDraft) -> Annotation:
        """Replace what one says. Raises NotFound, or InvalidInput for one that EventPulse wrote."""
        found = self._own(event_id, annotation_id)
        return self._put(event_id, annotation_id, draft, found.created_at or self._now())

    def delete(self, event_id: str, annotation_id: str) -> None:
        """Remove one. Raises NotFound, or InvalidInput for one that EventPulse wrote."""
        self._own(event_id, annotation_id)
        self._store.annotations.delete(event_id, annotation_id)

    def _own(self, event_id: str, annotation_id: str) -> Annotation:
        self._store.event(event_id)
        found = self._store.annotations.one(event_id, annotation_id)
        if found.kind is AnnotationKind.SYSTEM:
            raise InvalidInput("EventPulse wrote this annotation: it stays as it is", field="annotation_id")
        return found

    def _put(self, event_id: str, annotation_id: str, draft: AnnotationDraft, created_at: datetime) -> Annotation:
        at = moment(draft.at, "at")
        until = moment(draft.until, "until") if draft.until else None
        expected = draft.kind == "expected"
        if draft.times is not None and not expected:
            raise InvalidInput("times belongs to an expected moment", field="times")
        if until is None and expected:
            until = at + _EXPECTED_LASTS
        if until is not None and not at < until <= at + _LONGEST:
            raise InvalidInput("an annotation ends after it begins, and within a year", field="until")
        made = Annotation(
            event_id=event_id,
            id=annotation_id,
            at=at,
            until=until,
            kind=AnnotationKind(draft.kind),
            text=draft.text.strip() or draft.text,
            times=(draft.times or _EXPECTED_TIMES) if expected else None,
            created_at=created_at,
        )
        self._store.annotations.put(made)
        return made
