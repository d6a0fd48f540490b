"""Annotations of an event's time line: notes, statements, expected moments, and what EventPulse itself has to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.store import Store
from app.core.annotations import Annotation


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
        raise NotImplementedError

    def add(self, event_id: str, draft: AnnotationDraft) -> Annotation:
        """Add one; its id is new. Raises NotFound or InvalidInput."""
        raise NotImplementedError

    def change(self, event_id: str, annotation_id: str, draft: AnnotationDraft) -> Annotation:
        """Replace what one says. Raises NotFound, or InvalidInput for one that EventPulse wrote."""
        raise NotImplementedError

    def delete(self, event_id: str, annotation_id: str) -> None:
        """Remove one. Raises NotFound, or InvalidInput for one that EventPulse wrote."""
        raise NotImplementedError
