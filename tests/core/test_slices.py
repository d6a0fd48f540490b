from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.slices import DIMENSIONS, length_bucket, members, slices_of


def marks(text: str) -> set[str]:
    return {dimension for dimension, value in slices_of(text, "x", "e").items() if value == "with"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a plain sentence", set()),
        ("so happy 😍", {"emoji"}),
        ("go 🇩🇪", {"emoji"}),
        ("love ❤️", {"emoji"}),
        ("press #️⃣ now", {"emoji"}),
        ("(c) ™ © → 50 %", set()),
        ("I don't know", {"negation"}),
        ("I don\u2019t know", {"negation"}),
        ("I don\\u2019t know", {"negation"}),
        ("I dont know", {"negation"}),
        ("never again", {"negation"}),
        ("NOT here", {"negation"}),
        ("no one came", {"negation"}),
        ("a knot, a note, nobility", set()),
        ("#Apple event", {"hashtag"}),
        ("we are #1", set()),
        ("page#top", set()),
        ("thanks @united", {"mention"}),
        ("mail me@example.org", set()),
        ("see https://t.co/x", {"link"}),
        ("see www.example.org", {"link"}),
        ("see http", {"link"}),
        ("&amp; so &lt;on&gt;", set()),
        ("@user can't wait 😀 #now http://a.b", {"mention", "negation", "emoji", "hashtag", "link"}),
    ],
)
def test_marks(text: str, found: set[str]) -> None:
    assert marks(text) == found


@pytest.mark.parametrize(
    ("words", "bucket"),
    [
        (0, "1-5 words"),
        (1, "1-5 words"),
        (5, "1-5 words"),
        (6, "6-10 words"),
        (10, "6-10 words"),
        (11, "11-20 words"),
        (20, "11-20 words"),
        (21, "21-30 words"),
        (30, "21-30 words"),
        (31, "over 30 words"),
    ],
)
def test_lengths(words: int, bucket: str) -> None:
    assert length_bucket(" ".join(["word"] * words)) == bucket


@given(st.text())
def test_any_text_has_a_value_in_every_dimension(text: str) -> None:
    assert set(slices_of(text, "x", "e")) == set(DIMENSIONS)


@given(st.lists(st.tuples(st.text(max_size=30), st.sampled_from(["x", "news"]), st.sampled_from(["", "launch"]))))
def test_every_row_is_once_in_each_dimension(rows: list[tuple[str, str, str]]) -> None:
    texts, sources, events = zip(*rows, strict=True) if rows else ((), (), ())
    found = members(texts, sources, events)
    for dimension in DIMENSIONS:
        given_rows = [row for (name, _), places in found.items() if name == dimension for row in places]
        expected = [row for row, event in enumerate(events) if event] if dimension == "event" else range(len(texts))
        assert sorted(given_rows) == list(expected)


def test_slices_come_in_the_order_of_a_table() -> None:
    texts = ["w " * 40, "w", "w " * 8, "good 😀"]
    found = list(members(texts, ["x"] * 4, ["b", "a", "", ""]))
    assert found[:4] == [
        ("length", "1-5 words"),
        ("length", "6-10 words"),
        ("length", "over 30 words"),
        ("emoji", "with"),
    ]
    assert found[-2:] == [("event", "a"), ("event", "b")]
