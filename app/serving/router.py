"""The router: which arm answers a message, from the cache or from its replicas, and which arms are asked in silence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import ClassifierError
from app.core.split import TrafficSplit
from app.core.types import Prediction
from app.serving.arms import Arm
from app.serving.ledger import Ledger, Pair, Report
from app.serving.preprocess import Prepared

CHAMPION = "champion"
"""The arm that answers when another one can't."""

_MOST_SHADOW_CALLS = 64
_log = logging.getLogger(__name__)


class Routing(BaseModel):
    """The `user_config` of the router in serve_config.yaml: changed live, without a restart.

    `weights` are percent of the messages an arm answers. The arms of `shadow` also score what another arm has
    answered; nobody is told, the pairs are kept. Any arm but `champion` is the Serve application of that name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: dict[str, float] = Field(default_factory=lambda: {CHAMPION: 100.0})
    shadow: tuple[str, ...] = ()


class Preparing(Protocol):
    """The stage before: `app.serving.preprocess.Preprocessor`, here or behind a handle."""

    async def prepare(self, texts: Sequence[str]) -> list[Prepared]:
        """Each text prepared, in order."""


class Router:
    """Answers texts. `connect` makes the arm of a name; `cached` is the number of predictions that are remembered."""

    def __init__(
        self,
        preprocessor: Preparing,
        connect: Callable[[str], Arm],
        ledger: Ledger,
        *,
        cached: int = 50_000,
        deadline_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._preprocessor = preprocessor
        self._connect = connect
        self._ledger = ledger
        self._deadline_s = deadline_s
        self._clock = clock
        self._arms: dict[str, Arm] = {}
        self._cache: LRUCache[tuple[str, str], Prediction] = LRUCache(cached)
        self._background: set[asyncio.Task[None]] = set()
        self.reconfigure(Routing())

    def reconfigure(self, routing: Routing) -> None:
        """Take new weights from the next message on. Raises ConfigError and keeps the old ones if they are no split."""
        self._split = TrafficSplit(routing.weights)
        self._routing = routing
        self._arms = {
            name: arm for name, arm in self._arms.items() if name in {CHAMPION, *routing.weights, *routing.shadow}
        }

    async def languages(self) -> frozenset[str]:
        """The languages that the champion was trained for. Raises Overloaded while it is not up."""
        return await self._arm(CHAMPION).languages()

    async def classify(
        self, texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        """One prediction a text, in order.

        `keys` are the ids of the messages, which decide the arm; without them the text does. Raises Overloaded when
        there is no room or no answer in `deadline_s` seconds, and ClassifierError.
        """
        expires = self._clock() + (deadline_s if deadline_s is not None else self._deadline_s)
        prepared = await self._preprocessor.prepare(texts)
        arms = [self._split.arm(key) for key in keys or [each.text for each in prepared]]
        rows_of: dict[str, list[int]] = {}
        for row, arm in enumerate(arms):
            rows_of.setdefault(arm, []).append(row)
        said: dict[int, Prediction] = {}
        for rows, predictions in zip(
            rows_of.values(),
            await asyncio.gather(
                *(self._answer(arm, [prepared[row] for row in rows], expires) for arm, rows in rows_of.items())
            ),
            strict=True,
        ):
            said |= zip(rows, predictions, strict=True)
        answers = [said[row] for row in range(len(texts))]
        if self._routing.shadow:
            self._shadow(prepared, keys or [each.text for each in prepared], answers)
        return answers

    async def report(self, since: float) -> Report:
        """What has happened since then, in seconds of the Unix clock."""
        return self._ledger.report(since)

    def _arm(self, name: str) -> Arm:
        if name not in self._arms:
            self._arms[name] = self._connect(name)
        return self._arms[name]

    async def _answer(self, name: str, texts: Sequence[Prepared], expires: float) -> list[Prediction]:
        """From the arm, or from the champion when the arm fails; half of the time is kept for that."""
        now = self._clock()
        try:
            return await self._ask(name, texts, expires if name == CHAMPION else (now + expires) / 2)
        except ClassifierError as error:
            if name == CHAMPION:
                raise
            _log.warning("%s answers for %s: %s", CHAMPION, name, error)
            return await self._ask(CHAMPION, texts, expires)

    async def _ask(self, name: str, texts: Sequence[Prepared], expires: float) -> list[Prediction]:
        begun = self._clock()
        try:
            predictions, remembered = await self._recall(self._arm(name), texts, expires)
        except ClassifierError as error:
            self._ledger.failed(name, len(texts), error)
            raise
        self._ledger.answered(name, predictions, self._clock() - begun, remembered)
        return predictions

    async def _recall(self, arm: Arm, texts: Sequence[Prepared], expires: float) -> tuple[list[Prediction], int]:
        """Predictions, and how many of them were remembered."""
        model = await arm.model()
        asked = {each.text: each for each in texts}
        found = {text: self._cache[model, text] for text in asked if (model, text) in self._cache}
        missing = [each for text, each in asked.items() if text not in found]
        if missing:
            for each, prediction in zip(missing, await arm.predict(missing, expires), strict=True):
                self._cache[model, each.text] = found[each.text] = prediction
        return [replace(found[each.text], arm=arm.name) for each in texts], len(texts) - len(missing)

    def _shadow(self, prepared: Sequence[Prepared], keys: Sequence[str], answers: Sequence[Prediction]) -> None:
        for name in self._routing.shadow:
            rows = [row for row, answer in enumerate(answers) if answer.arm != name]
            if not rows:
                continue
            if len(self._background) >= _MOST_SHADOW_CALLS:
                self._ledger.skipped(name, len(rows))
                continue
            self._run(self._compare(name, [(keys[row], prepared[row], answers[row]) for row in rows]))

    async def _compare(self, name: str, asked: Sequence[tuple[str, Prepared, Prediction]]) -> None:
        try:
            scored = await self._ask(name, [text for _, text, _ in asked], self._clock() + self._deadline_s)
        except ClassifierError as error:
            _log.warning("the shadow %s did not score %d texts: %s", name, len(asked), error)
            return
        self._ledger.paired([Pair(key, answer, shadow) for (key, _, answer), shadow in zip(asked, scored, strict=True)])

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
