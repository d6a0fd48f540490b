"""Where the reaction comes from: counts and shares by country, aggregated only.

Posts have the country of their author (a place the source names, else what the profile says), articles that of their
publisher: one says where people are, the other where a newsroom is, so they are never added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.adapters.records import UNRESOLVED
from app.adapters.store import Store
from app.core.prevalence import Difference, Share
from app.core.shrinkage import shrunk, strength
from app.core.types import CLASSES, Count, Label
from app.services.shares import Scored, Shares, classified, correction_of, differences, shares_of
from app.services.windows import live_to, window
from app.views import Correction, Selection

PUBLISHERS: Final = frozenset({"news"})
"""The sources whose messages are articles; those of all others are posts of people."""

SMALL: Final = 100
"""With fewer scored messages a country's shares are drawn towards the window's, and marked."""


@dataclass(frozen=True, slots=True)
class Place:
    """The messages of a country, or of UNRESOLVED.

    `shares` are over distinct scored messages and corrected where `Geography.correction` says so, `classified` as the
    model gave them. `negative` and `positive` are those to compare countries by: drawn towards the shares of the whole
    group, the more so the fewer messages there are. None where nothing was scored. `against` is how far the negative
    share lies above that of the rest of its group, with its 95 % interval; None for a small country.
    """

    country: str
    counts: dict[Label, Count]
    shares: dict[Label, Share]
    classified: dict[Label, Share]
    negative: float | None
    positive: float | None
    small: bool
    against: Difference | None

    @property
    def total(self) -> Count:
        """All messages."""
        return sum(self.counts.values(), Count())


@dataclass(frozen=True, slots=True)
class Group:
    """The countries of authors, or of publishers: those with the most messages first, without UNRESOLVED.

    `all` is everything together, `unresolved` included. `worth` is how many messages the shares of `all` count for
    where those of a country are drawn towards them.
    """

    all: Place
    countries: tuple[Place, ...]
    unresolved: Place
    worth: float


@dataclass(frozen=True, slots=True)
class Geography:
    """Where the messages of a window come from. The country of the selection bars none: all are there."""

    event_id: str
    start: datetime
    end: datetime
    authors: Group
    publishers: Group
    correction: Correction
    live_to: datetime | None
    version: int


class Geographies:
    """Makes geographies. `now` is the clock, in UTC."""

    def __init__(self, store: Store, shares: Shares, now: Callable[[], datetime]) -> None:
        self._store = store
        self._shares = shares
        self._now = now

    def of(self, event_id: str, selection: Selection) -> Geography:
        """The geography of a window. Raises NotFound or InvalidInput."""
        self._store.event(event_id)
        version = self._store.version(event_id)
        statuses = self._store.statuses(event_id)
        start, end = window(self._store, event_id, selection, statuses, self._now)
        cells = [
            (source, country, counts)
            for (source, country), counts in self._store.by_place(event_id, start, end).items()
            if selection.source in (None, source)
        ]
        scored = self._shares.look(event_id, start, end, _added(counts for _, _, counts in cells))
        return Geography(
            event_id=event_id,
            start=start,
            end=end,
            authors=_group(
                [(country, counts) for source, country, counts in cells if source not in PUBLISHERS], scored
            ),
            publishers=_group([(country, counts) for source, country, counts in cells if source in PUBLISHERS], scored),
            correction=correction_of(scored),
            live_to=live_to(statuses),
            version=version,
        )


def _group(cells: list[tuple[str, Mapping[Label, Count]]], scored: Scored) -> Group:
    by_country: dict[str, list[Mapping[Label, Count]]] = {UNRESOLVED: []}
    for country, counts in cells:
        by_country.setdefault(country, []).append(counts)
    counts_of = {country: _added(parts) for country, parts in by_country.items()}
    parts_of = {country: _scored(counts, scored) for country, counts in counts_of.items()}
    everything = _added(counts_of.values())
    whole = _scored(everything, scored)
    mean = whole.counts[0] / max(1, sum(whole.counts))
    known = [part.counts for country, part in parts_of.items() if country != UNRESOLVED]
    worth = strength([(counts[0], sum(counts)) for counts in known], mean)
    means = shares_of(whole)

    def place(country: str, counts: dict[Label, Count], own: Scored) -> Place:
        shares, n = shares_of(own), sum(own.counts)
        drawn = {label: shrunk(share.value, n, means[label].value, worth) for label, share in shares.items()}
        small = n < SMALL
        negative, neutral, positive = (a - b for a, b in zip(whole.counts, own.counts, strict=True))
        rest = replace(own, counts=(negative, neutral, positive))
        return Place(
            country=country,
            counts=counts,
            shares=shares,
            classified=classified(own.counts),
            negative=drawn.get(Label.NEGATIVE),
            positive=drawn.get(Label.POSITIVE),
            small=small,
            against=None if small else differences(own, rest).get(Label.NEGATIVE),
        )

    places = [place(country, counts, parts_of[country]) for country, counts in counts_of.items()]
    places.sort(key=lambda each: (-each.total.raw, each.country))
    return Group(
        all=place("", everything, whole),
        countries=tuple(each for each in places if each.country != UNRESOLVED),
        unresolved=next(each for each in places if each.country == UNRESOLVED),
        worth=worth,
    )


def _scored(counts: Mapping[Label, Count], like: Scored) -> Scored:
    """Counts of a part with the errors of the whole."""
    negative, neutral, positive = (counts.get(label, Count()).distinct for label in CLASSES)
    return Scored((negative, neutral, positive), like.models, like.errors, like.reason)


def _added(parts: Iterable[Mapping[Label, Count]]) -> dict[Label, Count]:
    added: dict[Label, Count] = {}
    for counts in parts:
        for label, count in counts.items():
            added[label] = added.get(label, Count()) + count
    return added
