"""The grammar on a gazetteer of a few names; tests/adapters/test_gazetteer.py has the one that ships."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.place_names import Kind, Place
from app.core.place_text import key
from app.core.place_words import PARTS_OF_CITIES
from app.core.places import How, Resolver, Rules

COUNTRY, REGION, CODE, CITY, ALTERNATE = Kind
BIG, MILLION = 30_000_000, 1_000_000
NAMES: dict[str, tuple[Place, ...]] = {
    "france": (Place("FR", COUNTRY, BIG, 50),),
    "canada": (Place("CA", COUNTRY, BIG, 50),),
    "usa": (Place("US", COUNTRY, BIG, 50),),
    "uk": (Place("GB", COUNTRY, BIG, 50),),
    "puerto rico": (Place("PR", COUNTRY, BIG, 50),),
    "trinidad and tobago": (Place("TT", COUNTRY, BIG, 50),),
    "jordan": (Place("JO", COUNTRY, BIG, 50),),
    "georgia": (Place("GE", COUNTRY, BIG, 50), Place("US-GA", REGION, BIG, 50)),
    "texas": (Place("US-TX", REGION, BIG, 50),),
    "ontario": (Place("CA-ON", REGION, 3 * MILLION, 50), Place("US-CA", CITY, 170_000, 20)),
    "ca": (Place("US-CA", CODE, 1, 50), Place("CA", CODE, 1, 50)),
    "tx": (Place("US-TX", CODE, 1, 50),),
    "or": (Place("US-OR", CODE, 1, 50),),
    "de": (Place("US-DE", CODE, 1, 50), Place("DE", CODE, 1, 50)),
    "paris": (Place("FR", CITY, 2 * MILLION, 113), Place("US-TX", CITY, 25_000, 10)),
    "london": (Place("GB", CITY, 9 * MILLION, 113), Place("CA-ON", CITY, 420_000, 22)),
    "austin": (Place("US-TX", CITY, MILLION, 60),),
    "toronto": (Place("CA-ON", CITY, 3 * MILLION, 80),),
    "berlin": (Place("DE", CITY, 3 * MILLION, 100),),
    "bend": (Place("US-OR", CITY, 90_000, 20),),
    "nice": (Place("FR", CITY, 340_000, 90),),
    "cambridge": (Place("GB", CITY, 145_000, 54), Place("US-MA", CITY, 110_000, 63)),
    "littleton": (Place("US-CO", CITY, 40_000, 9),),
    "munchen": (Place("DE", ALTERNATE, MILLION, 90),),
    "東京都": (Place("JP", REGION, 3 * MILLION, 50),),
}


class FewNames:
    """A gazetteer of `NAMES`, with cities at two places."""

    def places(self, name: str) -> Sequence[Place]:
        assert name == key(name)
        return NAMES.get(name, ())

    def near(self, latitude: float, longitude: float) -> Sequence[tuple[str, float]]:
        if latitude > 50:
            return [("GB", 4.0), ("FR", 150.0)]
        return [("US", 4.0), ("MX", 6.0)] if latitude > 0 else [("AU", 4000.0)]

    def is_country(self, code: str) -> bool:
        return code in {"FR", "CA", "US", "GB", "DE", "JP", "UA"}


@pytest.fixture
def resolver() -> Resolver:
    return Resolver(FewNames())


@pytest.mark.parametrize(
    ("text", "country", "how"),
    [
        ("France", "FR", How.COUNTRY),
        ("Texas", "US", How.REGION),
        ("TX", "US", How.REGION),
        ("Austin", "US", How.CITY),
        ("München", "DE", How.CITY),
        ("Paris", "FR", How.CITY),
        ("Paris, Texas", "US", How.CITY_IN),
        ("Paris TX", "US", How.CITY_IN),
        ("Paris, TX 75460", "US", How.CITY_IN),
        ("London, Ontario", "CA", How.CITY_IN),
        ("Toronto, CA", "CA", How.CITY_IN),
        ("Berlin, DE", "DE", How.CITY_IN),
        ("bend, or", "US", How.CITY_IN),
        ("Nice, France", "FR", How.CITY_IN),
        ("Little Village, France", "FR", How.CITY_IN),
        ("Littleton, TX", "US", How.CITY_IN),
        ("Austin, Georgia", "US", How.CITY_IN),
        ("USA, Austin", "US", How.CITY_IN),
        ("Puerto Rico, USA", "PR", How.CITY_IN),
        ("Trinidad & Tobago", "TT", How.COUNTRY),
        ("somewhere in Texas", "US", How.REGION),
        ("Paris, France, Earth", "FR", How.CITY_IN),
        ("London | worldwide", "GB", How.CITY),
        ("Austin / Texas", "US", How.REGION),
        ("東京都渋谷区", "JP", How.REGION),
        ("🇫🇷", "FR", How.FLAG),
        ("free and happy 🇫🇷", "FR", How.FLAG),
        ("London 🇨🇦", "CA", How.CITY_IN),
        ("Cambridge 🇬🇧", "GB", How.CITY_IN),
        ("Texas 🇺🇦", "US", How.REGION),
        ("51.5072, -0.1276", "GB", How.COORDINATES),
    ],
)
def test_a_place_has_its_country(resolver: Resolver, text: str, country: str, how: How) -> None:
    said = resolver.resolve(text)
    assert said.country == country
    assert said.how is how


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("", How.NO_PLACE),
        ("Mars", How.NO_PLACE),
        ("in your heart", How.NO_PLACE),
        ("Earth", How.NO_PLACE),
        ("Nice", How.NO_PLACE),
        ("Littleton", How.NO_PLACE),
        ("or", How.NO_PLACE),
        ("Me, or", How.NO_PLACE),
        ("It is, Or", How.NO_PLACE),
        ("DE", How.NO_PLACE),
        ("not Texas", How.NO_PLACE),
        ("anywhere but France", How.NO_PLACE),
        ("Paris Hilton's closet", How.NO_PLACE),
        ("United States of Whatever", How.NO_PLACE),
        ("🇺🇦", How.NO_PLACE),
        ("🇫🇷🇩🇪", How.NO_PLACE),
        ("-48.87, -123.39", How.NO_PLACE),
        ("Georgia", How.AMBIGUOUS),
        ("Cambridge", How.AMBIGUOUS),
        ("Ontario, CA", How.AMBIGUOUS),
        ("Paris 🇺🇸", How.AMBIGUOUS),
        ("32.5, -117.0", How.AMBIGUOUS),
        ("London & Paris", How.SEVERAL),
        ("London, Paris", How.SEVERAL),
        ("USA / UK", How.SEVERAL),
        ("Berlin, Texas", How.SEVERAL),
        ("Paris / London 🇫🇷", How.SEVERAL),
    ],
)
def test_what_a_reader_could_not_place_stays_open(resolver: Resolver, text: str, how: How) -> None:
    said = resolver.resolve(text)
    assert said.country is None
    assert said.how is how


def test_nothing_is_said_below_the_confidence_asked_for() -> None:
    sure = Resolver(FewNames(), Rules(least=0.999))
    assert sure.resolve("France").country is None
    assert Resolver(FewNames(), Rules(least=0.3)).resolve("Cambridge").country == "US"


@given(st.text(st.sampled_from("Paris TexasLondon,/|&🇫🇷🇺🇸\u200d\u202eor-. 東京都1°"), max_size=60))
def test_any_string_has_an_answer_and_always_the_same(text: str) -> None:
    said = Resolver(FewNames()).resolve(text)
    assert said == Resolver(FewNames()).resolve(text)
    assert 0 <= said.confidence <= 1
    assert said.country is None or said.confidence >= Rules().least


@given(st.text(max_size=300))
def test_hostile_strings_name_no_country(text: str) -> None:
    Resolver(FewNames()).resolve(text)


def test_only_so_many_strings_are_remembered() -> None:
    resolver = Resolver(FewNames(), cached=2)
    for text in ("Paris", "London", "Austin", "Paris"):
        resolver.resolve(text)
    assert resolver.resolve.cache_info().currsize == 2
    assert resolver.resolve.cache_info().hits == 0


def test_parts_of_cities_are_whole_names() -> None:
    assert all(name == key(name) for name in PARTS_OF_CITIES)
    assert {"east london", "happy valley", "little italy"} <= PARTS_OF_CITIES
