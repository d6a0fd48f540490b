"""What names mean: the interface of the gazetteer, and the pieces of a string with the places that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from app.core.place_text import Words, key
from app.core.place_words import AWAY, BESIDE, LONE_STATES, PARTS_OF_CITIES, SMALL_WORDS, WORDS_LIKE_CODES, WORLD

_LONGEST_NAME: Final = 4  # words of a country or region behind or before something else
_HAN: Final = re.compile("[\u4e00-\u9fff]{3,}")


class Kind(IntEnum):
    """What a name stands for. A CODE ("TX", "DE", "Calif.") counts only behind something."""

    COUNTRY = 0
    REGION = 1
    CODE = 2
    CITY = 3
    ALTERNATE = 4  # another name of a city


class Place(NamedTuple):
    """One thing that a name can mean.

    `area` is an ISO 3166 alpha-2 code, with the state where the gazetteer knows it ("US-TX"). `fame` is how many names
    the place has in other languages; both that and the people are what a reader weighs who hears the name alone.
    """

    area: str
    kind: Kind
    population: int
    fame: int

    @property
    def country(self) -> str:
        """The country of the area."""
        return self.area[:2]


class Gazetteer(Protocol):
    """What names mean. `places` takes what `app.core.place_text.key` makes."""

    def places(self, name: str) -> Sequence[Place]:
        """Everything that a name can mean; empty where it means nothing."""

    def near(self, latitude: float, longitude: float) -> Sequence[tuple[str, float]]:
        """The countries of the nearest cities, the nearest first, each once, with kilometres."""

    def is_country(self, code: str) -> bool:
        """Whether a code is one of ISO 3166 alpha-2, or XK."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a part with what it can mean; `unknown` counts its words where it means nothing.

    `weak` is a code that looks like a word ("or", "me"): it needs a city that is known to lie in it.
    """

    places: tuple[Place, ...] = ()
    unknown: int = 0
    name: str = ""
    weak: bool = False

    @property
    def is_code(self) -> bool:
        """Whether the piece can be nothing but a code."""
        return all(place.kind is Kind.CODE for place in self.places) and not self.weak

    def means(self, country: str | None) -> bool:
        """Whether the piece can mean a place in a country."""
        return any(place.country == country for place in self.places)


class Reader:
    """Finds what the pieces of a string name."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer

    def pieces(self, words: Words) -> list[Piece]:
        """What a piece names: one place, or one and what it lies in ("Houston Texas"), or nothing known."""
        tokens = words.name.split()
        if words.name in PARTS_OF_CITIES or all(token.isdigit() for token in tokens):
            return []
        if not self._gazetteer.places(words.name) and WORLD.issuperset(set(tokens) - BESIDE):
            return []
        if found := self._named(words.name):
            return [Piece(found.places, 0, found.name, _is_weak(found.name, "".join(words.raw)))]
        return (
            self._behind(words, tokens)
            or self._before(tokens)
            or self._unspaced(words.name)
            or [Piece(unknown=len(tokens), name=words.name)]
        )

    def is_away(self, words: Words) -> bool:
        """Whether a piece says where somebody is not ("not Texas", "formerly of Ohio")."""
        return not AWAY.isdisjoint(words.name.split()) and not self._gazetteer.places(words.name)

    def _named(self, name: str) -> Piece | None:
        """The places of a name, with or without the words beside it; None for a name that means nothing."""
        if places := self._gazetteer.places(name):
            return Piece(tuple(places), name=name)
        tokens = name.split()
        first, last = 0, len(tokens)
        while last - first > 1:
            if tokens[last - 1] in BESIDE or tokens[last - 1].isdigit():
                last -= 1
            elif tokens[first] in BESIDE:
                first += 1
            else:
                return None
            shorter = " ".join(tokens[first:last])
            if shorter in PARTS_OF_CITIES:
                return None
            if (places := self._gazetteer.places(shorter)) and (last - first > 1 or shorter not in BESIDE):
                if all(place.kind is Kind.CODE for place in places) and shorter in WORDS_LIKE_CODES:
                    return None
                return Piece(tuple(places), name=shorter)
        return None

    def _behind(self, words: Words, tokens: list[str]) -> list[Piece]:
        """A country, region or code behind something: "Houston Texas", "Leeds UK", "Knoxville TN"."""
        while len(tokens) > 2 and tokens[-1].isdigit():  # postal codes
            tokens = tokens[:-1]
        for length in range(min(_LONGEST_NAME, len(tokens) - 1), 0, -1):
            name = " ".join(tokens[-length:])
            places = self._gazetteer.places(name)
            large = tuple(place for place in places if place.kind <= Kind.REGION)
            before = tokens[:-length]
            if large:
                return [self._first(before), Piece(large, name=name)]
            codes = tuple(place for place in places if place.kind is Kind.CODE)
            if codes and length == 1 and self._is_code(words, name, before, codes):
                return [self._first(before), Piece(codes, name=name)]
        return []

    def _first(self, tokens: list[str]) -> Piece:
        rest = [token for token in tokens if token not in BESIDE]
        return self._named(" ".join(tokens)) or Piece(unknown=len(rest), name=" ".join(tokens))

    def _is_code(self, words: Words, name: str, before: list[str], codes: tuple[Place, ...]) -> bool:
        city = self._named(" ".join(before))
        if city and any(place.area == code.area for place in city.places for code in codes):
            return True
        written = [raw for raw in words.raw if key(raw) == name]
        upper = bool(written) and written[-1].isupper() and not "".join(words.raw).isupper()
        return (upper or name in LONE_STATES) and name not in WORDS_LIKE_CODES and len(before) <= 3

    def _before(self, tokens: list[str]) -> list[Piece]:
        """A country or region before something that is known: "Brasil Salvador", "USA Florida"."""
        for length in range(min(_LONGEST_NAME, len(tokens) - 1), 0, -1):
            name = " ".join(tokens[:length])
            large = tuple(place for place in self._gazetteer.places(name) if place.kind <= Kind.REGION)
            if large and (rest := self._named(" ".join(tokens[length:]))):
                return [Piece(large, name=name), rest]
        return []

    def _unspaced(self, name: str) -> list[Piece]:
        """The place that Chinese and Japanese begin an address with: 東京都渋谷区."""
        if not _HAN.fullmatch(name):
            return []
        for length in range(len(name) - 1, 1, -1):
            if places := self._gazetteer.places(name[:length]):
                return [Piece(tuple(places), name=name[:length])]
        return []


def _is_weak(name: str, raw: str) -> bool:
    return name in (WORDS_LIKE_CODES if raw.islower() else SMALL_WORDS) and not raw.isupper()
