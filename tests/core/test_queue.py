from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.feedback import Stratum
from app.core.queue import PATTERN, fill, is_for_lot, locate, margin, place, shared, slots

U, D, R = Stratum.UNCERTAIN, Stratum.DISAGREEMENT, Stratum.RANDOM
IDS = st.lists(st.sampled_from([f"m{number}" for number in range(30)]), max_size=20)


def test_of_a_hundred_half_are_uncertain_a_quarter_disputed_and_a_quarter_drawn() -> None:
    assert Counter(slots(0, 100)) == {U: 50, D: 25, R: 25}


@given(st.integers(0, 200), st.lists(st.integers(0, 9), max_size=20))
def test_however_few_are_asked_for_at_once_the_shares_stay(done: int, sizes: list[int]) -> None:
    asked, pieces = done, []
    for size in sizes:
        pieces += slots(asked, size)
        asked += size
    assert pieces == slots(done, sum(sizes))
    counts = Counter(pieces)
    assert abs(counts[R] - len(pieces) / 4) <= 1


def test_every_fourth_that_is_drawn_is_one_that_somebody_else_has_judged() -> None:
    drawn = slots(0, 160).count(R)
    assert (drawn, shared(0, 160)) == (40, 10)
    assert sum(shared(place, 1) for place in range(160)) == 10
    assert all(PATTERN[place % 4] is R for place in range(160) if shared(place, 1))


def test_each_slot_gets_a_message_of_its_kind() -> None:
    supply = {U: ["u1", "u2", "u3"], D: ["d1"], R: ["r1"]}
    assert fill(slots(0, 4), supply) == [("u1", U), ("r1", R), ("u2", U), ("d1", D)]


def test_what_there_is_none_of_is_replaced_and_named_by_what_it_is() -> None:
    assert fill([D, D], {U: ["u1", "u2"], D: ["d1"]}) == [("d1", D), ("u1", U)]
    assert fill([U, D], {R: ["r1", "r2", "r3"]}) == [("r1", R), ("r2", R)]
    assert fill([U, R, D], {D: ["d1"]}) == [("d1", D)]
    assert fill([U], {}) == []


@given(st.lists(st.sampled_from([U, D, R]), max_size=40), IDS, IDS, IDS)
def test_no_message_comes_twice_and_none_is_left_while_there_is_room(
    wanted: list[Stratum], unsure: list[str], disputed: list[str], drawn: list[str]
) -> None:
    made = fill(wanted, {U: unsure, D: disputed, R: drawn})
    names = [name for name, _ in made]
    assert len(set(names)) == len(names) == min(len(wanted), len({*unsure, *disputed, *drawn}))
    assert all(name in {U: unsure, D: disputed, R: drawn}[stratum] for name, stratum in made)


def test_the_margin_is_between_the_two_likeliest() -> None:
    assert margin((0.1, 0.5, 0.4)) == pytest.approx(0.1)
    assert margin((0.4, 0.4, 0.2)) == 0
    assert margin((1.0, 0.0, 0.0)) == 1


def test_a_quarter_is_kept_for_the_lot_for_ever() -> None:
    kept = [f"m{number}" for number in range(4000) if is_for_lot("cup", f"m{number}")]
    assert 900 < len(kept) < 1100
    assert kept[:3] == ["m4", "m12", "m18"]
    assert place("cup", "1 a") != place("cup 1", "a")
    assert 0 <= place("", "\ud800") < 2**64


@given(st.lists(st.integers(0, 5), max_size=20))
def test_every_rank_lies_in_exactly_one_place(counts: list[int]) -> None:
    places = [locate(counts, rank) for rank in range(sum(counts))]
    assert places == [(bucket, rank) for bucket, count in enumerate(counts) for rank in range(count)]


@pytest.mark.parametrize(("counts", "rank"), [([], 0), ([0, 0], 0), ([2, 1], 3), ([2], -1)])
def test_a_rank_that_none_has_is_refused(counts: list[int], rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank {rank}"):
        locate(counts, rank)
