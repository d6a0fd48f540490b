from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.place_text import LONGEST, coordinates, flags, key, parts, visible


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("São Paulo", "SAO PAULO"),
        ("İstanbul", "istanbul"),
        ("Diyarbakır", "DİYARBAKIR"),
        ("U.S.A.", "usa"),
        ("L o n d o n", "London"),
        ("ＬＯＮＤＯＮ", "london"),
        ("Trinidad & Tobago", "trinidad and tobago"),
        ("Côte d’Ivoire", "cote d'ivoire"),
        ("St. Louis", "Saint Louis"),
        ("Mt. Pleasant", "mount pleasant"),
        ("Łódź", "lodz"),
        ("Київ", "КИЇВ"),
        ("winston-salem", "Winston Salem"),
    ],
)
def test_ways_to_write_a_name_are_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_what_makes_another_name_stays() -> None:
    assert key("Billings, MT") == "billings mt"
    assert key("नई दिल्ली") == "नई दिल्ली"
    assert key("서울") == "서울"
    assert key("!?") == ""


@given(st.text())
def test_folding_a_key_changes_nothing(name: str) -> None:
    folded = key(name)
    assert key(folded) == folded


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("🇺🇸", ("US",)),
        ("🇳🇬 🇬🇧 🇳🇬", ("NG", "GB")),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", ("GB",)),
        ("🏴‍☠️ 🏳️‍🌈 🌍 US", ()),
        ("🇺", ()),
    ],
)
def test_flags_are_codes(text: str, codes: tuple[str, ...]) -> None:
    assert flags(text) == codes


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("ÜT: 48.8566, 2.3522", (48.8566, 2.3522)),
        ("38.8951° N, 77.0367° W", (38.8951, -77.0367)),
        ("33.8688 S, 151.2093 E", (-33.8688, 151.2093)),
        ("-1.2921,36.8219;12", (-1.2921, 36.8219)),
        ("48.8566 \t\n ,   2.3522", (48.8566, 2.3522)),
        ("1.5" + " " * (LONGEST - 4) + "x", None),  # each blank could be of four runs of blanks: hours of trying
        ("x" * LONGEST + " 48.8566, 2.3522", None),  # beyond what is read
        ("95.2, 200.1", None),
        ("0,0", None),
        ("24/7", None),
        ("192.168.0.1", None),
        ("version 1.2.3 4.5", None),
    ],
)
def test_coordinates_are_decimals_within_the_earth(text: str, point: tuple[float, float] | None) -> None:
    assert coordinates(text) == point


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("NYC / LA", [["nyc"], ["la"]]),
        ("Olympia, WA ✈ Charleston, SC", [["olympia", "wa"], ["charleston", "sc"]]),
        ("Hoops City (Memphis, TN)", [["hoops city", "memphis", "tn"]]),
        ("Lyon - France", [["lyon", "france"]]),
        ("London & Leeds", [["london"], ["leeds"]]),
        ("AT&T", [["at"], ["t"]]),
        ("Lon\u00addon\u200b", [["london"]]),
        ("me@example.org https://example.org/a @me Rome", [["rome"]]),
        ("IG: sc.somebody Rome", [["rome"]]),
        ("★★★", []),
        ("", []),
    ],
)
def test_a_text_falls_into_alternatives_and_their_pieces(text: str, names: list[list[str]]) -> None:
    assert [[piece.name for piece in pieces] for pieces in parts(visible(text))] == names


@given(st.text(max_size=400))
def test_nothing_unseen_is_left(text: str) -> None:
    seen = visible(text)
    assert len(seen) <= 20 * LONGEST  # one ligature can stand for eighteen letters
    assert not any(char in seen for char in "\0\u200b\u202e\u2066\ufeff\ud83d")
