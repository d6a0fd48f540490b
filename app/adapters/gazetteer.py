"""The gazetteer that ships with EventPulse: 200,000 names of places, mapped from a file and shared between processes.

`python -m pipelines.gazetteer` makes the files from GeoNames and CLDR; NOTICE.md beside them says whose data they are.
They are made ahead because GeoNames comes as 187 MB of JSON, of which every process would parse a part for half a
second; the names made of it are a trie of 2 MB (marisa-trie, Yata 2011) that is not read but mapped.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import marisa_trie
import numpy as np
from numpy.typing import NDArray

from app.core.errors import ConfigError
from app.core.place_names import Kind, Place
from app.core.places import Resolver

DATA: Final = Path(__file__).parent / "places"
NAMES, AREAS, CITIES = "names.marisa", "areas.json", "cities.npy"
FORMAT: Final = "<HBBB"
"""What a name has for each meaning: the area's place in the list, the kind, `packed` people, and fame."""
_KINDS: Final = tuple(Kind)
_PEOPLE: Final = tuple(round(2 ** (byte / 8)) for byte in range(256))
_EARTH_KM: Final = 6371.0
_REMEMBERED: Final = 4096


class ShippedGazetteer:
    """`app.core.place_names.Gazetteer` over the shipped files. Raises ConfigError where they are missing."""

    def __init__(self, folder: Path = DATA) -> None:
        for name in (NAMES, AREAS, CITIES):
            if not (folder / name).is_file():
                raise ConfigError(f"{folder / name} is missing: install EventPulse again, or run pipelines.gazetteer")
        self._names = marisa_trie.RecordTrie(FORMAT).mmap(str(folder / NAMES))
        areas = json.loads((folder / AREAS).read_text("utf-8"))
        self._areas: list[str] = areas["areas"]
        self._countries = frozenset(areas["countries"])
        cities = np.load(folder / CITIES)
        self._cities = _directions(cities["latitude"], cities["longitude"])
        self._city_areas = cities["area"]
        self.places = functools.lru_cache(_REMEMBERED)(self._places)  # the names of states are in every other string

    def _places(self, name: str) -> tuple[Place, ...]:
        """Everything that a folded name can mean."""
        found = self._names.get(name, ())
        areas = self._areas
        return tuple([Place(areas[at], _KINDS[kind], _PEOPLE[people], fame) for at, kind, people, fame in found])

    def near(self, latitude: float, longitude: float) -> list[tuple[str, float]]:
        """The countries of the ten nearest cities of 15,000 people or more, the nearest first, with kilometres."""
        towards = self._cities @ _directions(np.array([latitude]), np.array([longitude]))[0]
        nearest = np.argpartition(towards, -10)[-10:]
        found: dict[str, float] = {}
        for at in nearest[np.argsort(-towards[nearest])]:
            country = self._areas[self._city_areas[at]][:2]
            found.setdefault(country, _EARTH_KM * math.acos(min(1.0, float(towards[at]))))
        return list(found.items())

    def is_country(self, code: str) -> bool:
        """Whether a code is one of ISO 3166 alpha-2, or XK."""
        return code in self._countries


@functools.cache
def resolver() -> Resolver:
    """The resolver of this process over the shipped gazetteer, made at the first call."""
    return Resolver(ShippedGazetteer())


@functools.cache
def country_names() -> Mapping[str, str]:
    """The countries by code, as English calls them (GeoNames)."""
    names: dict[str, str] = json.loads((DATA / AREAS).read_text("utf-8"))["countries"]
    return names


def packed(people: int) -> int:
    """A number of people in one byte, within 5 percent; `_PEOPLE` unpacks it."""
    return min(255, round(8 * float(np.log2(max(1, people)))))


def _directions(latitude: NDArray[np.floating], longitude: NDArray[np.floating]) -> NDArray[np.float32]:
    """Degrees to unit vectors, (n,) and (n,) to (n, 3): their product is the cosine of the angle between two places."""
    north, east = np.radians(latitude), np.radians(longitude)
    directions = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    return directions.astype(np.float32)
