from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dashboard.view import View, moment, written
from tests.dashboard.rig import NOON


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("vision-pro", "all", "x", "??", "negative", "50 % & <b>+ü", True),
        View("a b/ç", "1h", country="GB"),
        View("e", "around", start=NOON - timedelta(minutes=20), end=NOON, statement="phrase:a:b & c", after="c=1"),
        View("e", incident=3, about="negative", against="rest"),
    ],
)
def test_a_view_comes_back_from_its_url(view: View) -> None:
    assert View.from_query(dict(parse_qsl(view.to_query()))) == view


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": "9y", "label": "angry", "distinct": "maybe", "about": "me", "against": "all"},
        {"start": "2026-11-23T12:00Z"},
        {"start": "2026-11-23T12:00Z", "end": "2026-11-23T11:00Z"},
        {"start": "2026-11-23T12:00", "end": "2026-11-23T13:00"},
        {"start": "0001-01-01T00:00+14:00", "end": "yesterday"},
        {"incident": "-1"},
        {"incident": "²"},
        {"incident": "9" * 40},
    ],
)
def test_nonsense_in_the_url_falls_back(wrong: dict[str, str]) -> None:
    assert View.from_query(wrong) == View()


@given(st.dictionaries(st.sampled_from(["event", "window", "start", "end", "incident", "label", "about"]), st.text()))
def test_no_url_breaks_the_page_and_each_has_one_spelling(parameters: dict[str, str]) -> None:
    view = View.from_query(parameters)
    assert View.from_query(dict(parse_qsl(view.to_query()))) == view


def test_a_time_is_written_to_the_second_in_utc() -> None:
    assert written(NOON + timedelta(microseconds=7)) == "2026-11-23T12:00:00Z"
    assert moment("2026-11-23T13:00:00+01:00") == NOON
    assert written(None) == ""
