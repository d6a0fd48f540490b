"""What the arms of a canary did, by the reports of all routers, and how far they said the same of the same messages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from app.core.canary import CHALLENGER, CHAMPION
from app.core.proportions import exact_interval, matched_difference
from app.core.significance import Interval
from app.core.types import CLASSES

Pairs: TypeAlias = Mapping[tuple[str, str], int]
"""How many messages had (label of the champion, label of the challenger)."""


class Counted(Protocol):
    """One arm in a span of time, as `app.serving.ledger.ArmReport` counts it: seconds, nan without a request."""

    @property
    def requests(self) -> int:
        """Requests answered."""

    @property
    def texts(self) -> int:
        """Texts answered."""

    @property
    def failed(self) -> int:
        """Texts not answered."""

    @property
    def skipped(self) -> int:
        """Texts that a shadow was not asked for, for want of room."""

    @property
    def p50_s(self) -> float:
        """Median time of a request."""

    @property
    def p95_s(self) -> float:
        """95 of 100 requests are not slower."""


class Seen(Protocol):
    """What one router saw, as `app.serving.ledger.Report` says it."""

    @property
    def router(self) -> str:
        """Its id."""

    @property
    def arms(self) -> Mapping[str, Counted]:
        """Each arm by its name."""

    @property
    def pairs(self) -> Mapping[tuple[str, str], Mapping[tuple[str, str], int]]:
        """Counts of label pairs by the two arms, named in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One arm at all routers together. Quantiles are the mean over the routers, weighted by their requests."""

    requests: int = 0
    texts: int = 0
    failed: int = 0
    skipped: int = 0
    p50_s: float = math.nan
    p95_s: float = math.nan

    @property
    def tried(self) -> int:
        """Texts answered or failed."""
        return self.texts + self.failed


@dataclass(frozen=True, slots=True)
class Observed:
    """A span of time: both arms, and what they said of the same messages."""

    champion: Counts = Counts()
    challenger: Counts = Counts()
    pairs: Pairs = field(default_factory=dict)


def observed(reports: Iterable[Seen]) -> Observed:
    """The reports of several routers as one. Each router may be there once."""
    kept = list(reports)
    pairs: Counter[tuple[str, str]] = Counter()
    for report in kept:
        # The arms of a pair are named in alphabetical order, which is challenger and then champion.
        for (challenger, champion), count in report.pairs.get((CHALLENGER, CHAMPION), {}).items():
            pairs[champion, challenger] += count
    return Observed(_counts(kept, CHAMPION), _counts(kept, CHALLENGER), dict(pairs))


def agreement(pairs: Pairs, confidence: float = 0.999) -> Interval | None:
    """The part of the messages with the same label, with its exact interval; None without a pair."""
    n = sum(pairs.values())
    if n == 0:
        return None
    same = sum(count for (champion, challenger), count in pairs.items() if champion == challenger)
    return exact_interval(same, n, confidence)


def shifts(pairs: Pairs, confidence: float = 0.999) -> dict[str, Interval]:
    """By how much the challenger's share of each class is above the champion's. Empty without a pair."""
    n = sum(pairs.values())
    return {name.value: _shift_of(name.value, pairs, n, confidence) for name in CLASSES} if n else {}


def _counts(reports: Sequence[Seen], arm: str) -> Counts:
    found = [report.arms[arm] for report in reports if arm in report.arms]
    timed = [each for each in found if each.requests]
    requests = sum(each.requests for each in timed)
    return Counts(
        requests=requests,
        texts=sum(each.texts for each in found),
        failed=sum(each.failed for each in found),
        skipped=sum(each.skipped for each in found),
        p50_s=sum(each.p50_s * each.requests for each in timed) / requests if requests else math.nan,
        p95_s=sum(each.p95_s * each.requests for each in timed) / requests if requests else math.nan,
    )


def _shift_of(label: str, pairs: Pairs, n: int, confidence: float) -> Interval:
    gained = sum(count for (before, after), count in pairs.items() if after == label != before)
    lost = sum(count for (before, after), count in pairs.items() if before == label != after)
    return matched_difference(gained, lost, n, confidence)
