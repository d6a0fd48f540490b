"""Numbers and times in plain words: never a bare percentage, and small samples say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from app.core.prevalence import Difference, Share, difference
from app.views import Correction

SMALL_SAMPLE: Final = 30
"""Fewer scored messages than this are called a small sample."""


def percent(value: float) -> str:
    """A share in whole percent; what is nearly none or nearly all does not become none or all."""
    if 0 < value < 0.005:
        return "under 1 %"
    if 0.995 < value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"


def with_interval(share: Share) -> str:
    """A share with its 95 % interval: "34 % (29-39)"."""
    return f"{percent(share.value)} ({100 * share.low:.0f}-{100 * share.high:.0f})"


def messages_of(number: int) -> str:
    """A number of messages in words."""
    return "1 message" if number == 1 else f"{number:,} messages"


def points(low: float, high: float) -> str:
    """How far a share moved, as a range of whole points, whichever way."""
    least, most = sorted(round(100 * abs(edge)) for edge in (low, high))
    if least == most:
        return "1 point" if least == 1 else f"{least} points"
    return f"up to {most} points" if least == 0 else f"{least} to {most} points"


def length(time: timedelta) -> str:
    """A length of time in whole days, hours or minutes: "7 days", "36 h", "90 min"."""
    minutes = round(time / timedelta(minutes=1))
    if minutes % 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours % 24 or hours <= 48 else f"{hours // 24} days"


def negative_sentence(now: Share | None, before: Share | None, change: Difference | None = None) -> str:
    """The negative share with its change: "negative share 34 % (29-39), up from 18 %".

    `change` is how far `now` is above `before` where that is known better than from the two intervals.
    """
    if now is None:
        return "no share yet: nothing was scored"
    said = f"negative share {with_interval(now)}"
    if now.n < SMALL_SAMPLE:
        said += f" in a small sample of {now.n}"
    if before is None:
        return f"{said}, nothing before to compare with"
    verdict = (change or difference(now, before)).verdict
    if verdict == "can't tell":
        return f"{said}, {percent(before.value)} before: no difference we can tell"
    return f"{said}, {'up' if verdict == 'higher' else 'down'} from {percent(before.value)}"


def correction_sentence(correction: Correction) -> str:
    """How shares were corrected for the classifier's errors, or why they were not."""
    if not correction.corrected:
        reason = f": {correction.reason}" if correction.reason else ""
        return f"Not corrected for the classifier's errors{reason}."
    sets = len(correction.evaluation_sets)
    measured = f"{sets} labelled set{'' if sets == 1 else 's'} ({correction.evaluated:,} texts)"
    own = f" and on {messages_of(correction.labelled)} of this event that people judged" if correction.labelled else ""
    return f"Corrected for the classifier's errors, which were measured on {measured}{own}."


def at(moment: datetime, now: datetime) -> str:
    """A time in UTC, with as much of the date as tells it from the same time today."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M} UTC"
    return (
        f"{moment.day} {moment:%b %H:%M} UTC" if moment.year == now.year else f"{moment.day} {moment:%b %Y %H:%M} UTC"
    )


def stretch(start: datetime, end: datetime | None, now: datetime) -> str:
    """A stretch of time: "since 14:00 UTC", or "from 14:00 to 16:10 UTC"."""
    if end is None:
        return f"since {at(start, now)}"
    first = at(start, now).removesuffix(" UTC")
    last = at(end, now) if end.date() != start.date() else f"{end:%H:%M} UTC"
    return f"from {first} to {last}"


def capital(sentence: str) -> str:
    """The sentence with a capital letter at its beginning."""
    return sentence[:1].upper() + sentence[1:]
