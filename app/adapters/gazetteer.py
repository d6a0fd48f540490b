"""The gazetteer that ships with EventPulse: 170,000 names of places, read at the first question of a process.

`python -m pipelines.gazetteer` makes the files from GeoNames and CLDR; NOTICE.md beside them says whose data they are.
They are made ahead because GeoNames comes as 187 MB of JSON, of which every process would parse a part for half a
second. They are text: `places.tsv` has a line for each thing that names can mean, with all its names; `cities.tsv`
says where cities are.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ConfigError
from app.core.place_names import Kind, Place
from app.core.places import Resolver

DATA: Final = Path(__file__).parent / "places"
PLACES: Final = "places.tsv"
"""A line: a place ("US-TX city 2304580 103": area, kind, people, fame), and its names, folded by `place_text.key`."""
CITIES: Final = "cities.tsv"
"""A line: country, latitude, longitude."""
COUNTRIES: Final = "countries.json"
_EARTH_KM: Final = 6371.0
_REMEMBERED: Final = 4096


class ShippedGazetteer:
    """`app.core.place_names.Gazetteer` over the shipped files. Raises ConfigError where they are missing."""

    def __init__(self, folder: Path = DATA) -> None:
        for name in (PLACES, CITIES, COUNTRIES):
            if not (folder / name).is_file():
                raise ConfigError(f"{folder / name} is missing: install EventPulse again, or run pipelines.gazetteer")
        self._countries = country_names(folder).keys()
        countries, latitudes, longitudes = zip(*_rows(folder / CITIES), strict=True)
        self._city_countries = list(map(intern, countries))
        self._cities = _directions(np.array([latitudes, longitudes], np.float64))
        # Places stay text until they are asked for: that halves the time to start.
        self._meanings: dict[str, str] = {}
        for place, *names in _rows(folder / PLACES):
            for name in names:
                others = self._meanings.get(name)
                self._meanings[name] = f"{others}\t{place}" if others else place
        self.places = functools.lru_cache(_REMEMBERED)(self._places)  # the names of states are in every other string

    def _places(self, name: str) -> tuple[Place, ...]:
        """Everything that a folded name can mean."""
        found = self._meanings.get(name)
        return tuple(map(_place, found.split("\t"))) if found else ()

    def near(self, latitude: float, longitude: float) -> list[tuple[str, float]]:
        """The countries of the ten nearest cities of 15,000 people or more, the nearest first, with kilometres."""
        towards = self._cities @ _directions(np.array([[latitude], [longitude]]))[0]
        nearest = np.argpartition(towards, -10)[-10:]
        found: dict[str, float] = {}
        for at in nearest[np.argsort(-towards[nearest])]:
            found.setdefault(self._city_countries[at], _EARTH_KM * math.acos(min(1.0, float(towards[at]))))
        return list(found.items())

    def is_country(self, code: str) -> bool:
        """Whether a code is one of ISO 3166 alpha-2, or XK."""
        return code in self._countries


@functools.cache
def resolver() -> Resolver:
    """The resolver of this process over the shipped gazetteer, made at the first call."""
    return Resolver(ShippedGazetteer())


@functools.cache
def country_names(folder: Path = DATA) -> Mapping[str, str]:
    """The countries by code, as English calls them (GeoNames)."""
    names: dict[str, str] = json.loads((folder / COUNTRIES).read_text("utf-8"))["countries"]
    return names


def _place(text: str) -> Place:
    area, kind, people, fame = text.split(" ")
    return Place(area, Kind[kind.upper()], int(people), int(fame))


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n").split("\t")


def _directions(degrees: NDArray[np.float64]) -> NDArray[np.float32]:
    """Latitudes and longitudes (2, n) to unit vectors (n, 3): their product is the cosine of the angle between two."""
    north, east = np.radians(degrees)
    directions = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    return directions.astype(np.float32)
