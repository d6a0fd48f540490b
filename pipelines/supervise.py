"""Which sources are followed: those of every event in the store, as events come, change and go; and each is tested."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from app.adapters.store import Store
from app.core.errors import NotFound, StoreError
from app.core.ids import slug
from app.core.types import Event, SourceState
from app.settings import Settings
from pipelines.detect import Detector, Outcome
from pipelines.follow import AsyncClassifier, EventState, Follower
from pipelines.sources.registry import Connection, Sources, read_budget

log = logging.getLogger(__name__)

TEST_EVERY_S = 1.0
"""The least time between two tests of an event."""

LOOK_EVERY_S = 15.0
"""The most: a rule, a verdict or an annotation takes effect without a message, too."""


class Watcher(Protocol):
    """Is told how the tests of the events go, to count it."""

    def tested(self, done: Outcome, seconds: float, notice_s: Sequence[float]) -> None:
        """A test took so many seconds; `notice_s` is how long each incident that opened took to be noticed."""

    def failed(self) -> None:
        """A test was refused by the database."""


class Supervisor:
    """Keeps one Follower running for each connector of each event, as events come, change and go.

    `sleep` waits so many seconds between two looks at the events.
    """

    def __init__(
        self,
        store: Store,
        classifier: AsyncClassifier,
        settings: Settings,
        trained: frozenset[str],
        watcher: Watcher | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._classifier = classifier
        self._settings = settings
        self._sources = Sources(settings)
        self._trained = trained
        self._detector = Detector(store)
        self._watcher = watcher
        self._sleep = sleep
        self._running: dict[str, tuple[Event, asyncio.Task[None]]] = {}

    async def run(self, poll_s: float = 0.5) -> None:
        """Until cancelled. An error of its own, or of a follower, ends it: Serve then starts a new replica."""
        try:
            while True:
                await self._align()
                for _, task in self._running.values():
                    if task.done():
                        task.result()
                await self._sleep(poll_s)
        finally:
            await self._stop(list(self._running))
            await asyncio.to_thread(self._sources.close)

    async def _align(self) -> None:
        try:
            events = {event.id: event for event in await asyncio.to_thread(self._store.events)}
        except StoreError as error:
            log.warning("can't read the events: %s", error)
            return
        await self._stop([key for key, (event, _) in self._running.items() if events.get(key) != event])
        for key, event in events.items():
            if key not in self._running:
                self._running[key] = (event, asyncio.create_task(self._follow(event)))

    async def _stop(self, keys: list[str]) -> None:
        for key in keys:
            _, task = self._running.pop(key)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, event: Event) -> None:
        """All connectors of an event. An event that is deleted meanwhile just ends."""
        try:
            state = await asyncio.to_thread(EventState, event, self._store, self._trained)
            statuses = await asyncio.to_thread(self._store.statuses, event.id)
            spent = sum(status.billed_reads for status in statuses)
            remaining = max(0, read_budget(event, self._settings) - spent)
            written = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for connection in await asyncio.to_thread(self._connect, event, remaining):
                    await asyncio.to_thread(self._announce, event, connection)
                    if connection.source is not None:
                        follower = Follower(state, connection.source, self._store, self._classifier, stored=written.set)
                        tasks.create_task(follower.run())
                tasks.create_task(self._detect(event.id, written))
        except* NotFound:
            log.info("event %s is gone", event.id)

    async def _detect(self, event_id: str, written: asyncio.Event) -> None:
        """Test the event after each write, but not more often than it is worth. A store that refuses is asked again."""
        while True:
            written.clear()
            try:
                await asyncio.to_thread(self._test, event_id)
            except StoreError as error:
                log.warning("can't test %s: %s", event_id, error)
                if self._watcher is not None:
                    self._watcher.failed()
            await asyncio.sleep(TEST_EVERY_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(written.wait(), LOOK_EVERY_S)

    def _test(self, event_id: str) -> None:
        started = time.perf_counter()
        done = self._detector.test(event_id)
        if self._watcher is not None:
            took = time.perf_counter() - started
            self._watcher.tested(done, took, self._detector.notice_seconds(event_id, done))

    def _connect(self, event: Event, remaining: int) -> list[Connection]:
        return self._sources.live(event, remaining=remaining)

    def _announce(self, event: Event, connection: Connection) -> None:
        """Tell people what becomes of a source before it gives its first page."""
        if connection.source is None:
            self._store.set_status(event.id, connection.name, SourceState.NOT_CONNECTED, connection.reason)
        else:
            detail = "; ".join(connection.problems)
            self._store.set_status(event.id, connection.name, SourceState.CONNECTING, detail)


def ensure_replay_event(store: Store, settings: Settings) -> None:
    """Create the event that the configured recording belongs to, when there is none of that name."""
    if settings.replay_path is None:
        return
    event_id = slug(settings.replay_event)
    if all(event.id != event_id for event in store.events()):
        store.put_event(Event(id=event_id, name=settings.replay_event, query=settings.replay_query))
