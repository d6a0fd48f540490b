"""Why a window differs: the evidence card of an event, and the messages behind each of its statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.adapters.records import MessagePage, StoredMessage
from app.adapters.store import Store
from app.core.evidence import Drivers
from app.core.types import Label
from app.views import Selection


class Against(StrEnum):
    """What the messages of the window are compared with."""

    BEFORE = "before"  # those of the same kind before the window
    REST = "rest"  # the other messages of the window: what the negative ones say and the rest does not


@dataclass(frozen=True, slots=True)
class Ground:
    """The messages that one side of the comparison rests on: all in [start, end), or a sample of them.

    `messages` counts what was there, `read` what was read. With fewer read than there, the sample is that of whole
    seconds chosen by their number: always the same ones.
    """

    start: datetime
    end: datetime
    messages: int
    read: int

    @property
    def sampled(self) -> bool:
        """Whether only some of the messages were read."""
        return self.read < self.messages


@dataclass(frozen=True, slots=True)
class EvidenceCard:
    """Why the window differs. `before` is None where the event has nothing to compare with.

    `quoted` holds the messages that the card shows (exemplars, first messages) by id, as far as they are still stored.
    """

    event_id: str
    selection: Selection  # with the window as start and end
    label: Label | None
    against: Against
    window: Ground
    before: Ground | None
    drivers: Drivers
    quoted: Mapping[str, StoredMessage]
    version: int


class Evidence:
    """Makes evidence cards; keeps the latest ones."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def card(
        self,
        event_id: str,
        selection: Selection,
        *,
        label: Label | None = None,
        against: Against = Against.BEFORE,
    ) -> EvidenceCard:
        """The evidence card of a window; with `label` only that label's messages are explained.

        Raises NotFound, or InvalidInput for a window that cannot be or a label without which there is no rest.
        """
        raise NotImplementedError

    def messages(self, card: EvidenceCard, statement: str, *, limit: int = 50, after: str | None = None) -> MessagePage:
        """The messages behind a statement of a card, newest first, one of each text.

        A statement is named "phrase:<text>", "story:<exemplar>", or "<dimension>:<key>", as in "author:somebody".
        Raises NotFound for one that is not on the card.
        """
        raise NotImplementedError
