"""Follow one source of one event: fetch, prepare, classify, store, as stages joined by queues of one page."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.dedup import DuplicateIndex
from app.core.errors import (
    BudgetExhausted,
    ClassifierError,
    Overloaded,
    RateLimited,
    SourceError,
    StoreError,
    Unauthorized,
)
from app.core.types import DeadLetter, Event, Message, Prediction, SourceState
from pipelines.process import Prepared, Preparer, mark_duplicates, records
from pipelines.sources.base import Cursor, Page, Source

T = TypeVar("T")

log = logging.getLogger(__name__)

# Texts in one call to the classifier: enough to fill the cores, few enough not to keep the API waiting.
BATCH = 128
_LONGEST_BACKOFF_S = 60.0
_LONGEST_STORE_BACKOFF_S = 5.0
_LEAST_IDLE_S = 0.05


class AsyncClassifier(Protocol):
    """The classifier as the pipeline sees it."""

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction a text, in order; `keys` are the ids of the messages, which decide the arm."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page on its way through the pipeline."""

    page: Page
    prepared: Prepared
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Scored:
    """A page whose messages have been classified."""

    fetched: Fetched
    records: tuple[Record, ...]
    dead_letters: tuple[DeadLetter, ...]


def backoff(first: float, failures: int, longest: float) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, up to `longest`."""
    return min(first * 2.0 ** min(failures - 1, 30), longest)


class EventState:
    """What the sources of one event share: its matcher and its memory of texts."""

    def __init__(self, event: Event, store: Store, trained: frozenset[str], capacity: int = 20_000) -> None:
        self.event = event
        self.preparer = Preparer(event, trained)
        self.turn = asyncio.Lock()
        self._index = DuplicateIndex(capacity)
        for message_id, text in store.firsts(event.id, capacity):
            self._index.first_of(message_id, text)

    def prepare(self, page: Page) -> Prepared:
        """Clean, match and de-duplicate a page. One page at a time: hold `turn`."""
        prepared = self.preparer.prepare(page.messages)
        return replace(prepared, messages=tuple(mark_duplicates(prepared.messages, self._index)))


class Follower:
    """Reads one source of one event to the end of time: fetch, prepare, classify, store, each a stage of its own.

    The stages are joined by queues of one page. A slow classifier or database therefore stops the reading, and memory
    stays bounded. Pages are stored in the order of reading, each with its cursor; what happened in between (a refusal,
    a wait) is reported in that order too, so that the last status is the latest. `sleep` waits so many seconds;
    `stored` is called after each write.
    """

    def __init__(
        self,
        state: EventState,
        source: Source,
        store: Store,
        classifier: AsyncClassifier,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._event_id = state.event.id
        self._source = source
        self._store = store
        self._classifier = classifier
        self._now = now
        self._sleep = sleep
        self._stored = stored
        # A cancelled run leaves a fetch behind in its thread: a source is used by one thread at a time.
        self._source_lock = threading.Lock()

    async def run(self) -> None:
        """Until the source is finished or refuses for good; a cancelled run stores no half page."""
        fetched: asyncio.Queue[Fetched | Progress | None] = asyncio.Queue(1)
        scored: asyncio.Queue[Scored | Progress | None] = asyncio.Queue(1)
        try:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(self._fetch_all(fetched))
                stages.create_task(self._classify_all(fetched, scored))
                stages.create_task(self._store_all(scored))
        finally:
            await asyncio.to_thread(self._close)

    def _fetch(self, cursor: Cursor | None) -> Page:
        with self._source_lock:
            return self._source.fetch(cursor)

    def _close(self) -> None:
        with self._source_lock:
            self._source.close()

    async def _fetch_all(self, out: asyncio.Queue[Fetched | Progress | None]) -> None:
        cursor: Cursor | None = await self._patiently(lambda: self._store.cursor(self._event_id, self._source.name))
        failures = 0
        while True:
            try:
                page = await asyncio.to_thread(self._fetch, cursor)
            except (Unauthorized, BudgetExhausted) as error:
                state = SourceState.BUDGET_USED if isinstance(error, BudgetExhausted) else SourceState.UNAUTHORIZED
                await out.put(Progress(state=state, detail=str(error), errors=1))
                break
            except SourceError as error:
                failures += 1
                wait = (
                    error.retry_after if isinstance(error, RateLimited) else backoff(2.0, failures, _LONGEST_BACKOFF_S)
                )
                detail = f"{error}; next try in {wait:.0f} s"
                await out.put(Progress(state=SourceState.WAITING, detail=detail, errors=1))
                await self._sleep(wait)
                continue
            failures, cursor = 0, page.cursor
            async with self._state.turn:
                prepared = await asyncio.to_thread(self._state.prepare, page)
            await out.put(Fetched(page, prepared, self._now()))
            if page.finished:
                break
            # A source with nothing to give must not spin, even if it would be asked again at once.
            await self._sleep(page.wait_s if page.messages else max(page.wait_s, _LEAST_IDLE_S))
        await out.put(None)

    async def _classify_all(
        self, inbox: asyncio.Queue[Fetched | Progress | None], out: asyncio.Queue[Scored | Progress | None]
    ) -> None:
        while (fetched := await inbox.get()) is not None:
            if isinstance(fetched, Progress):
                await out.put(fetched)
                continue
            messages = fetched.prepared.to_score
            given: list[Prediction | str] = []
            for start in range(0, len(messages), BATCH):
                given += await self._classify(messages[start : start + BATCH])
            await out.put(self._join(fetched, given))
        await out.put(None)

    async def _classify(self, messages: Sequence[Message]) -> list[Prediction | str]:
        """A prediction or the reason for none, for each message. A full queue is waited for; nothing is shed."""
        texts, keys = [message.text for message in messages], [message.id for message in messages]
        while True:
            try:
                return list(await self._classifier.classify(texts, keys))
            except Overloaded as error:
                await self._sleep(error.retry_after)
            except ClassifierError as error:
                if len(messages) == 1:
                    return [str(error)]
                half = len(messages) // 2
                return await self._classify(messages[:half]) + await self._classify(messages[half:])

    def _join(self, fetched: Fetched, given: list[Prediction | str]) -> Scored:
        outcomes = iter(given)
        prepared = fetched.prepared
        messages: list[Message] = []
        scorable: list[bool] = []
        predictions: list[Prediction] = []
        dead: list[DeadLetter] = []
        for message, scored in zip(prepared.messages, prepared.scorable, strict=True):
            outcome = next(outcomes) if scored else None
            if isinstance(outcome, str):
                dead.append(DeadLetter("classify", outcome, message.text, message.source, self._event_id))
                continue
            messages.append(message)
            scorable.append(scored)
            if outcome is not None:
                predictions.append(outcome)
        return Scored(fetched, tuple(records(messages, scorable, predictions, fetched.fetched_at)), tuple(dead))

    async def _store_all(self, inbox: asyncio.Queue[Scored | Progress | None]) -> None:
        while (scored := await inbox.get()) is not None:
            await (self._report(scored) if isinstance(scored, Progress) else self._put(scored))
            self._stored()

    async def _put(self, scored: Scored) -> None:
        page, prepared = scored.fetched.page, scored.fetched.prepared
        progress = Progress(
            cursor=page.cursor,
            state=SourceState.FINISHED if page.finished else SourceState.LIVE,
            detail=page.note,
            live_to=page.live_to,
            lag_s=max(0.0, (self._now() - scored.fetched.fetched_at).total_seconds()),
            reads=len(page.messages),
            billed_reads=page.billed,
            unmatched=prepared.unmatched,
            dead_letters=page.dead_letters + prepared.dead_letters + scored.dead_letters,
        )
        await self._patiently(lambda: self._store.put_page(self._event_id, self._source.name, scored.records, progress))

    async def _report(self, progress: Progress) -> None:
        await self._patiently(lambda: self._store.put_page(self._event_id, self._source.name, (), progress))

    async def _patiently(self, call: Callable[[], T]) -> T:
        """A call to the store in a thread, again and again while it refuses: a full disk must not lose a page."""
        failures = 0
        while True:
            try:
                return await asyncio.to_thread(call)
            except StoreError as error:
                failures += 1
                wait = backoff(0.5, failures, _LONGEST_STORE_BACKOFF_S)
                log.warning("store: %s; next try in %.1f s", error, wait)
                await self._sleep(wait)
