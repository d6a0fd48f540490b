from __future__ import annotations

from datetime import timedelta

import pytest

from app.core.prevalence import Difference, Share
from app.services.words import length, negative_sentence, points


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.06, 0.11, "6 to 11 points"),
        (-0.11, -0.06, "6 to 11 points"),
        (0.001, 0.03, "up to 3 points"),
        (0.011, 0.012, "1 point"),
    ],
)
def test_a_change_is_a_range_of_points(low: float, high: float, said: str) -> None:
    assert points(low, high) == said


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=36), "36 h"),
        (timedelta(hours=48), "48 h"),
        (timedelta(days=7), "7 days"),
        (timedelta(hours=73), "73 h"),
    ],
)
def test_a_length_is_told_in_whole_units(time: timedelta, said: str) -> None:
    assert length(time) == said


def test_a_change_that_is_known_better_than_from_two_wide_intervals_is_told() -> None:
    now, before = Share(0.4, 0.1, 0.7, 500), Share(0.2, 0.05, 0.5, 500)
    assert negative_sentence(now, before).endswith("20 % before: no difference we can tell")
    assert negative_sentence(now, before, Difference(0.2, 0.05, 0.35)).endswith("up from 20 %")
