"""Free-text profile locations to countries, offline: what a careful reader would say, or nothing.

A wrong country is worse than none, so everything that is not a place, names two countries, or is a name that several
countries share stays unresolved, with the reason. About a third of what people write is no place at all (Hecht, Hong,
Suh and Chi 2011). The method is a grammar over a gazetteer: coordinates; else the parts of the string, each a city with
what it lies in ("Paris, Texas"), a country or a region, or a city alone, which is the one of that name that most
people mean (population and fame); else a flag. `app.adapters.gazetteer` has the names, this module has no data.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.core.place_names import Gazetteer, Kind, Piece, Place, Reader
from app.core.place_text import Words, coordinates, flags, parts, visible
from app.core.place_words import LONE_STATES, WORDS_LIKE_CITIES


class How(StrEnum):
    """How a country was found, or why not."""

    COORDINATES = "coordinates"
    FLAG = "flag"
    COUNTRY = "country"
    REGION = "region"
    CITY = "city"
    CITY_IN = "city_in"  # a city, or what looks like one, with what it lies in
    NO_PLACE = "no_place"
    AMBIGUOUS = "ambiguous"
    SEVERAL = "several"  # places in more than one country


@dataclass(frozen=True, slots=True)
class Resolution:
    """The country of a string. `country` is None below the confidence asked for, which is 0..1."""

    country: str | None
    confidence: float
    how: How


@dataclass(frozen=True, slots=True)
class Rules:
    """What the resolver weighs; the numbers were chosen on the tuning half of the hand-written strings.

    `least` is the confidence below which nothing is said. `fame_power` is how much fame counts beside people. A city
    alone must have `people` (of one word) or `people_of_two` (of more words), under another name `people_alternate`,
    and what it has then weighs `alternate` times as much.
    """

    least: float = 0.88
    fame_power: float = 2.0
    people: int = 50_000
    people_of_two: int = 15_000
    people_alternate: int = 300_000
    alternate: float = 0.3


_SURE: Final = {Kind.COUNTRY: 0.98, Kind.REGION: 0.96, Kind.CODE: 0.97, Kind.CITY: 0.95, Kind.ALTERNATE: 0.92}
_HOW: Final = {Kind.COUNTRY: How.COUNTRY, Kind.REGION: How.REGION, Kind.CODE: How.REGION}
_USUAL_FAME: Final = 50
_UNKNOWN: Final = (1.0, 0.98, 0.97, 0.95, 0.92)  # what an unknown piece of so many words leaves of the confidence
_TOO_MANY_UNKNOWN: Final = 0.85
_BIG: Final = 200_000  # a city so big is not overlooked beside a smaller one of its name
_NEAR_KM: Final = 300.0
# These flags are worn in solidarity far more often than at home.
_SOLIDARITY: Final = frozenset({"UA", "PS", "IL"})
# Territories with a code of their own, and the states that people name with them.
_TERRITORIES: Final = {
    **dict.fromkeys(("PR", "GU", "VI", "AS", "MP"), "US"),
    **dict.fromkeys(("HK", "MO"), "CN"),
    **dict.fromkeys(("IM", "JE", "GG", "GI", "BM", "KY", "VG", "FK"), "GB"),
    **dict.fromkeys(("GP", "MQ", "RE", "GF", "YT", "NC", "PF"), "FR"),
    **dict.fromkeys(("AW", "CW", "SX"), "NL"),
    **dict.fromkeys(("FO", "GL"), "DK"),
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a part says: a country with a confidence, or the countries it may mean, or nothing."""

    country: str | None = None
    confidence: float = 0.0
    how: How = How.NO_PLACE
    candidates: dict[str, int] = field(default_factory=dict)  # to the people of the biggest place there


class Resolver:
    """Strings to countries. Deterministic; the last `cached` strings are remembered."""

    def __init__(self, gazetteer: Gazetteer, rules: Rules | None = None, *, cached: int = 20_000) -> None:
        self._gazetteer = gazetteer
        self._reader = Reader(gazetteer)
        self._rules = rules or Rules()
        self.resolve = functools.lru_cache(cached)(self._resolve)

    def _resolve(self, text: str) -> Resolution:
        """The country of a profile location of any content and length. Never raises."""
        if point := coordinates(text):
            return self._said(self._at(*point))
        worn = tuple(code for code in flags(text[:1000]) if self._gazetteer.is_country(code))
        seen = visible(text)
        found = parts(seen)
        if len(found) > 1 and (whole := Words.of(seen)) and self._gazetteer.places(whole.name):
            found = [[whole]]  # "Trinidad and Tobago"
        return self._said(self._with_flags(_joined([self._part(pieces) for pieces in found]), worn))

    def _said(self, reading: _Reading) -> Resolution:
        if reading.country is None:
            return Resolution(None, reading.confidence, reading.how)
        if reading.confidence < self._rules.least:
            return Resolution(None, reading.confidence, How.AMBIGUOUS)
        return Resolution(reading.country, reading.confidence, reading.how)

    def _at(self, latitude: float, longitude: float) -> _Reading:
        near = self._gazetteer.near(latitude, longitude)
        if not near or near[0][1] > _NEAR_KM:
            return _Reading()
        country, km = near[0]
        # Near a border the next city can be abroad.
        clear = len(near) < 2 or near[1][1] > 1.5 * km + 5
        return _Reading(country, 0.95 if clear else 0.7, How.COORDINATES)

    @staticmethod
    def _with_flags(said: _Reading, worn: tuple[str, ...]) -> _Reading:
        if len(worn) != 1 or said.how is How.SEVERAL:
            return said
        flag = worn[0]
        if said.country is None and not said.candidates:
            return said if flag in _SOLIDARITY else _Reading(flag, 0.9, How.FLAG)
        if said.country == flag:
            return _Reading(flag, max(said.confidence, 0.95), said.how)
        people = said.candidates.get(flag, 0)
        if people >= 100_000:
            return _Reading(flag, 0.93, How.CITY_IN)
        # "Paris" with an American flag: a traveller, or the one in Texas?
        return _Reading(None, 0.5, How.AMBIGUOUS) if people else said

    # One part: pieces of which one may lie in another

    def _part(self, words: Sequence[Words]) -> _Reading:
        pieces: list[Piece] = []
        for at, piece in enumerate(words):
            if self._reader.is_away(piece):
                if at == 0:
                    return _Reading()
                continue
            pieces += self._reader.pieces(piece)
        named = [piece for piece in pieces if piece.places]
        if len(named) == 1 and len(pieces) == 1:
            return self._alone(named[0])
        if best := self._contained(pieces):
            return best
        readings = [self._alone(piece) for piece in named]
        said = _joined(readings)
        if any(piece.is_code and not piece.means(said.country) for piece in named):
            return _Reading(how=How.AMBIGUOUS)
        unknown = sum(piece.unknown for piece in pieces)
        if said.country is None or not unknown:
            return said
        return _Reading(said.country, said.confidence * _left(unknown) * 0.98, said.how, said.candidates)

    def _contained(self, pieces: list[Piece]) -> _Reading | None:
        """The country that one piece names and the others agree with; None where there is none."""
        best: dict[str, float] = {}
        for at, container in enumerate(pieces):
            for place in container.places:
                if place.kind > Kind.CODE or (place.kind is Kind.CODE and at == 0):
                    continue
                sure = _SURE[place.kind]
                for other, piece in enumerate(pieces):
                    if other != at:
                        sure *= self._agrees(place, container, piece)
                best[place.country] = max(best.get(place.country, 0.0), sure)
        if len(best) > 1:
            for territory, state in _TERRITORIES.items():
                if best.get(territory, 0) > 0 and state in best:
                    del best[state]
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        if not ranked or ranked[0][1] < 0.5:
            return None
        country, sure = ranked[0]
        if len(ranked) > 1 and ranked[1][1] > 0.95 * sure:
            return _Reading(None, 0.5, How.AMBIGUOUS, dict.fromkeys(best, 1))
        return _Reading(country, sure, How.CITY_IN)

    def _agrees(self, container: Place, named: Piece, piece: Piece) -> float:
        """How well a piece goes with what it would lie in, 0..1."""
        if not piece.places:
            return self._agrees_unknown(container, named, piece.unknown)
        is_code = container.kind is Kind.CODE
        if is_code and named.weak and all(place.area != container.area for place in piece.places):
            return 0.0
        best = 0.0
        for place in piece.places:
            if place.kind is Kind.CODE and is_code:
                continue
            if place.area == container.area and place.area[2:]:
                return 1.0
            if place.country == container.country:
                best = max(best, 0.98 if place.kind < Kind.CITY else _share(piece.places, place.country))
            elif max(place.kind, container.kind) <= Kind.REGION and _within(place.country, container.country):
                best = max(best, 0.97)
        if best or any(place.kind < Kind.CITY for place in piece.places) or (is_code and container.country != "US"):
            return best
        # The gazetteer has no small towns: there may be one of this name, unless a city of the name is well known.
        return 0.95 if max(place.population for place in piece.places) < _BIG else 0.0

    @staticmethod
    def _agrees_unknown(container: Place, named: Piece, words: int) -> float:
        if container.kind is not Kind.CODE or not words:
            return _left(words)
        if named.weak:
            return 0.0
        if container.area[2:]:
            # A state; what other countries use the same two letters for needs a city that is known there.
            return _left(words) if container.country == "US" or (words <= 2 and not _is_state(named)) else 0.0
        return _left(words) * 0.94 if len(named.places) == 1 and len(named.name) == 2 else 0.0

    def _alone(self, piece: Piece) -> _Reading:
        """The country that a name alone means to most people, if one of its places there is large enough for that."""
        rules = self._rules
        weights: dict[str, float] = {}
        people: dict[str, int] = {}
        best: dict[str, Place] = {}
        for place in piece.places:
            if place.kind is Kind.CODE and not (piece.name in LONE_STATES and place.country == "US"):
                continue
            weight = place.population * ((1 + place.fame) / _USUAL_FAME) ** rules.fame_power
            if place.kind is Kind.ALTERNATE:
                weight *= rules.alternate
            country = place.country
            weights[country] = weights.get(country, 0.0) + weight
            people[country] = max(people.get(country, 0), place.population)
            if self._known_alone(place, piece.name) and (country not in best or place.kind < best[country].kind):
                best[country] = place
        if not weights:
            return _Reading()
        country = max(weights, key=lambda code: (weights[code], code))
        if country not in best:
            return _Reading(candidates=people)
        kind = best[country].kind
        sure = _SURE[kind] * weights[country] / sum(weights.values())
        if sure < rules.least:
            return _Reading(None, sure, How.AMBIGUOUS, people)
        return _Reading(country, sure, _HOW.get(kind, How.CITY), people)

    def _known_alone(self, place: Place, name: str) -> bool:
        rules = self._rules
        if place.kind < Kind.CITY:
            return True
        if name in WORDS_LIKE_CITIES:
            return False
        one_word, latin = " " not in name, name < "\u0250"
        if latin and len(name) <= 3:  # "Chu", "Ede": most often a word or somebody's initials
            return place.kind is Kind.CITY and place.population >= 500_000
        if place.kind is Kind.CITY:
            return place.population >= (rules.people if one_word and latin else rules.people_of_two)
        if not latin:
            return True
        return len(name) >= 5 and place.population >= rules.people_alternate


def _is_state(piece: Piece) -> bool:
    return any(place.area.startswith("US-") for place in piece.places)


def _within(country: str, other: str) -> bool:
    return _TERRITORIES.get(country) == other or _TERRITORIES.get(other) == country


def _share(places: Sequence[Place], country: str) -> float:
    """How well a city goes with a country that has one of its name: less where nearly nobody means that one."""
    there = sum(place.population for place in places if place.country == country)
    return 0.98 if there > 0.05 * sum(place.population for place in places) else 0.7


def _left(words: int) -> float:
    """What so many unknown words leave of a confidence."""
    return _UNKNOWN[words] if words < len(_UNKNOWN) else _TOO_MANY_UNKNOWN


def _joined(readings: Sequence[_Reading]) -> _Reading:
    """What parts that stand side by side say together: one country, or several, or nothing."""
    if len(readings) == 1:
        return readings[0]
    said = [reading for reading in readings if reading.country]
    countries = {reading.country for reading in said if reading.country}
    if len(countries) > 1:
        countries -= {_TERRITORIES.get(country, country) for country in countries if country in _TERRITORIES}
    if len(countries) > 1 or any(reading.how is How.SEVERAL for reading in readings):
        return _Reading(how=How.SEVERAL)
    unclear = [reading for reading in readings if reading.candidates and not reading.country]
    if not countries:
        return unclear[0] if unclear else _Reading()
    country = countries.pop()
    if any(country not in reading.candidates for reading in unclear):
        return _Reading(how=How.SEVERAL)
    best = max((reading for reading in said if reading.country == country), key=lambda reading: reading.confidence)
    silent = len(readings) - len(said) - len(unclear)
    sure = best.confidence * (0.96 if silent and best.how is How.CITY else 1.0)
    return _Reading(country, sure, best.how, best.candidates if len(readings) == 1 else {})
