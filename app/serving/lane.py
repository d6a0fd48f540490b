"""The queue before one backend: what many callers ask is merged into calls of a size that suits it.

There is no waiting for a batch to fill: while a call runs, what comes in meanwhile is the next one.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction
from app.serving.classifier import About
from app.serving.preprocess import Prepared

# A call of the backend is cut by it into runs of similar length: with this many runs there is something to sort, and
# another caller still gets its turn soon.
_RUNS_PER_CALL = 8
_SMOOTHING = 0.2


class Backend(Protocol):
    """Something that classifies: a replica in this process, or a handle to some in others."""

    async def about(self) -> About:
        """What it is."""

    async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """One prediction a row of token ids, in order. Raises ClassifierError, and Overloaded when it has no room."""

    async def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """The same for texts."""


@dataclass(slots=True)
class _Asked:
    prepared: Prepared
    expires: float
    answer: asyncio.Future[Prediction]


class Lane:
    """Merges, bounds and times the calls of one backend. Belongs to one event loop.

    `tokenizer` is the SHA-256 of the one that `Prepared.ids` come from; `calls` is how many may run at once (two a
    replica keep it busy); `most_waiting` is the number of texts that may wait. Times are seconds of `clock`.
    """

    def __init__(
        self,
        backend: Backend,
        tokenizer: str,
        *,
        calls: int = 1,
        most_waiting: int = 8192,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._tokenizer = tokenizer
        self._calls = calls
        self._most_waiting = most_waiting
        self._clock = clock
        self._known: About | None = None
        self._waiting: deque[_Asked] = deque()
        self._asked: dict[str, _Asked] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens = 0  # that wait or are being worked on
        self._token_s = 0.0

    async def about(self) -> About:
        """The model behind the lane, asked for once. Raises Overloaded while it is not up."""
        if self._known is None:
            self._known = await self._backend.about()
        return self._known

    @property
    def waiting(self) -> int:
        """Texts that wait."""
        return len(self._waiting)

    def wait_s(self, tokens: int = 0) -> float:
        """How long so many more tokens would take from now on, by the speed seen so far."""
        return (self._tokens + tokens) * self._token_s / self._calls

    async def predict(self, texts: Sequence[Prepared], expires: float) -> list[Prediction]:
        """One prediction a text, in order; a text that is being asked for already is not asked for again.

        Raises Overloaded when too many wait or the clock passes `expires`, and ClassifierError.
        """
        await self.about()
        new = {each.text: each for each in texts if each.text not in self._asked}
        if len(self._waiting) + len(new) > self._most_waiting:
            raise Overloaded(
                f"{len(self._waiting)} texts wait for the classifier: try again later", retry_after=self.wait_s()
            )
        for each in sorted(new.values(), key=lambda prepared: len(prepared.ids)):
            self._add(each, expires)
        asked = [self._asked[each.text] for each in texts]
        for one in asked:
            one.expires = max(one.expires, expires)
        self._pump()
        # Not gathered: who gives up must not take the answer from others who wait for it.
        _, late = await asyncio.wait({one.answer for one in asked}, timeout=max(0.0, expires - self._clock()))
        if late:
            raise Overloaded(
                f"{len(late)} of {len(texts)} texts were not classified in time", retry_after=self.wait_s()
            )
        return [one.answer.result() for one in asked]

    def _add(self, prepared: Prepared, expires: float) -> None:
        one = _Asked(prepared, expires, asyncio.get_running_loop().create_future())
        self._asked[prepared.text] = one
        self._waiting.append(one)
        self._tokens += len(prepared.ids)

    def _pump(self) -> None:
        """Start calls for what waits, as long as another may run."""
        while self._waiting and len(self._tasks) < self._calls:
            if batch := self._take():
                task = asyncio.get_running_loop().create_task(self._call(batch))
                self._tasks.add(task)
                task.add_done_callback(functools.partial(self._settle, batch))

    def _take(self) -> list[_Asked]:
        """The oldest that wait, as many as suit a call; what nobody waits for any more is dropped."""
        batch: list[_Asked] = []
        room = _RUNS_PER_CALL * (self._known.tokens_per_call if self._known else 0)
        now = self._clock()
        while self._waiting and (not batch or room >= len(self._waiting[0].prepared.ids)):
            one = self._waiting.popleft()
            if one.expires < now:
                self._forget(one, Overloaded("not classified in time", retry_after=self.wait_s()))
                continue
            room -= len(one.prepared.ids)
            batch.append(one)
        return batch

    async def _call(self, batch: Sequence[_Asked]) -> None:
        """Answer a batch. A text that the model refuses is found by halving, so that it fails alone."""
        begun = self._clock()
        try:
            predictions = await self._ask([one.prepared for one in batch])
        except Overloaded:
            raise
        except ClassifierError:
            if len(batch) == 1:
                raise
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                try:
                    await self._call(half)
                except ClassifierError as error:
                    for one in half:
                        self._forget(one, error)
            return
        tokens = sum(len(one.prepared.ids) for one in batch)
        took = (self._clock() - begun) / tokens
        self._token_s += (took - self._token_s) * (_SMOOTHING if self._token_s else 1.0)
        for one, prediction in zip(batch, predictions, strict=True):
            self._forget(one, prediction)
        if self._known is not None and predictions[0].model != self._known.model:
            self._known = None  # another model has been deployed behind the handle: ask anew

    async def _ask(self, batch: Sequence[Prepared]) -> list[Prediction]:
        if (await self.about()).tokenizer == self._tokenizer:
            return await self._backend.score([each.ids for each in batch])
        return await self._backend.classify([each.text for each in batch])

    def _settle(self, batch: Sequence[_Asked], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            for one in batch:
                self._forget(one, error)
        self._pump()

    def _forget(self, one: _Asked, outcome: Prediction | BaseException) -> None:
        if one.answer.done():
            return
        self._asked.pop(one.prepared.text, None)
        self._tokens -= len(one.prepared.ids)
        if isinstance(outcome, BaseException):
            one.answer.set_exception(outcome)
            one.answer.exception()  # seen: nobody may be waiting any more
        else:
            one.answer.set_result(outcome)
