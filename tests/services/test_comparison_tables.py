from __future__ import annotations

import pytest

from app.adapters.store import Store
from app.services.comparison import Comparisons
from app.services.comparison_tables import sides_table, steps_table
from app.services.shares import Shares
from tests.services.test_comparison import HOUR, KNOWN, NOON, NOW, Feed, compare, side


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def comparisons(store: Store, feed: Feed) -> Comparisons:
    return Comparisons(store, Shares(store, KNOWN.get), lambda: NOW)


def test_a_row_a_side_with_both_kinds_of_shares(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(40, 160)
    feed.put(120, 80, NOON + HOUR)
    found = compare(comparisons, side(), side(start=NOON + HOUR))
    first, second = sides_table(found).to_pylist()
    assert (first["number"], first["event"], first["start"], first["raw_negative"]) == (1, "cup", NOON, 40)
    assert first["corrected"] is True
    assert first["classified_negative_share"] == 0.2
    assert first["negative_low"] < first["negative_share"] < first["negative_high"]
    assert first["verdict"] is first["against_first_negative_points"] is None
    assert second["verdict"] == "higher"
    assert second["against_first_negative_low"] > 30  # points
    assert first["voice_share"] == 0.5


def test_a_row_a_point_of_the_chart(comparisons: Comparisons, feed: Feed) -> None:
    feed.put(40, 160)
    feed.put(120, 80, NOON + HOUR)
    rows = steps_table(compare(comparisons, side(), side(start=NOON + HOUR))).to_pylist()
    assert {row["number"] for row in rows} == {1, 2}
    assert sum(row["distinct"] for row in rows) == 400
    assert rows[0]["start"] == NOON
    assert rows[0]["after_s"] == 0
    assert rows[0]["classified_negative_low"] < rows[0]["classified_negative_share"]
