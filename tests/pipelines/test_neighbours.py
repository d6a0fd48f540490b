from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.dedup import DuplicateIndex
from pipelines.neighbours import NearIndex, basis, groups, repeated

POST = "we waited four hours at the gate in Denver and nobody from the airline told us anything at all"
LONG = (
    "The finance minister told parliament today that the new budget will raise fuel duty by nine percent from the "
    "first of April, and that nobody has to worry about it"
)
# Few words, so that chance makes near pairs, equal texts and chains.
TEXTS = st.lists(
    st.lists(st.sampled_from("rain sun gate late not good".split()), max_size=9).map(" ".join), min_size=1, max_size=14
)


def by_hand(one: str, two: str) -> bool:
    """The measure, spelt out."""
    if basis(one) == basis(two):
        return True
    runs = []
    for words in (one.split(), two.split()):
        if len(words) < 4:
            return False
        padded = ["", "", *words, "", ""]
        runs.append({tuple(padded[i : i + 3]) for i in range(len(padded) - 2)})
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1]) >= 0.7


@given(TEXTS)
def test_every_near_pair_is_found_and_no_other(texts: list[str]) -> None:
    index = NearIndex(texts)
    for text in texts:
        expected = {basis(other) for other in texts if by_hand(text, other)}
        assert {basis(texts[row]) for row in index.near(text)} == expected


@given(TEXTS)
def test_a_group_is_what_chains_of_near_pairs_reach(texts: list[str]) -> None:
    expected = list(range(len(texts)))
    for _ in texts:
        for one, two in combinations(range(len(texts)), 2):
            if by_hand(texts[one], texts[two]):
                expected[one] = expected[two] = min(expected[one], expected[two])
    assert groups(texts) == expected


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (POST, f"RT @traveller: {POST}"),
        (POST, f"{POST.upper()}!!! https://t.co/2"),
        (POST, f"{POST} http"),
        (POST, f"#Denver {POST}"),
        ("thank you", "@user Thank you! http"),
        (LONG, f"RT @reporter: {LONG[:125]}…"),
        (f"RT @reporter: {LONG[:125]}…", f"RT @editor_in_chief: {LONG[:118]}…"),
    ],
)
def test_a_text_and_its_copies_are_neighbours(one: str, two: str) -> None:
    assert groups([one, two]) == groups([two, one]) == [0, 0]
    assert repeated([one, "something else"], ["another one"], [two]) == {0}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("this flight was great", "this flight was awful"),
        ("great 😡", "great 😍"),
        ("I love the new iphone so much, best day ever", "I hate the new iphone so much, worst day ever"),
        (POST, f"{POST[:50]}…"),
        (POST, ""),
    ],
)
def test_different_texts_are_none(one: str, two: str) -> None:
    assert groups([one, two]) == [0, 1]
    assert repeated([one], [two]) == set()


@given(TEXTS)
def test_what_the_live_index_calls_a_repeat_is_in_one_group(texts: list[str]) -> None:
    live = DuplicateIndex(capacity=20)
    firsts = [live.first_of(str(row), text) for row, text in enumerate(texts)]
    leaders = groups(texts)
    for row, first in enumerate(firsts):
        assert first is None or leaders[row] == leaders[int(first)]


def test_nothing_has_no_neighbours() -> None:
    assert groups([]) == []
    assert repeated([], [POST]) == repeated([POST]) == set()
