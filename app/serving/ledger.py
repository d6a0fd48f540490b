"""What each arm did lately: for the judgement of a canary, for metrics, and the pairs of shadow scoring on disk."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from app.adapters.shadow_log import ShadowLog
from app.adapters.telemetry import Telemetry
from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction

_REMEMBERED = 20_000
"""Requests and pairs that a report can reach back."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two arms said of the same message; `key` is its id. `answer` is what the caller got."""

    key: str
    answer: Prediction
    shadow: Prediction


@dataclass(frozen=True, slots=True)
class ArmReport:
    """One arm in a span of time. Latencies are seconds inside the router; nan without a request."""

    requests: int = 0
    texts: int = 0
    failed: int = 0
    skipped: int = 0
    remembered: int = 0
    p50_s: float = math.nan
    p95_s: float = math.nan
    p99_s: float = math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """What a router saw since a time. `pairs` counts (label of the answer's arm, label of the other) by the two arms,
    named in alphabetical order: {("challenger", "champion"): {("negative", "neutral"): 3}}.
    """

    router: str
    arms: dict[str, ArmReport] = field(default_factory=dict)
    pairs: dict[tuple[str, str], dict[tuple[str, str], int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Request:
    at: float
    arm: str
    texts: int
    seconds: float
    failed: bool = False
    remembered: int = 0
    skipped: bool = False


class Ledger:
    """Remembers the last 20,000 requests and pairs of one router, and passes everything on to metrics and disk.

    `clock` gives seconds of the Unix clock.
    """

    def __init__(
        self,
        router: str,
        *,
        telemetry: Telemetry | None = None,
        log: ShadowLog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._router = router
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._requests: deque[_Request] = deque(maxlen=_REMEMBERED)
        self._pairs: deque[tuple[float, Pair]] = deque(maxlen=_REMEMBERED)

    def answered(self, arm: str, predictions: Sequence[Prediction], seconds: float, remembered: int) -> None:
        """An arm has answered a request, some of it from the cache."""
        self._requests.append(_Request(self._clock(), arm, len(predictions), seconds, remembered=remembered))
        if self._telemetry is not None:
            for (model, backend), texts in Counter((each.model, each.backend) for each in predictions).items():
                self._telemetry.texts.inc(texts, {"arm": arm, "model": model, "backend": backend})
            if remembered:  # Ray refuses to add nothing
                self._telemetry.remembered.inc(remembered, {"arm": arm})
            self._telemetry.seconds.observe(seconds, {"arm": arm})

    def failed(self, arm: str, texts: int, error: ClassifierError) -> None:
        """An arm could not answer a request."""
        self._requests.append(_Request(self._clock(), arm, texts, 0.0, failed=True))
        if self._telemetry is not None:
            reason = "overloaded" if isinstance(error, Overloaded) else "failed"
            self._telemetry.failures.inc(texts, {"arm": arm, "reason": reason})

    def skipped(self, arm: str, texts: int) -> None:
        """A shadow arm was not asked, for want of room."""
        self._requests.append(_Request(self._clock(), arm, texts, 0.0, skipped=True))
        if self._telemetry is not None:
            self._telemetry.failures.inc(texts, {"arm": arm, "reason": "skipped"})

    def paired(self, pairs: Sequence[Pair]) -> None:
        """A shadow arm has scored what another one answered."""
        now = self._clock()
        self._pairs.extend((now, pair) for pair in pairs)
        if self._log is not None:
            self._log.append([(now, pair.key, pair.answer, pair.shadow) for pair in pairs])

    def report(self, since: float) -> Report:
        """Everything remembered since then."""
        requests = [each for each in self._requests if each.at >= since]
        arms = {arm: _summary(each for each in requests if each.arm == arm) for arm in {each.arm for each in requests}}
        pairs: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        for at, pair in self._pairs:
            if at >= since:
                first, second = sorted((pair.answer, pair.shadow), key=lambda said: said.arm)
                pairs.setdefault((first.arm, second.arm), Counter())[str(first.label), str(second.label)] += 1
        return Report(self._router, arms, {arms: dict(counts) for arms, counts in pairs.items()})

    def close(self) -> None:
        """Write what is not on disk yet."""
        if self._log is not None:
            self._log.flush()


def _summary(requests: Iterable[_Request]) -> ArmReport:
    each = list(requests)
    done = [request for request in each if not request.failed and not request.skipped]
    seconds = sorted(request.seconds for request in done)
    return ArmReport(
        requests=len(done),
        texts=sum(request.texts for request in done),
        failed=sum(request.texts for request in each if request.failed),
        skipped=sum(request.texts for request in each if request.skipped),
        remembered=sum(request.remembered for request in done),
        p50_s=_quantile(seconds, 0.5),
        p95_s=_quantile(seconds, 0.95),
        p99_s=_quantile(seconds, 0.99),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
