"""The life of an incident for tests: a book that is fed step after step, and what it told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.core.incidents import Change, Incident, IncidentBook, Lifecycle, Signal, Update
from tests.core.ticks import STEP, time_of

RULES = Lifecycle(least_size=10.0, calm_s=3_600, cooldown_s=6 * 3_600)


class Life:
    """A book, step after step."""

    def __init__(self, rules: Lifecycle = RULES) -> None:
        self.book = IncidentBook(rules)
        self.steps = 0
        self.updates: list[Update] = []

    @property
    def now(self) -> datetime:
        return time_of(self.steps)

    def step(self, *signals: Signal, known: bool = True, complete: bool = True) -> list[Change]:
        """What is told of the next step, with which the signals begin."""
        found = [replace(each, since=self.now) for each in signals]
        self.steps += 1
        updates = self.book.step(self.now, STEP, found, known=known, complete=complete)
        self.updates += updates
        return [update.change for update in updates]

    def steps_of(self, count: int, *signals: Signal) -> list[Change]:
        return [change for _ in range(count) for change in self.step(*signals)]

    @property
    def open(self) -> Incident:
        assert self.book.open is not None
        return self.book.open

    @property
    def numbers(self) -> list[int]:
        return [update.incident.number for update in self.updates if update.change is Change.OPENED]
