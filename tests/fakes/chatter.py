"""A stream of messages for the detector: steady chatter, with bursts where a test wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.history import STEP
from app.core.text import content_hash
from app.core.types import Event, Label, Message, Prediction, SourceState

START = datetime(2026, 11, 1, tzinfo=UTC)
EVENT = Event("launch", "Launch", "*")
_PROBABILITIES = {
    Label.NEGATIVE: (0.8, 0.1, 0.1),
    Label.NEUTRAL: (0.1, 0.8, 0.1),
    Label.POSITIVE: (0.1, 0.1, 0.8),
}


def time_of(step: float) -> datetime:
    """The beginning of a step, counted from START."""
    return START + step * STEP


class Chatter:
    """Puts messages into a store, a source a page. Steps are counted from START.

    `name` begins the ids. The usual is `usual` messages a step, every fifth negative, with a little variation that is
    always the same.
    """

    def __init__(
        self, store: Store, *, source: str = "x", connector: str = "x_stream", usual: int = 6, name: str = "m"
    ) -> None:
        self.store = store
        self.source = source
        self.connector = connector
        self.usual = usual
        self.name = name
        self._number = 0

    def put(
        self, steps: Iterable[int], *, extra: Mapping[int, tuple[int, int]] | None = None, live: bool = True
    ) -> None:
        """The chatter of these steps, and `extra` (negative, other) messages in some; read to the end of the last."""
        records, end = [], START
        for step in steps:
            end = max(end, time_of(step + 1))
            wave = (0, 1, -1, 2, 0, -2, 1, -1, 0, 1, 0)[step % 11]
            many = max(0, self.usual + wave)
            negative, other = (extra or {}).get(step, (0, 0))
            labels = [Label.NEGATIVE if (step + n) % 5 == 0 else Label.POSITIVE for n in range(many)]
            labels += [Label.NEGATIVE] * negative + [Label.NEUTRAL] * other
            records += [self._record(time_of(step + (n + 0.5) / len(labels)), label) for n, label in enumerate(labels)]
        self.page(records, end if live else None)

    def burst(self, step: float, negative: int, other: int = 0) -> None:
        """Messages within a second, at a moment in a step; nothing is said of how far the source was read."""
        labels = [Label.NEGATIVE] * negative + [Label.NEUTRAL] * other
        self.page([self._record(time_of(step), label) for label in labels], None)

    def page(self, records: Iterable[Record], live_to: datetime | None, state: SourceState = SourceState.LIVE) -> None:
        """Store a page of the source's connector."""
        progress = Progress(live_to=live_to, state=state)
        self.store.put_page(EVENT.id, self.connector, list(records), progress)

    def _record(self, at: datetime, label: Label) -> Record:
        self._number += 1
        name = f"{self.name}-{self.source}-{self.connector}-{self._number}"
        message = Message(name, f"text of {name}", at, self.source, lang="en")
        return Record(message, Prediction(label, _PROBABILITIES[label], "fake-1", "fake"), content_hash(name), at)
