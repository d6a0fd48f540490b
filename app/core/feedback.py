"""What people say of messages, and what that says of the model.

The log is append-only: a verdict is a row, and taking one back is another row. What stands of one person on one message
is the latest row that was not taken back; two people may stand side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import permutations
from typing import Final, TypeAlias

import numpy as np

from app.core.metrics import confusion_matrix
from app.core.prevalence import Share, share
from app.core.types import CLASSES, Label

Confusion: TypeAlias = tuple[tuple[int, ...], ...]
"""3 x 3 counts of messages in the order of `CLASSES`: the row is what people say, the column what the model said."""

Key: TypeAlias = tuple[str, str]
"""(event id, message id)."""


class MessageVerdict(StrEnum):
    """What somebody says of a message."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"
    OFF_TOPIC = "off_topic"  # it is not about the event, whatever it says
    SKIPPED = "skipped"  # seen, and left to others
    UNDONE = "undone"  # the row takes back another one

    @property
    def label(self) -> Label | None:
        """The sentiment that is meant, if it is one."""
        return _SENTIMENTS.get(self)

    @property
    def is_opinion(self) -> bool:
        """Whether it says something of the message: a sentiment, or off-topic."""
        return self not in (MessageVerdict.SKIPPED, MessageVerdict.UNDONE)


_SENTIMENTS: Final = {MessageVerdict(label.value): label for label in CLASSES}


class Stratum(StrEnum):
    """Why somebody was shown a message."""

    UNCERTAIN = "uncertain"  # the model was unsure
    DISAGREEMENT = "disagreement"  # two models said different things
    RANDOM = "random"  # drawn by lot: only these say how good the model is
    CHOSEN = "chosen"  # somebody came across it


@dataclass(frozen=True, slots=True)
class Judgement:
    """A row of the log. `said` and `model` are what the model had said then; `model` is empty where it said nothing.

    A row that is UNDONE takes back the one whose id is `undoes`.
    """

    id: int
    event_id: str
    message_id: str
    verdict: MessageVerdict
    stratum: Stratum
    said: Label
    model: str
    who: str
    at: datetime
    undoes: int | None = None

    @property
    def key(self) -> Key:
        """The message that it is about."""
        return self.event_id, self.message_id


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """What people make of a message: the latest verdict (a sentiment or off-topic), whose it is and when it was given.

    `people` counts those who gave one; `disputed` is whether they say different things.
    """

    verdict: MessageVerdict
    who: str
    at: datetime
    people: int
    disputed: bool


@dataclass(frozen=True, slots=True)
class LiveQuality:
    """What the random part of the feedback says: each message once, by its latest verdict.

    `accuracy` is over the messages with a sentiment, `off_topic` over all that were judged; None without any.
    Messages that were only `skipped` are in neither.
    """

    accuracy: Share | None
    confusion: Confusion
    off_topic: Share | None
    skipped: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree on the messages that at least two have judged.

    `same` is the share of those messages on which all say the same. `alpha` is Krippendorff's for nominal data (2011,
    "Computing Krippendorff's alpha-reliability"): 1 is agreement, 0 what chance would give; None where everything that
    was said is one and the same, so that agreement can't be told from chance.
    """

    same: Share
    alpha: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """A message on which something stands: the latest row of each person that was not taken back, by id.

    `drawn` is the first row that the lot led to, even if that person has said something else since: a message that
    was drawn stays in the sample when it is judged again.
    """

    key: Key
    standing: tuple[Judgement, ...]
    drawn: Judgement | None

    @property
    def opinions(self) -> tuple[Judgement, ...]:
        """The rows that say something of the message."""
        return tuple(row for row in self.standing if row.verdict.is_opinion)

    def of(self, who: str) -> Judgement | None:
        """What stands of a person."""
        return next((row for row in self.standing if row.who == who), None)

    @property
    def label(self) -> HumanLabel | None:
        """What people make of it; None where it was only skipped."""
        said = self.opinions
        if not said:
            return None
        disputed = len({row.verdict for row in said}) > 1
        return HumanLabel(said[-1].verdict, said[-1].who, said[-1].at, len(said), disputed)


def cases(log: Iterable[Judgement]) -> dict[Key, Case]:
    """What stands on each message, from the rows of the log in any order; the message judged last comes last."""
    rows = sorted(log, key=lambda row: row.id)
    undone = {row.undoes for row in rows}
    latest: dict[Key, dict[str, Judgement]] = {}
    drawn: dict[Key, Judgement] = {}
    for row in rows:
        if row.verdict is MessageVerdict.UNDONE or row.id in undone:
            continue
        people = latest.pop(row.key, {})
        people.pop(row.who, None)
        latest[row.key] = {**people, row.who: row}
        if row.stratum is Stratum.RANDOM:
            drawn.setdefault(row.key, row)
    return {key: Case(key, tuple(people.values()), drawn.get(key)) for key, people in latest.items()}


def live_quality(judged: Iterable[Case], model: str | None = None) -> LiveQuality:
    """How good the model is by the messages that were drawn; with `model`, on what that version had said alone.

    A message counts once, by the latest opinion of anybody, against what the model had said when it was drawn.
    """
    true: list[int] = []
    said: list[int] = []
    off_topic = skipped = 0
    for case in judged:
        if case.drawn is None or case.drawn.said not in CLASSES or model not in (None, case.drawn.model):
            continue
        if case.label is None:
            skipped += 1
        elif case.label.verdict.label is None:
            off_topic += 1
        else:
            true.append(CLASSES.index(case.label.verdict.label))
            said.append(CLASSES.index(case.drawn.said))
    confusion = confusion_matrix(true, said, len(CLASSES))
    return LiveQuality(
        accuracy=share(int(np.trace(confusion)), len(true)),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        off_topic=share(off_topic, off_topic + len(true)),
        skipped=skipped,
    )


def models(judged: Iterable[Case]) -> list[str]:
    """The model versions of the messages that were drawn, the one that was judged last first."""
    drawn = [case.drawn for case in judged if case.drawn is not None and case.drawn.said in CLASSES]
    return list(dict.fromkeys(row.model for row in sorted(drawn, key=lambda row: -row.id)))


def agreement(judged: Iterable[Case]) -> Agreement | None:
    """How far people agree, over the messages that at least two have an opinion on; None without any."""
    units = [[row.verdict for row in case.opinions] for case in judged if len(case.opinions) > 1]
    same = share(sum(len(set(said)) == 1 for said in units), len(units))
    return None if same is None else Agreement(same, krippendorff_alpha(units))


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal data: of each unit the values that people gave it, in any order.

    Units with fewer than two values say nothing. None where all values are one and the same.
    """
    coincidences: defaultdict[tuple[Hashable, Hashable], float] = defaultdict(float)
    for values in units:
        for pair in permutations(values, 2):
            coincidences[pair] += 1 / (len(values) - 1)
    totals: defaultdict[Hashable, float] = defaultdict(float)
    for (first, _), weight in coincidences.items():
        totals[first] += weight
    whole = sum(totals.values())
    by_chance = whole**2 - sum(total**2 for total in totals.values())
    differing = sum(weight for (first, second), weight in coincidences.items() if first != second)
    return 1 - (whole - 1) * differing / by_chance if len(totals) > 1 else None
