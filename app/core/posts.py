"""Messages as columns, and the different texts among them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from app.core.evidence import MOST_IDS
from app.core.ngrams import Ints, number
from app.core.types import Count, Label

_LABELS: Final = tuple(Label)
_PLACE: Final = {label: place for place, label in enumerate(_LABELS)}


@dataclass(frozen=True, slots=True)
class Posts:
    """The messages of a stretch of time as columns of one length, ordered by time.

    `created_at` is in microseconds since 1970. Copies of one text share a `family`. An empty author, domain or country
    is one that is not known. Each message stands for `weight` messages (1 unless they are a sample), and the stretch
    is `hours` long.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    created_at: Ints
    families: Sequence[str]
    authors: Sequence[str]
    domains: Sequence[str]
    sources: Sequence[str]
    countries: Sequence[str]
    labels: Sequence[Label]
    hours: float
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, labels: Collection[Label]) -> Posts:
        """The messages of these labels."""
        kept = np.fromiter((label in labels for label in self.labels), bool, len(self))
        return Posts(
            ids=list(compress(self.ids, kept)),
            texts=list(compress(self.texts, kept)),
            created_at=self.created_at[kept],
            families=list(compress(self.families, kept)),
            authors=list(compress(self.authors, kept)),
            domains=list(compress(self.domains, kept)),
            sources=list(compress(self.sources, kept)),
            countries=list(compress(self.countries, kept)),
            labels=list(compress(self.labels, kept)),
            hours=self.hours,
            weight=self.weight,
        )

    @property
    def rate(self) -> float:
        """Messages an hour."""
        return len(self) * self.weight / self.hours


@dataclass(frozen=True, slots=True)
class Texts:
    """The different texts of some messages: of each family the earliest message stands for all.

    `family` is the number of the text of each message, `firsts` the position of each text's earliest message, and
    `labels` its label. `counts` is [texts, labels]: the messages that repeat it, itself included.
    """

    posts: Posts
    family: Ints
    firsts: Ints
    labels: Ints
    counts: Ints

    @classmethod
    def of(cls, posts: Posts) -> Texts:
        """The texts of messages."""
        family, names = number(posts.families)
        firsts = np.flatnonzero(np.diff(np.maximum.accumulate(family), prepend=-1) > 0)
        said, different = number(posts.labels)
        labels = np.array([_PLACE[Label(label)] for label in different], dtype=np.int64)[said]
        cells = np.bincount(family * len(_LABELS) + labels, minlength=len(names) * len(_LABELS))
        return cls(posts, family, firsts, labels[firsts], cells.reshape(len(names), len(_LABELS)))

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def copies(self) -> Ints:
        """How many messages repeat each text, its first included."""
        copies: Ints = self.counts.sum(axis=1)
        return copies

    def id_of(self, text: int) -> str:
        """The id of the earliest message with a text."""
        return self.posts.ids[int(self.firsts[text])]

    def family_of(self, text: int) -> str:
        """What the copies of a text are known by."""
        return self.posts.families[int(self.firsts[text])]

    def rate(self, chosen: Ints) -> float:
        """Messages an hour that repeat the chosen texts."""
        return float(self.copies[chosen].sum()) * self.posts.weight / self.posts.hours

    def strings(self) -> list[str]:
        """The texts themselves."""
        texts = self.posts.texts
        return [texts[first] for first in self.firsts.tolist()]

    def tally(self, chosen: Ints) -> dict[Label, Count]:
        """The messages that repeat the chosen texts, by label; labels without any are left out."""
        raw = self.counts[chosen].sum(axis=0).tolist()
        distinct = np.bincount(self.labels[chosen], minlength=len(_LABELS)).tolist()
        return {label: Count(raw[place], distinct[place]) for label, place in _PLACE.items() if raw[place]}

    def ids(self, chosen: Ints) -> tuple[str, ...]:
        """The ids of the chosen texts' earliest messages, the most repeated first."""
        order = np.lexsort((chosen, -self.copies[chosen]))[:MOST_IDS]
        return tuple(self.posts.ids[first] for first in self.firsts[chosen[order]].tolist())

    def authors(self, chosen: Ints) -> int:
        """How many sent the chosen texts, copies included; of who is not known, as many as there are texts."""
        among = np.zeros(len(self), dtype=bool)
        among[chosen] = True
        names = {self.posts.authors[place] or f"\0{place}" for place in self.firsts[chosen].tolist()}
        names.update(self.posts.authors[place] for place in np.flatnonzero(among[self.family]).tolist())
        return len(names - {""})

    def writers(self, width: int | None = None) -> Ints:
        """The writer of each text as a number from 0; with `width` (microseconds) anew in each stretch of that length.

        Who is not known is someone else every time.
        """
        names = [self.posts.authors[first] or f"\0{first}" for first in self.firsts.tolist()]
        if width is not None:
            stretches = (self.posts.created_at[self.firsts] // width).tolist()
            names = [f"{stretch}\0{name}" for stretch, name in zip(stretches, names, strict=True)]
        return number(names)[0]
