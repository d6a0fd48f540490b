"""A source, a classifier and a store for the pipeline, each with its troubles scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from app.adapters.records import Progress, PutResult, Record
from app.adapters.store import Store
from app.core.errors import ClassifierError, Overloaded, SourceError, StoreError
from app.core.types import CLASSES, Message, Prediction
from pipelines.sources.base import Cursor, Page

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def message(
    number: int, text: str | None = None, *, at: datetime | None = None, source: str = "test", lang: str | None = "en"
) -> Message:
    """A message that is like no other unless it is given a text; one a second."""
    words = " ".join(f"w{number}x{place}" for place in range(6))
    return Message(f"m{number}", text or words, at or START + timedelta(seconds=number), source, lang=lang)


class ListSource:
    """Gives its pages one after the other; an error among them is raised once, where it stands.

    The cursor is the number of pages given. `on_fetch` is called with the number of the fetch before it answers.
    """

    def __init__(
        self,
        script: Sequence[Sequence[Message] | Page | SourceError],
        *,
        name: str = "test",
        endless: bool = False,
        on_fetch: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._name = name
        self._steps = [step for step in script if not isinstance(step, SourceError)]
        self._errors: dict[int, list[SourceError]] = {}
        place = 0
        for step in script:
            if isinstance(step, SourceError):
                self._errors.setdefault(place, []).append(step)
            else:
                place += 1
        self._endless = endless
        self._on_fetch = on_fetch
        self.fetches = 0
        self.closed = 0

    @property
    def name(self) -> str:
        return self._name

    def fetch(self, cursor: Cursor | None) -> Page:
        self.fetches += 1
        self._on_fetch(self.fetches)
        place = int(str((cursor or {}).get("page", 0)))
        if self._errors.get(place):
            raise self._errors[place].pop(0)
        if place >= len(self._steps):
            return Page((), {"page": place}, finished=not self._endless)
        step = self._steps[place]
        last = place == len(self._steps) - 1 and not self._endless
        if isinstance(step, Page):
            return step
        live_to = step[-1].created_at if step else None
        return Page(tuple(step), {"page": place + 1}, live_to=live_to, billed=len(step), finished=last)

    def close(self) -> None:
        self.closed += 1


class FakeClassifier:
    """Judges by the length of a text. It is overloaded at first `overloaded` times, and refuses some texts."""

    def __init__(
        self, *, overloaded: int = 0, refuses: Sequence[str] = (), on_call: Callable[[int], None] = lambda number: None
    ) -> None:
        self._overloaded = overloaded
        self._refuses = frozenset(refuses)
        self._on_call = on_call
        self.calls: list[list[str]] = []

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        self.calls.append(list(texts))
        self._on_call(len(self.calls))
        await asyncio.sleep(0)
        if self._overloaded:
            self._overloaded -= 1
            raise Overloaded("the queue is full", retry_after=7.0)
        if refused := self._refuses.intersection(texts):
            raise ClassifierError(f"can't read {sorted(refused)}")
        return [predicted(text) for text in texts]


class SilentClassifier:
    """Never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        self.asked.set()
        await asyncio.Event().wait()
        return []


def predicted(text: str, model: str = "fake-1") -> Prediction:
    """What the fake classifier says of a text."""
    index = len(text) % 3
    negative, neutral, positive = (0.8 if place == index else 0.1 for place in range(3))
    return Prediction(CLASSES[index], (negative, neutral, positive), model, "fake")


class FlakyStore(Store):
    """Refuses pages by their number, counted from 1, before anything of them is written."""

    def __init__(self, url: str, refused: Sequence[int] = (), on_put: Callable[[int], None] = lambda number: None):
        super().__init__(url)
        self._refused = frozenset(refused)
        self._on_put = on_put
        self.puts = 0

    def put_page(self, event_id: str, connector: str, records: Sequence[Record], progress: Progress) -> PutResult:
        self.puts += 1
        self._on_put(self.puts)
        if self.puts in self._refused:
            raise StoreError("the disk is full")
        return super().put_page(event_id, connector, records, progress)


class Naps:
    """Sleeping that takes no time; remembers how long it was meant to be."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if seconds > 0:
            self.waits.append(seconds)
        await asyncio.sleep(0)
