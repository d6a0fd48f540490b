"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Clock:
    """Call it for the time; may be read and moved from several threads."""

    def __init__(self, at: datetime = START) -> None:
        self._at = at
        self._lock = Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._at

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._at += timedelta(seconds=seconds)
