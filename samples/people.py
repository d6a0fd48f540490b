"""Who writes: the cast, the crowd and the bots of samples/people.yaml, and when they are awake."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from samples.corpus import load

PEOPLE = Path(__file__).parent / "people.yaml"
MIN_HANDLE = 16  # X allows 15 characters
CROWD = 600  # about this many, shared among the homes
SMALLEST = 12  # the fewest people of a home
GEO_TAGGED = 0.04  # of all posts
START_HOUR = 6  # UTC hour of the day at hour 0 of the story

# How much people post in each hour of their own day.
_ACTIVITY = (
    *(0.35, 0.2, 0.12, 0.08, 0.08, 0.15, 0.35, 0.6, 0.75, 0.8, 0.85, 0.9),
    *(1.0, 0.95, 0.9, 0.9, 0.95, 1.0, 1.05, 1.15, 1.25, 1.2, 0.95, 0.6),
)


@dataclass(frozen=True, slots=True)
class Author:
    """An account. `country` is set where `location` names it outright."""

    handle: str
    home: str
    location: str
    country: str | None


class Crowd:
    """All accounts. Each home has a deck of people that is dealt to its end before anyone is dealt again."""

    def __init__(self, rng: Random) -> None:
        data = load(PEOPLE)
        self._rng = rng
        self._homes: dict[str, Any] = data["homes"]
        self._languages: dict[str, list[str]] = data["languages"]
        self._jokes: list[str] = data["jokes"]
        self._bots = [Author(handle, "US", "", None) for handle in data["bots"]]
        self.cast = {handle: Author(handle, *_cast_place(place)) for handle, place in data["cast"].items()}
        self._names = {kind: self._made_handles(names, data["endings"]) for kind, names in data["names"].items()}
        self._decks = {home: self._people(home, data) for home in self._homes}
        self._dealt = dict.fromkeys(self._homes, 0)

    def draw(self, home: str, without: Collection[str] = ()) -> Author:
        """The next person of a home whose handle is not in `without`; where all are, the next person."""
        deck = self._decks[home]
        for _ in deck:
            author = self._next(home)
            if author.handle not in without:
                return author
        return self._next(home)

    def bot(self) -> Author:
        """Any of the spam accounts."""
        return self._rng.choice(self._bots)

    def home_at(self, hour: float, lang: str) -> str:
        """Where a post of this language is likely to come from at an hour of the story."""
        homes = self._languages.get(lang) or list(self._homes)
        weights = [self._homes[home]["share"] * self._activity(home, hour) for home in homes]
        return self._rng.choices(homes, weights)[0]

    def country(self, author: Author) -> str | None:
        """The country of one post: as the profile says, or from a geo tag, which a few posts carry."""
        tagged = self._rng.random() < GEO_TAGGED
        return author.country or (author.home if tagged else None)

    def _next(self, home: str) -> Author:
        deck = self._decks[home]
        self._dealt[home] += 1
        return deck[self._dealt[home] % len(deck)]

    def _activity(self, home: str, hour: float) -> float:
        return _ACTIVITY[int(hour + START_HOUR + self._homes[home]["offset"]) % 24]

    def _people(self, home: str, data: Any) -> list[Author]:
        """Handles that were written out come first, then as many of the kind of name as the home still needs."""
        written = data["handles"].get(home, [])
        size = max(SMALLEST, round(self._homes[home]["share"] * CROWD / 100))
        names = self._names[self._homes[home]["names"]]
        made = [names.pop() for _ in range(size - len(written))]
        return [self._account(handle, home) for handle in [*written, *made]]

    def _made_handles(self, names: list[str], endings: list[str]) -> list[str]:
        made = [f"{name}_{ending}" for name in names for ending in endings]
        long = [handle for handle in made if len(handle) >= MIN_HANDLE]
        self._rng.shuffle(long)
        return long

    def _account(self, handle: str, home: str) -> Author:
        kind = self._rng.choices(("named", "vague", "joke", "empty"), (42, 28, 14, 16))[0]
        if kind == "named":
            return Author(handle, home, self._rng.choice(self._homes[home]["named"]), home)
        place = {"vague": self._homes[home]["vague"], "joke": self._jokes}.get(kind, [""])
        return Author(handle, home, self._rng.choice(place), None)


def _cast_place(place: list[Any]) -> tuple[str, str, str | None]:
    home, location, named = place
    return home, location, home if named else None
