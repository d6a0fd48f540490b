"""A comparison as HTML and as what the page's script draws: sentences, shares of voice, differences with intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypedDict

from app.core.prevalence import Share
from app.core.types import CLASSES, Count, Label
from app.dashboard.markup import clock, day, figure, isolated, notice, safe, spoken, visible
from app.dashboard.tables import table
from app.dashboard.view import source_name
from app.services.aligned import Aligned, Point
from app.services.before_after import BeforeAfter
from app.services.comparison import AlignedBucket, Comparison, Side, Told
from app.services.words import points as in_points
from app.services.words import with_interval

_NONE: Final = "–"
_VERDICTS: Final = {"higher": "higher", "lower": "lower", "can't tell": "can’t tell"}


class Drawn(TypedDict):
    """A side on the chart; times are seconds from where all sides are counted. None is a gap in the share.

    `volume` is distinct messages an hour.
    """

    name: str
    at: list[int]
    volume: list[float]
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]
    n: list[int]


class Chart(TypedDict):
    """Everything the script needs. `origin` (epoch milliseconds) is there where offsets are times of the clock."""

    step: int
    origin: int | None
    sides: list[Drawn]


def chart(found: Comparison, drawn: Aligned, revision: str) -> str:
    """The chart of the points as the text that the panel carries."""
    origin = None
    if found.align == "clock":
        firsts = [side.buckets[0] for side in found.sides if side.buckets]
        origin = min((_origin(bucket) for bucket in firsts), default=None)
    sides = [_drawn(side.name, points) for side, points in zip(found.sides, drawn.sides, strict=True)]
    made: Chart = {"step": drawn.step_s, "origin": origin, "sides": sides}
    return json.dumps({"revision": revision, **made}, separators=(",", ":"))


def _origin(bucket: AlignedBucket) -> int:
    return round(bucket.start.timestamp() - bucket.offset_s) * 1000


def _drawn(name: str, points: Sequence[Point]) -> Drawn:
    made: Drawn = {"name": visible(name), "at": [], "volume": [], "value": [], "low": [], "high": [], "n": []}
    for point in points:
        found = point.negative
        made["at"].append(point.at_s)
        made["volume"].append(round(point.per_hour, 1))
        made["value"].append(round(found.value, 4) if found else None)
        made["low"].append(round(found.low, 4) if found else None)
        made["high"].append(round(found.high, 4) if found else None)
        made["n"].append(point.scored)
    return made


def said(found: Comparison, now: datetime) -> str:
    """What was found, a sentence a side, numbered as on the chart."""
    rows = "".join(
        f'<li data-key="s{number}"><b class="ep-number ep-side-{number}">{number}</b>'
        f"<p>{spoken(side.sentence, now)}</p></li>"
        for number, side in enumerate(found.sides, start=1)
    )
    return f'<ol class="ep-said-sides">{rows}</ol>'


def around(found: BeforeAfter, now: datetime) -> str:
    """What was found before and after a moment."""
    what = isolated(found.annotation.text) if found.annotation else "the moment"
    told = found.comparison.sides[1].differences.get(Label.NEGATIVE)
    return (
        f'<section class="ep-headline"><h1><strong>{spoken(found.sentence, now)}</strong></h1>'
        f'<p class="ep-basis">Before and after {what}, {day(found.at)} · {_verdict(told)} · '
        "that it came after does not say that it came of it</p></section>"
    )


def _verdict(told: Told | None) -> str:
    if told is None:
        return ""
    tone = "off" if told.verdict == "can't tell" else "calm"
    return f'<span class="ep-state ep-tone-{tone}">{_VERDICTS[told.verdict]}</span>'


def warnings(found: Sequence[str], now: datetime) -> str:
    """What stands against the comparison."""
    if not found:
        return ""
    rows = "".join(f"<li>{spoken(each, now)}</li>" for each in found)
    return notice("stale", "Before you quote it:", f'<ul class="ep-warnings">{rows}</ul>')


def numbers(found: Comparison) -> str:
    """The table behind the chart: shares with intervals, differences, what they rest on."""
    head = (
        "Side",
        "Negative",
        "Neutral",
        "Positive",
        "Negative against 1",
        "Messages",
        "Distinct an hour",
        "Share of voice",
        "Negative as classified",
        "Live to",
    )
    rows = [_row(number, side) for number, side in enumerate(found.sides, start=1)]
    return "<h2>The numbers</h2>" + table("The sides and their numbers", head, rows)


def _row(number: int, side: Side) -> tuple[str, ...]:
    total = sum(side.counts.values(), Count())
    told = side.differences.get(Label.NEGATIVE)
    shares = [_interval(side.shares.get(label)) for label in CLASSES]
    down = "".join(
        f'<br><span class="ep-down">without {isolated(source_name(each))}</span>' for each in side.sources_down
    )
    classified = side.classified.get(Label.NEGATIVE)
    uncorrected = _interval(classified) if side.correction.corrected else "the same: not corrected"
    return (
        f'<b class="ep-number ep-side-{number}">{number}</b> {isolated(side.name)}'
        f'<br><span class="ep-sure">{day(side.start)} to {day(side.end)}</span>',
        *shares,
        _told(told) if told else _NONE,
        f"{figure(total.raw)}<br><span class='ep-sure'>{figure(total.distinct)} distinct</span>",
        f"{side.per_hour:,.1f}",
        _interval(side.voice),
        uncorrected,
        (clock(side.live_to) if side.live_to else _NONE) + down,
    )


def _interval(found: Share | None) -> str:
    return _NONE if found is None else safe(with_interval(found)).replace(" %", "\u00a0%")


def _told(told: Told) -> str:
    if told.verdict == "can't tell":
        low, high = round(100 * told.low), round(100 * told.high)
        return f"can’t tell ({low:+d} to {high:+d} points)"
    return f"{told.verdict}, by {in_points(told.low, told.high)}"


def voice(found: Comparison) -> str:
    """Whose messages they are: a bar a side, of the distinct messages of all sides."""
    if any(side.voice is None for side in found.sides):
        return ""
    rows = "".join(
        f'<li data-key="v{number}"><b class="ep-number ep-side-{number}">{number}</b>'
        f'<span class="ep-voice"><i class="ep-side-{number}" style="width:{100 * side.voice.value:.1f}%"></i></span>'
        f"<span>{_interval(side.voice)} of {figure(side.voice.n)} distinct messages</span></li>"
        for number, side in enumerate(found.sides, start=1)
        if side.voice
    )
    return f'<h2>Share of voice</h2><ul class="ep-voices">{rows}</ul>'


def steps(found: Comparison, drawn: Aligned) -> str:
    """The points of the chart as a table: the negative share as classified, with what it rests on."""
    by_side = [{point.at_s: point for point in points} for points in drawn.sides]
    rows = []
    for at_s in sorted({at_s for side in by_side for at_s in side}):
        there = [side.get(at_s) for side in by_side]
        first = next(point for point in there if point)
        rows.append((day(first.start) if found.align == "clock" else _after(at_s), *map(_cell, there)))
    head = ("From" if found.align == "clock" else "After the start", *(f"Side {n}" for n in range(1, len(by_side) + 1)))
    made_table = table("The steps of the chart", head, rows)
    return (
        '<details class="ep-table" data-key="steps"><summary>The numbers behind the chart</summary>'
        f'<div class="ep-scroll" tabindex="0" role="region" aria-label="Numbers behind the chart">{made_table}</div>'
        "</details>"
    )


def _cell(point: Point | None) -> str:
    if point is None:
        return _NONE
    n = f"n = {figure(point.scored)}"
    return f"{_interval(point.negative)}, {n}" if point.negative else f"too few, {n}"


def _after(offset: int) -> str:
    hours, minutes = divmod(offset // 60, 60)
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
