from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest

from app.dashboard.markup import isolated, notice, safe, spoken, there, visible
from tests.dashboard.rig import NOON
from tests.fakes.hostile import PAYLOADS


def times(html: str) -> list[str]:
    return re.findall(r'datetime="([^+"]+)', html)


@pytest.mark.parametrize(
    ("sentence", "moments"),
    [
        ("1,204 messages since 11:55 UTC, 812 distinct.", ["2026-11-23T11:55:00"]),
        ("from 10:40 to 11:03 UTC", ["2026-11-23T10:40:00", "2026-11-23T11:03:00"]),
        ("from 22 Nov 13:40 to 16:03 UTC", ["2026-11-22T13:40:00", "2026-11-22T16:03:00"]),
        ("from 31 Oct 23:40 to 1 Nov 00:03 UTC", ["2026-10-31T23:40:00", "2026-11-01T00:03:00"]),
        ("closed: calm since 5 Jan 2025 10:00 UTC", ["2025-01-05T10:00:00"]),
        ("at 25:99 UTC or 31 Feb 10:00 UTC", []),
        ("ratio 12:30 of nothing", []),
    ],
)
def test_the_times_of_a_sentence_become_the_readers_own(sentence: str, moments: list[str]) -> None:
    html = spoken(sentence, NOON)
    assert times(html) == moments
    assert re.sub("<[^>]+>", "", html).replace(",", "").startswith(sentence.replace(",", "")[:12])


def test_a_sentence_is_escaped_and_sources_have_names() -> None:
    html = spoken("<b>x_stream</b> is down since 11:00 UTC", NOON)
    assert html.startswith("&lt;b&gt;X live stream&lt;/b&gt; is down since <time")


def test_what_goes_into_a_chart_is_one_visible_line() -> None:
    assert visible("a\u202egnp.exe\n\x00b\ud800") == "agnp.exe b?"


def test_a_link_to_another_page_is_inert_whatever_its_parameters() -> None:
    assert there("event", "x", event='"><b>&') == '<a href="event?event=%22%3E%3Cb%3E%26">x</a>'


@pytest.mark.parametrize(
    "make", [safe, isolated, lambda text: spoken(text, NOON), lambda text: notice("calm", text, "")]
)
def test_no_text_becomes_markup(make: Callable[[str], str]) -> None:
    for text in PAYLOADS:
        html = make(text)
        assert set(re.findall(r"<(\w+)", html)) <= {"bdi", "div", "strong", "span", "time"}
        assert visible(text) in visible(unescape(re.sub(r"</?(?:bdi|div|strong|span|time)[^>]*>", "", html)))


def test_what_a_sentence_quotes_turns_nothing_around() -> None:
    assert spoken("“\u202egnp.exe\u2067” grew", NOON) == "“gnp.exe” grew"
