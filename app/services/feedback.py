"""Feedback: which messages are to be judged, what people say of them, and what that says of the model."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.feedback_tables import LONGEST_NAME, JudgementPage
from app.adapters.feedback_tables import name as person
from app.adapters.records import StoredMessage
from app.adapters.shadow_log import disagreements, shadow_folder
from app.adapters.store import Store
from app.core.errors import InvalidInput
from app.core.feedback import (
    Agreement,
    Case,
    Confusion,
    HumanLabel,
    Judgement,
    LiveQuality,
    MessageVerdict,
    Stratum,
    agreement,
    cases,
    live_quality,
    models,
)
from app.core.queue import fill, is_for_lot, margin, place, shared, slots
from app.settings import Settings

MOST: int = 100
"""The longest queue that is given at once."""


class VerdictDraft(BaseModel):
    """A verdict as somebody gives it. `stratum` is that of the queue's item; without it the message was chosen.

    `who` tells people apart; it is a name, not a login.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: str = Field(min_length=1, max_length=500, examples=["x:1860000000000000000"])
    verdict: Literal[
        MessageVerdict.NEGATIVE,
        MessageVerdict.NEUTRAL,
        MessageVerdict.POSITIVE,
        MessageVerdict.OFF_TOPIC,
        MessageVerdict.SKIPPED,
    ] = Field(examples=["negative"])
    stratum: Stratum = Stratum.CHOSEN
    who: str = Field(default="analyst", min_length=1, max_length=LONGEST_NAME, examples=["ann"])


class UndoDraft(BaseModel):
    """Whose verdict is taken back: the latest one, or the latest one on `message_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: str = Field(default="analyst", min_length=1, max_length=LONGEST_NAME, examples=["ann"])
    message_id: str | None = Field(default=None, min_length=1, max_length=500, examples=["x:1860000000000000000"])


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A message to be judged, and why it is asked for. Show what the model says only after the verdict."""

    message: StoredMessage
    stratum: Stratum


@dataclass(frozen=True, slots=True)
class Queue:
    """What somebody is to judge next, in this order. `judged` and `skipped` count what stands of that person."""

    event_id: str
    who: str
    items: tuple[QueueItem, ...]
    judged: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that was given or taken back, and what people make of the message after it; None for nothing."""

    judgement: Judgement
    feedback: HumanLabel | None


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """What the random part says of one version of the model."""

    model: str
    quality: LiveQuality


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """What the feedback of an event says. `quality` is that of the event, `overall` that of all events together;
    `models` is overall, the version that was judged last first.

    `messages` counts what was judged by `people`, by the stratum of the latest verdict in `strata`; `disputed` those
    on which people say different things. `agreement` is on all messages that at least two judged, `ceiling` on those
    of the random part: no model can be expected to agree with people better than they do with each other.
    """

    event_id: str
    quality: LiveQuality
    overall: LiveQuality
    models: tuple[ModelQuality, ...]
    messages: int
    people: int
    strata: Mapping[Stratum, int]
    disputed: int
    agreement: Agreement | None
    ceiling: Agreement | None


class Feedback:
    """Hands out messages, takes verdicts, and says what they say. The counts of an event stay the model's."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._shadow = shadow_folder(settings.state_dir)

    def queue(self, event_id: str, who: str = "analyst", *, limit: int = 20) -> Queue:
        """The next messages for somebody: nothing that this person or anybody else has judged, but for every fourth
        of the random part, which somebody else has, so that agreement can be measured.

        The same store gives the same queue. Raises NotFound or InvalidInput.
        """
        if not 1 <= limit <= MOST:
            raise InvalidInput(f"a limit of {limit}: choose 1 to {MOST}", field="limit")
        who = person(who)
        self._store.event(event_id)
        judged = cases(self._store.feedback.log(event_id)).values()
        mine = [row for case in judged for row in case.standing if row.who == who]
        done = sum(row.stratum is not Stratum.CHOSEN for row in mine)
        chosen = fill(
            slots(done, limit),
            self._hard(event_id, {case.key[1] for case in judged if case.opinions or case.of(who)})
            | {Stratum.RANDOM: self._lot(event_id, who, judged, (done, limit))},
        )
        messages = self._store.some(event_id, [message_id for message_id, _ in chosen])
        skipped = sum(row.verdict is MessageVerdict.SKIPPED for row in mine)
        items = (QueueItem(messages[name], stratum) for name, stratum in chosen if name in messages)
        return Queue(event_id, who, tuple(items), len(mine) - skipped, skipped)

    def _hard(self, event_id: str, taken: Collection[str]) -> dict[Stratum, list[str]]:
        """The messages that are not kept for the lot: the least certain, and those on which models disagree most."""
        open_ = [
            each
            for each in self._store.feedback.newest(event_id)
            if each.id not in taken and not is_for_lot(event_id, each.id)
        ]
        uncertain = heapq.nsmallest(MOST, open_, key=lambda each: margin(each.probabilities))
        apart = {key: gap for key, gap in disagreements(self._shadow).items() if not is_for_lot(event_id, key)}
        disputed = self._store.feedback.candidates(event_id, apart.keys() - set(taken))
        return {
            Stratum.UNCERTAIN: [each.id for each in uncertain],
            Stratum.DISAGREEMENT: sorted(disputed, key=lambda key: (-apart[key], key)),
        }

    def _lot(self, event_id: str, who: str, judged: Iterable[Case], asked: tuple[int, int]) -> list[str]:
        """Messages by lot: first those that others have drawn before, as many as are due, then new ones.

        One that was judged for another reason may be drawn: left out, it would be missed in the sample.
        """
        drawn = {case.key[1]: case for case in judged if case.drawn is not None}
        others = [name for name, case in drawn.items() if case.opinions and case.of(who) is None]
        again = sorted(others, key=lambda name: place(event_id, name))[: shared(*asked)]
        without = {name for name, case in drawn.items() if case.opinions or case.of(who)}
        seed = f"{event_id}\n{who}\n{asked[0]}"
        return again + self._store.feedback.lot(event_id, asked[1], seed=seed, without=without)

    def judge(self, event_id: str, draft: VerdictDraft) -> Judged:
        """Append a verdict; given twice it counts once. Raises NotFound or InvalidInput."""
        given = self._store.feedback.judge(
            event_id, draft.message_id, draft.verdict, who=draft.who, stratum=draft.stratum
        )
        return self._judged(given)

    def undo(self, event_id: str, draft: UndoDraft) -> Judged:
        """Take back somebody's latest verdict; the one before it stands again. Raises NotFound where none stands."""
        return self._judged(self._store.feedback.undo(event_id, draft.who, draft.message_id))

    def item(self, row: Judgement) -> QueueItem | None:
        """The message of a row, to be judged again for the same reason; None when it was deleted."""
        message = self._store.some(row.event_id, [row.message_id]).get(row.message_id)
        return None if message is None else QueueItem(message, row.stratum)

    def _judged(self, row: Judgement) -> Judged:
        return Judged(row, self._store.feedback.labels(row.event_id, [row.message_id]).get(row.message_id))

    def summary(self, event_id: str) -> FeedbackSummary:
        """What the feedback of an event says of the model. Raises NotFound."""
        self._store.event(event_id)
        everywhere = list(cases(self._store.feedback.log()).values())
        here = [case for case in everywhere if case.key[0] == event_id and case.opinions]
        reasons = Counter(case.opinions[-1].stratum for case in here)
        return FeedbackSummary(
            event_id=event_id,
            quality=live_quality(case for case in everywhere if case.key[0] == event_id),
            overall=live_quality(everywhere),
            models=tuple(ModelQuality(model, live_quality(everywhere, model)) for model in models(everywhere)),
            messages=len(here),
            people=len({row.who for case in here for row in case.opinions}),
            strata={stratum: reasons[stratum] for stratum in Stratum},
            disputed=sum(case.label is not None and case.label.disputed for case in here),
            agreement=agreement(here),
            ceiling=agreement(case for case in here if case.drawn is not None),
        )

    def version(self) -> int:
        """Grows whenever somebody says something; cheap to ask."""
        return self._store.feedback.version()

    def rows(self, event_id: str, *, limit: int = 50, after: str | None = None) -> JudgementPage:
        """A page of the log, the latest first. Raises NotFound or InvalidInput."""
        if not 1 <= limit <= 500:
            raise InvalidInput(f"a limit of {limit}: choose 1 to 500", field="limit")
        self._store.event(event_id)
        return self._store.feedback.page(event_id, limit=limit, after=after)

    def confusion(self, model: str) -> Confusion:
        """What people say (rows) against what that version had said (columns), from the random part of all events."""
        return self._store.feedback.confusion(model)
