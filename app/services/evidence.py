"""Why a window differs: the evidence card of an event, and the messages behind each of its statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Final

from cachetools import LRUCache

from app.adapters.records import MessageFilter, MessagePage, StoredMessage
from app.adapters.store import Store
from app.core.drivers import explain
from app.core.errors import InvalidInput, NotFound
from app.core.evidence import Drivers
from app.core.posts import Posts
from app.core.types import CLASSES, Label
from app.services.windows import live_to, window
from app.views import Selection

MOST_MESSAGES: Final = 100_000
"""How many messages of the window are read at most; of more, a sample."""
MOST_BEFORE: Final = 20_000
"""The same for the side that the window is compared with."""
LONGEST_BEFORE: Final = timedelta(days=7)
_KEPT: Final = 32


class Against(StrEnum):
    """What the phrases of the window are compared with."""

    BEFORE = "before"  # messages of the same kind before the window
    REST = "rest"  # the other messages of the window: what the negative ones say and the rest does not


@dataclass(frozen=True, slots=True)
class Ground:
    """The messages that one side of the comparison rests on: all in [start, end), or a sample of them.

    `messages` counts what was there, `read` what was read. With fewer read than there, they are those of seconds chosen
    by their number: always the same ones.
    """

    start: datetime
    end: datetime
    messages: int
    read: int

    @classmethod
    def of(cls, where: MessageFilter, posts: Posts) -> Ground:
        """What was read of a window."""
        start, end = where.start, where.end
        if start is None or end is None:
            raise ValueError("a window begins and ends")
        return cls(start, end, round(len(posts) * posts.weight), len(posts))

    @property
    def sampled(self) -> bool:
        """Whether only some of the messages were read."""
        return self.read < self.messages


@dataclass(frozen=True, slots=True)
class EvidenceCard:
    """Why the window differs. `before` is None where the event has nothing before the window; `rest` is what the
    phrases are compared with, where that is not `before`.

    `quoted` holds the messages that the card shows (exemplars, first messages) by id, as far as they are still stored.
    """

    event_id: str
    selection: Selection  # with the window as start and end
    label: Label | None
    against: Against
    window: Ground
    before: Ground | None
    rest: Ground | None
    drivers: Drivers
    quoted: Mapping[str, StoredMessage]
    version: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a card is made from. `seen` is what is counted on both sides: it changes with the messages."""

    event_id: str
    where: MessageFilter
    before: MessageFilter | None
    against: Against
    seen: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    window: Ground
    before: Ground | None
    rest: Ground | None
    drivers: Drivers


class Evidence:
    """Makes evidence cards, one at a time, and keeps the latest: many may look at the same incident at once."""

    def __init__(self, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now
        self._kept: LRUCache[_Asked, _Made] = LRUCache(_KEPT)
        self._looking = Lock()
        self._making = Lock()

    def card(
        self,
        event_id: str,
        selection: Selection,
        *,
        label: Label | None = None,
        against: Against = Against.BEFORE,
    ) -> EvidenceCard:
        """The evidence card of a window; with `label` only that label's messages are explained.

        They are compared with what there is of the seven days before, or of a stretch as long as a longer window.
        Raises NotFound, or InvalidInput for a window that cannot be, or for comparing with the rest without a label.
        """
        if against is Against.REST and label not in CLASSES:
            raise InvalidInput("choose negative, neutral or positive to compare it with the rest", field="label")
        self._store.event(event_id)
        version = self._store.version(event_id)
        statuses = self._store.statuses(event_id)
        start, end = window(self._store, event_id, selection, statuses, self._now)
        span = self._store.span(event_id)
        edge = max(filter(None, (live_to(statuses), span and span[1])), default=end)
        # Nothing is known of what comes after the newest data.
        known = end if edge >= end else min(end, max(edge, start) + timedelta(minutes=1))
        where = MessageFilter(start, known, label=label, source=selection.source, country=selection.country)
        earliest = max(span[0], start - max(known - start, LONGEST_BEFORE)) if span else start
        before = replace(where, start=earliest, end=start) if earliest < start else None
        made = self._made(_Asked(event_id, where, before, against, self._seen(event_id, where, before)))
        return EvidenceCard(
            event_id=event_id,
            selection=replace(selection, start=start, end=end),
            label=label,
            against=against,
            window=made.window,
            before=made.before,
            rest=made.rest,
            drivers=made.drivers,
            quoted=self._quoted(event_id, made.drivers),
            version=version,
        )

    def messages(self, card: EvidenceCard, statement: str, *, limit: int = 50, after: str | None = None) -> MessagePage:
        """The messages behind a statement of a card, newest first, one of each text.

        A statement is named "phrase:<text>", "story:<exemplar>", or "<dimension>:<key>", as in "author:somebody".
        Raises NotFound for one that is not on the card, InvalidInput for a bad limit or cursor.
        """
        if not 1 <= limit <= 500:
            raise InvalidInput(f"a limit of {limit}: choose 1 to 500", field="limit")
        ids = statements(card.drivers).get(statement)
        if ids is None:
            raise NotFound(f"the card has no statement {statement!r}", field="statement")
        return self._store.messages(card.event_id, MessageFilter(ids=ids), limit=limit, after=after)

    def _seen(self, event_id: str, *sides: MessageFilter | None) -> tuple[object, ...]:
        totals = [
            self._store.totals(event_id, side.start, side.end, source=side.source, country=side.country)
            for side in sides
            if side is not None
        ]
        return tuple(tuple(sorted(total.items())) for total in totals)

    def _made(self, asked: _Asked) -> _Made:
        made = self._look_up(asked)
        if made is not None:
            return made
        with self._making:
            made = self._look_up(asked)  # another may just have made it
            if made is None:
                made = self._make(asked)
                with self._looking:
                    self._kept[asked] = made
            return made

    def _look_up(self, asked: _Asked) -> _Made | None:
        with self._looking:
            return self._kept.get(asked)

    def _make(self, asked: _Asked) -> _Made:
        inside = self._store.windows.read(asked.event_id, asked.where, MOST_MESSAGES)
        before = (
            self._store.windows.read(asked.event_id, asked.before, MOST_BEFORE) if asked.before is not None else None
        )
        rest = None
        if asked.against is Against.REST:
            everything = self._store.windows.read(asked.event_id, replace(asked.where, label=None), MOST_MESSAGES)
            rest = everything.only(set(CLASSES) - {asked.where.label})
        return _Made(
            Ground.of(asked.where, inside),
            Ground.of(asked.before, before) if asked.before is not None and before is not None else None,
            None if rest is None else Ground.of(asked.where, rest),
            explain(inside, before, rest),
        )

    def _quoted(self, event_id: str, drivers: Drivers) -> dict[str, StoredMessage]:
        shown = {id_ for story in drivers.stories for id_ in (story.exemplar, story.first)} | {drivers.first or ""}
        page = self._store.messages(event_id, MessageFilter(ids=tuple(sorted(shown))), limit=len(shown))
        return {item.message.id: item for item in page.items}


def statements(drivers: Drivers) -> dict[str, tuple[str, ...]]:
    """The messages of each statement of a card by its name; see `Evidence.messages`."""
    named = {f"phrase:{phrase.text}": phrase.ids for phrase in drivers.phrases}
    for breakdown in drivers.breakdowns:
        named |= {f"{breakdown.by}:{part.key}": part.ids for part in breakdown.parts if part.key is not None}
    return named
