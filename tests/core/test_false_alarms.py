"""Does the dial mean what it says? Weeks of chatter in which nothing happens."""

from __future__ import annotations

from functools import cache

import pytest
from scipy.stats import poisson

from app.core.watch import Rule, replay
from tests.core.ticks import WEEK, chatter

CHATTER = {"steady": 0.0, "by the hour": 0.6}
WEEKS = 3
STREAMS = 2
DIALS = (0.5, 10.0)


@cache
def false_alarms(spread: float, dial: float) -> int:
    """Incidents on chatter in which nothing happens, all streams together."""
    rule = Rule(alarms_per_week=dial)
    return sum(
        len(replay([{"x": each} for each in chatter(seed, WEEKS * WEEK, spread=spread)], rule))
        for seed in range(100, 100 + STREAMS)
    )


@pytest.mark.parametrize("dial", DIALS)
@pytest.mark.parametrize("spread", CHATTER.values(), ids=CHATTER)
def test_chatter_raises_no_more_false_alarms_than_the_dial_says(spread: float, dial: float) -> None:
    assert false_alarms(spread, dial) <= poisson.ppf(0.9999, dial * WEEKS * STREAMS)


@pytest.mark.parametrize("spread", CHATTER.values(), ids=CHATTER)
def test_a_lower_dial_raises_fewer(spread: float) -> None:
    assert false_alarms(spread, DIALS[0]) < false_alarms(spread, DIALS[1])
