"""The rise divided up, and how few made it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.evidence import Dimension
from app.core.posts import Posts, Texts
from app.core.rises import MOST_PARTS, by_column, concentration
from tests.core.posts import Said, columns

COLUMNS = [Dimension.AUTHOR, Dimension.DOMAIN, Dimension.SOURCE, Dimension.COUNTRY]
messages = st.builds(
    Said,
    text=st.just("a"),
    author=st.sampled_from(["", "ann", "bob", *map(str, range(12))]),
    family=st.sampled_from(["", "f", "g"]),
    source=st.sampled_from(["x", "newsapi"]),
    country=st.sampled_from(["", "DE"]),
    domain=st.sampled_from(["", "shop.example"]),
)


def divided(by: Dimension, window: Posts, before: Posts) -> dict[str | None, tuple[float, float, float | None]]:
    breakdown = by_column(by, Texts.of(window), Texts.of(before))
    assert breakdown is not None
    return {part.key: (part.rate, part.rate_before, part.share) for part in breakdown.parts}


def test_the_rise_is_divided_by_who_made_it() -> None:
    window = columns([Said("a", "ann")] * 6 + [Said("b", "bob")] * 3 + [Said("c", "cy")], hours=1)
    before = columns([Said("d", "bob")] * 10 + [Said("e", "cy")] * 10, hours=10)
    assert divided(Dimension.AUTHOR, window, before) == {
        "ann": (6, 0, 6 / 8),
        "bob": (3, 1, 2 / 8),
        None: (1, 1, 0),  # cy wrote as much as ever
    }


def test_what_is_not_known_is_a_part_too() -> None:
    window = columns([Said("a", country="DE"), Said("b"), Said("c")])
    assert divided(Dimension.COUNTRY, window, columns([])) == {"": (2, 0, 2 / 3), "DE": (1, 0, 1 / 3), None: (0, 0, 0)}


def test_a_column_that_says_nothing_is_left_out() -> None:
    assert by_column(Dimension.DOMAIN, Texts.of(columns([Said("a")])), Texts.of(columns([Said("b")]))) is None


def test_a_fall_has_no_shares() -> None:
    parts = divided(Dimension.AUTHOR, columns([Said("a", "ann")]), columns([Said("b", "bob")] * 5))
    assert parts == {"ann": (1, 0, None), None: (0, 5, None)}


def test_the_parts_of_a_sample_stand_for_all() -> None:
    window = columns([Said("a", "ann")] * 4, weight=2.5)
    assert divided(Dimension.AUTHOR, window, columns([])) == {"ann": (10, 0, 1), None: (0, 0, 0)}


def test_a_part_opens_its_own_messages_one_of_each_text() -> None:
    said = [Said("a", "ann"), Said("RT a", "bob", family="m0"), Said("RT a", "bob", family="m0"), Said("b", "bob")]
    breakdown = by_column(Dimension.AUTHOR, Texts.of(columns(said)), Texts.of(columns([])))
    assert breakdown is not None
    assert {part.key: part.ids for part in breakdown.parts} == {"bob": ("m1", "m3"), "ann": ("m0",), None: ()}


@given(st.lists(messages, min_size=1, max_size=25), st.lists(messages, max_size=25), st.floats(1, 5))
def test_the_parts_add_up_to_the_rise(window: list[Said], before: list[Said], weight: float) -> None:
    inside, outside = columns(window, weight=weight), columns(before, hours=7)
    for by in COLUMNS:
        breakdown = by_column(by, Texts.of(inside), Texts.of(outside))
        if breakdown is not None:
            assert sum(part.rise for part in breakdown.parts) == pytest.approx(inside.rate - outside.rate)
            assert [part.key for part in breakdown.parts][-1] is None
            assert len(breakdown.parts) <= MOST_PARTS + 1
            rises = [part.rise for part in breakdown.parts[:-1]]
            assert rises == sorted(rises, reverse=True)


def test_a_story_is_no_column() -> None:
    with pytest.raises(ValueError, match="by_story"):
        by_column(Dimension.STORY, Texts.of(columns([Said("a")])), Texts.of(columns([])))


def test_few_authors_and_few_texts_make_a_concentrated_window() -> None:
    loud = [Said("a", "ann", family="a")] * 60 + [Said(f"{n}", f"p{n}") for n in range(40)]
    calm = [Said(f"{n}", f"p{n}") for n in range(250)]
    found = concentration(Texts.of(columns(loud)), Texts.of(columns(calm, hours=9)))
    assert (found.authors, found.texts) == (0.69, 0.69)
    assert (found.authors_before, found.texts_before) == (0.1, 0.1)


def test_concentration_is_compared_with_as_many_messages_or_not_at_all() -> None:
    window = Texts.of(columns([Said(f"{n}") for n in range(30)]))
    few = concentration(window, Texts.of(columns([Said(f"{n}") for n in range(29)])))
    sample = concentration(window, Texts.of(columns([Said(f"{n}") for n in range(90)], weight=2)))
    assert (few.authors, few.authors_before, few.texts_before) == (None, None, None)
    assert sample.texts_before is None
