"""What a window of messages is explained with: phrases, stories, who and what made the rise.

Each statement carries `ids`, the messages it rests on, so that it can be opened: one of each text (copies are told by
the message itself), at most `MOST_IDS`, the most telling first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.core.types import Count, Label

MOST_IDS: Final = 1_000
"""How many messages a statement opens at most."""


class Dimension(StrEnum):
    """By what the rise is divided up."""

    STORY = "story"
    AUTHOR = "author"
    DOMAIN = "domain"
    SOURCE = "source"
    COUNTRY = "country"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One to a few consecutive words that more people use in the window than before.

    `authors` wrote it in a text of their own in the window: copies count once, and so does an author; before, an author
    counts anew in every stretch as long as the window. `times` is how much more often it is used, among all that is
    written, than before, with its 95 % interval; None where nobody used it before, and then only `times_low` is told.
    `z` is the log-odds by its standard error, `q` the false discovery rate at which it is just named. `wordings` are
    overlapping phrases that the same messages use. `counts` are the messages in the window with it, by label.
    """

    text: str
    wordings: tuple[str, ...]
    authors: int
    authors_before: int
    times: float | None
    times_low: float
    times_high: float | None
    z: float
    q: float
    counts: Mapping[Label, Count]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Messages of the window about the same thing: copies of a text, or texts that share distinguishing phrases.

    `phrases` name it; empty when it is one text passed on. `exemplar` is the id of its most central message, `first`
    that of its earliest in the window. `rise` is in messages an hour: its rate in the window less that before.
    """

    phrases: tuple[str, ...]
    exemplar: str
    first: str
    counts: Mapping[Label, Count]
    authors: int
    rise: float
    ids: tuple[str, ...]

    @property
    def total(self) -> Count:
        """The messages of all labels together."""
        return sum(self.counts.values(), Count())


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one author, domain, source, country or story adds to the rise.

    `key` is its name, for a story its exemplar's id; empty where it is not known; None for all others together. `rate`
    and `rate_before` are messages an hour and `rise` is their difference; `share` is that by the whole rise, None when
    the whole did not rise. `ids` is empty for all others together.
    """

    key: str | None
    rate: float
    rate_before: float
    rise: float
    share: float | None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The rise divided up: the largest parts first, all others together last. The parts add up to the rise."""

    by: Dimension
    parts: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Concentration:
    """How few make the window: the share (0..1) of its messages that the ten busiest authors wrote, and that repeat
    the ten most repeated texts. `..._before` is the mean of the same over stretches before with as many messages;
    None where there are fewer, or where they were sampled. An unknown author is left out.
    """

    authors: float | None
    authors_before: float | None
    texts: float
    texts_before: float | None


@dataclass(frozen=True, slots=True)
class Drivers:
    """Why a window differs from what was before. `first` is the earliest message of the largest story of the rise.

    `rate` and `rate_before` are messages an hour; `rate_before` is None where there was nothing before to look at.
    `tested` is how many phrases were compared.
    """

    rate: float
    rate_before: float | None
    phrases: tuple[Phrase, ...] = ()
    stories: tuple[Story, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    concentration: Concentration | None = None
    first: str | None = None
    tested: int = 0
    counts: Mapping[Label, Count] = field(default_factory=dict)
