"""What people (and EventPulse itself) write onto the time line of an event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AnnotationKind(StrEnum):
    """What an annotation is about."""

    NOTE = "note"
    STATEMENT = "statement"  # something we said in public: before and after can be compared
    EXPECTED = "expected"  # a moment that is known to raise the volume: it does not alarm for that alone
    SYSTEM = "system"  # written by EventPulse: a source was down, the model changed


@dataclass(frozen=True, slots=True)
class Annotation:
    """A flag on the time line at `at`, or a stretch [at, until). Times are UTC.

    `times` is how many times the usual volume is foreseen; it is set for EXPECTED alone.
    """

    event_id: str
    id: str
    at: datetime
    until: datetime | None
    kind: AnnotationKind
    text: str
    times: float | None = None
    created_at: datetime | None = None
