from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.core.ids import slug


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Apple Vision Pro launch", "apple-vision-pro-launch"),
        ("  WM 2026: Finale!  ", "wm-2026-finale"),
        ("Österreich", "österreich"),
        ("STRASSE straße", "strasse-strasse"),
        ("東京", "東京"),
        ("a_b", "a_b"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_slug(name: str, made: str) -> None:
    assert slug(name) == made


@pytest.mark.parametrize("name", ["", " ", "!!!", "___", "😀"])
def test_a_name_without_letters_has_no_slug(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        slug(name)
    assert refused.value.field == "name"


@given(st.text())
def test_a_slug_is_short_stable_and_fit_for_a_path(name: str) -> None:
    try:
        made = slug(name)
    except InvalidInput:
        return
    assert 1 <= len(made) <= 60
    assert not set(made) & set("/\\.? #%&")
    assert slug(made.replace("-", " ")) == slug(made)
