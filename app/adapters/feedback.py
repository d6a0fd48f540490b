"""The part of the store that keeps what people say of messages, and finds messages to be judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from app.adapters import event_tables, feedback_candidates, feedback_tables, rollups
from app.adapters.database import Database
from app.adapters.feedback_candidates import Candidate
from app.adapters.feedback_tables import JudgementPage
from app.core.errors import InvalidInput
from app.core.feedback import Confusion, HumanLabel, Judgement, MessageVerdict, Stratum, cases, live_quality
from app.core.queue import is_for_lot

NEWEST: Final = 10_000
"""How many of the newest messages are looked at for those that the model is least sure of."""

_TRIES: Final = 40
"""Draws for each message that is wanted: one in four is kept for the lot, and it may have been judged."""


class FeedbackStore:
    """The feedback of a `Store`, as `store.feedback`. Raises StoreError like the store.

    What always holds: rows are only ever appended, and what the model had said is stored with each verdict.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    # What people say

    def judge(
        self, event_id: str, message_id: str, verdict: MessageVerdict, *, who: str, stratum: Stratum = Stratum.CHOSEN
    ) -> Judgement:
        """Append a verdict; the same one again by the same person changes nothing.

        Raises NotFound without the event or the message, InvalidInput for a name that cannot be or an UNDONE.
        """
        if verdict is MessageVerdict.UNDONE:
            raise InvalidInput("undone is no verdict: use undo", field="verdict")
        who = feedback_tables.name(who)
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            return feedback_tables.append(connection, (event_id, message_id), verdict, stratum, who, self._now())

    def undo(self, event_id: str, who: str, message_id: str | None = None) -> Judgement:
        """Take back somebody's latest verdict, on that message or on any; gives what was taken back.

        What the person had said of the message before stands again. Raises NotFound where nothing stands.
        """
        who = feedback_tables.name(who)
        with self._database.write() as connection:
            event_tables.touch(connection, event_id)
            return feedback_tables.undo(connection, event_id, who, message_id, self._now())

    def log(self, event_id: str | None = None) -> list[Judgement]:
        """The whole log of an event (None: of all), the oldest first: as long as people have been diligent."""
        with self._database.read() as connection:
            return feedback_tables.log(connection, event_id)

    def version(self) -> int:
        """Grows with every row of the log; cheap to ask."""
        with self._database.read() as connection:
            return feedback_tables.newest(connection)

    def page(self, event_id: str, *, limit: int = 50, after: str | None = None) -> JudgementPage:
        """A page of the log, the latest first. Raises InvalidInput for a limit or an `after` that cannot be."""
        with self._database.read() as connection:
            return feedback_tables.page(connection, event_id, limit, after)

    def labels(self, event_id: str, ids: Collection[str]) -> dict[str, HumanLabel]:
        """What people make of messages, by id."""
        with self._database.read() as connection:
            return feedback_tables.labels(connection, event_id, ids)

    def confusion(self, model: str) -> Confusion:
        """What people say (rows) against what a model version had said (columns), from the random part of all events.

        Counts of messages in the order of `CLASSES`; off-topic ones are not among them.
        """
        return live_quality(cases(self.log()).values(), model).confusion

    # What is to be judged

    def newest(self, event_id: str, looked_at: int = NEWEST) -> list[Candidate]:
        """The first of each text, scored, among the newest messages; the newest first."""
        with self._database.read() as connection:
            return feedback_candidates.newest(connection, event_id, looked_at)

    def candidates(self, event_id: str, ids: Collection[str]) -> set[str]:
        """Which of these messages are the first of their text and scored."""
        with self._database.read() as connection:
            return feedback_candidates.those(connection, event_id, ids)

    def lot(self, event_id: str, number: int, *, seed: str, without: Collection[str]) -> list[str]:
        """Draw up to `number` messages, uniformly over all of the event that are the first of their text, scored and
        kept for the lot (`app.core.queue.is_for_lot`), but none of `without`. The same seed draws the same messages.

        An event of at most `NEWEST` messages is listed, so that its last one is found too. From a larger one it is
        drawn by rank, each draw a few look-ups in indexes; fewer are found when nearly all of the lot was judged.
        """
        generator = random.Random(seed)
        with self._database.snapshot() as connection:
            raw = sum(count.raw for count in rollups.totals(connection, rollups.Cut(event_id), None, None).values())
            if raw <= NEWEST:
                listed = [each.id for each in feedback_candidates.newest(connection, event_id, raw)]
                left = [each for each in sorted(listed) if each not in without and is_for_lot(event_id, each)]
                return generator.sample(left, min(number, len(left)))
            lot = feedback_candidates.Lot(connection, event_id)
            drawn: dict[str, None] = {}
            for _ in range(_TRIES * number if len(lot) else 0):
                found = lot.at(generator.randrange(len(lot)))
                if found not in without and is_for_lot(event_id, found):
                    drawn[found] = None
                if len(drawn) == number:
                    break
            return list(drawn)
