"""Windows of time: which one is asked for, and in which steps it is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from app.adapters.store import Store
from app.core.errors import InvalidInput
from app.core.types import Bucket, Count, Grain, Label, SourceState, SourceStatus
from app.views import Selection

# Steps a timeline may have, in seconds, with the roll-up each is added up from.
STEPS: tuple[tuple[int, Grain], ...] = (
    (60, "minute"),
    (300, "minute"),
    (900, "minute"),
    (3_600, "hour"),
    (21_600, "hour"),
    (86_400, "day"),
)
_MOST_STEPS = 300
_LONGEST_HOURS = 24 * 366 * 5
# Windows and events lie between these: a window before the window never leaves the years a datetime has.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)
_DOWN = frozenset({SourceState.NOT_CONNECTED, SourceState.UNAUTHORIZED, SourceState.BUDGET_USED, SourceState.ERROR})


def step_for(seconds: float) -> tuple[int, Grain]:
    """The finest step, and its roll-up, that draws a window of that many seconds in at most 300 points."""
    return next((step for step in STEPS if seconds / step[0] <= _MOST_STEPS), STEPS[-1])


def moment(value: datetime, field: str) -> datetime:
    """The time in UTC. Raises InvalidInput for one without zone or beyond the years that are worked with."""
    if value.tzinfo is None:
        raise InvalidInput(f"{value.isoformat()} has no time zone: add Z or an offset", field=field)
    if not _FIRST <= value <= _LAST:
        raise InvalidInput(f"{value.isoformat()} is not between the years 1900 and 2200", field=field)
    return value.astimezone(UTC)


def live_to(statuses: Sequence[SourceStatus]) -> datetime | None:
    """The data edge: up to when the source that is furthest has been read."""
    return max((status.live_to for status in statuses if status.live_to), default=None)


def sources_down(statuses: Sequence[SourceStatus]) -> tuple[str, ...]:
    """The sources that deliver nothing now, and will not by themselves."""
    return tuple(status.source for status in statuses if status.state in _DOWN)


def window(
    store: Store,
    event_id: str,
    selection: Selection,
    statuses: Sequence[SourceStatus],
    now: Callable[[], datetime],
) -> tuple[datetime, datetime]:
    """The window that is asked for as [start, end). Raises InvalidInput for one that can't be."""
    if (selection.start is None) != (selection.end is None):
        missing = "end" if selection.end is None else "start"
        raise InvalidInput("a window needs both start and end, or hours", field=missing)
    if selection.start and selection.end:
        start, end = moment(selection.start, "start"), moment(selection.end, "end")
        if end <= start:
            raise InvalidInput("the window ends before it starts", field="end")
        if end - start > timedelta(hours=_LONGEST_HOURS):
            raise InvalidInput("the window is longer than five years", field="start")
        return start, end
    if not 0 < selection.hours <= _LONGEST_HOURS:
        raise InvalidInput(f"a window of {selection.hours} hours: choose up to five years", field="hours")
    span = store.span(event_id)
    edge = live_to(statuses) or (span[1] if span else now())
    edge = min(max(edge, _FIRST), _LAST)  # one post with a wild date must not break the arithmetic
    # The end is exclusive and the roll-ups are by the minute: take in the minute that is being filled.
    end = edge.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return end - timedelta(hours=selection.hours), end


def step(step_s: int | None, seconds: float) -> tuple[int, Grain]:
    """The step to draw a window of that many seconds in, and its roll-up. Raises InvalidInput for none of `STEPS`."""
    if step_s is None:
        return step_for(seconds)
    grain = dict(STEPS).get(step_s)
    if grain is None:
        known = ", ".join(str(step) for step, _ in STEPS)
        raise InvalidInput(f"a step of {step_s} seconds: choose one of {known}", field="step_s")
    if seconds / step_s > 20_000:
        raise InvalidInput(f"a step of {step_s} seconds is too fine for this window", field="step_s")
    return step_s, grain


def gather(fine: Sequence[Bucket], step_s: int) -> tuple[Bucket, ...]:
    """Add up buckets into steps of `step_s` seconds, counted from the epoch."""
    gathered: dict[float, dict[Label, Count]] = {}
    for bucket in fine:
        start = math.floor(bucket.start.timestamp() / step_s) * step_s
        counts = gathered.setdefault(start, {})
        for label, count in bucket.counts.items():
            counts[label] = counts.get(label, Count()) + count
    return tuple(Bucket(datetime.fromtimestamp(start, UTC), counts) for start, counts in gathered.items())
