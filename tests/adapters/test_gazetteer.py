"""The gazetteer that ships, on strings written before there was a resolver."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from app.adapters.gazetteer import DATA, PLACES, ShippedGazetteer, country_names, resolver
from app.core.errors import ConfigError
from app.core.place_names import Kind
from app.core.place_text import key
from app.core.places import How
from benchmarks.places import score

STRINGS = Path(__file__).parents[1] / "core/locations.jsonl"


@pytest.fixture(scope="module")
def gazetteer() -> ShippedGazetteer:
    return ShippedGazetteer()


def test_the_held_out_half_is_resolved_as_the_documentation_says() -> None:
    found: dict[str, Any] = score("held_out")
    assert found["strings"] >= 300
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.97


def test_there_are_enough_strings_of_each_kind() -> None:
    rows = [json.loads(line) for line in STRINGS.read_text("utf-8").splitlines()]
    assert len(rows) == len({row["text"] for row in rows}) >= 300
    kinds = {row["kind"] for row in rows}
    assert {"joke", "hostile", "flag", "ambiguous", "several-countries", "script", "coordinates"} <= kinds


def test_names_have_their_meanings(gazetteer: ShippedGazetteer) -> None:
    meanings = {(place.area, place.kind) for place in gazetteer.places("georgia")}
    assert {("GE", Kind.COUNTRY), ("US-GA", Kind.REGION)} <= meanings
    (paris,) = [place for place in gazetteer.places("paris") if place.area == "FR" and place.kind is Kind.CITY]
    assert paris.population == pytest.approx(2_138_551, rel=0.05)
    assert paris.country == "FR"
    assert gazetteer.places("no such name") == ()
    assert gazetteer.places("") == ()


@pytest.mark.parametrize(
    ("latitude", "longitude", "country"),
    [(48.8566, 2.3522, "FR"), (-33.8688, 151.2093, "AU"), (21.3, -157.86, "US"), (-17.75, 179.99, "FJ")],
)
def test_the_nearest_cities_say_the_country(
    gazetteer: ShippedGazetteer, latitude: float, longitude: float, country: str
) -> None:
    near = gazetteer.near(latitude, longitude)
    assert near[0][0] == country
    assert [km for _, km in near] == sorted(km for _, km in near)
    assert len({code for code, _ in near}) == len(near)


def test_distances_are_kilometres(gazetteer: ShippedGazetteer) -> None:
    assert dict(gazetteer.near(0.0, 0.0))["GH"] == pytest.approx(570, abs=30)  # the coast of Ghana


def test_codes_of_flags_are_known(gazetteer: ShippedGazetteer) -> None:
    assert all(map(gazetteer.is_country, ("US", "GB", "XK", "TW", "PS")))
    assert not any(map(gazetteer.is_country, ("EU", "XX", "us", "")))


def test_a_process_has_one_resolver() -> None:
    assert resolver() is resolver()
    said = resolver().resolve("Nairobi, Kenya")
    assert (said.country, said.how) == ("KE", How.CITY_IN)
    assert pickle.loads(pickle.dumps(said)) == said


def test_a_missing_gazetteer_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"places\.tsv"):
        ShippedGazetteer(tmp_path)


def test_countries_have_names() -> None:
    names = country_names()
    assert (names["DE"], names["US"], names["XK"]) == ("Germany", "United States", "Kosovo")
    assert all(len(code) == 2 and name for code, name in names.items())


def test_every_name_is_folded_and_stands_once_for_each_meaning() -> None:
    for line in (DATA / PLACES).read_text("utf-8").splitlines():
        _, *names = line.split("\t")
        assert names == sorted(set(map(key, names))) != []
