"""The chart of a comparison's report as SVG: nothing to load, nothing that runs, and it prints.

The negative share of each side as classified, with the band of its 95 % sampling error, above the distinct messages, on
one axis of time. A side has its colour, its dashes and its number at the end of its line, so that it reads in grey too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.services.aligned import Aligned, Point
from app.services.comparison import Comparison
from app.services.report_chart import text

COLOURS: Final = ("#4338ca", "#b86e00", "#007a5a", "#b04a86", "#1d7fb8", "#57606a")
"""The sides' own, those of the dashboard."""
_DASHES: Final = ("none", "7 4", "2 3", "7 3 2 3", "12 4", "12 3 2 3")
_WIDTH, _LEFT, _RIGHT = 900, 52, 30
_SHARE = (28, 200)  # top and bottom
_VOLUME = (232, 324)
_HEIGHT = 366
_MOST_TICKS: Final = 8
_LINE: Final = 12
_HOURS: Final = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 8_760)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From seconds after that from which all are counted, and from a part of the top, to the picture."""

    first: float
    last: float
    step_s: int

    def x(self, seconds: float) -> float:
        return _LEFT + (seconds - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def middle(self, point: Point) -> float:
        return self.x(min(point.at_s + self.step_s / 2, self.last))


def chart(found: Comparison, aligned: Aligned) -> str:
    """The SVG of the points; empty where no side has messages."""
    sides, step_s = aligned.sides, aligned.step_s
    drawn = [point for side in sides for point in side]
    if not drawn:
        return ""
    scale = _Scale(min(point.at_s for point in drawn), max(point.at_s for point in drawn) + step_s, step_s)
    top = math.ceil(10 * max((point.negative.high for point in drawn if point.negative), default=1.0)) / 10
    most = max(point.per_hour for point in drawn)
    origin = None
    if found.align == "clock":
        origin = min(point.start - timedelta(seconds=point.at_s) for point in drawn)
    return "".join(
        [
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            'aria-label="Negative share and messages of each side by time; the table below has the figures.">',
            *_grid(top, most),
            *_ticks(scale, origin),
            *(part for number, side in enumerate(sides) for part in _side(number, side, scale, top, most)),
            *_numbers(sides, scale, top),
            "</svg>",
        ]
    )


def _grid(top: float, most: float) -> list[str]:
    return [
        text(_LEFT, _SHARE[0] - 10, "negative share as classified, with its 95 % sampling error", "start"),
        *_frame(_SHARE, f"{100 * top:.0f} %"),
        text(_LEFT, _VOLUME[0] - 8, "distinct messages an hour", "start"),
        *_frame(_VOLUME, f"{most:,.0f}"),
    ]


def _frame(area: tuple[int, int], top: str) -> list[str]:
    return [
        text(_LEFT - 6, area[0] + 4, top, "end"),
        text(_LEFT - 6, area[1], "0", "end"),
        *(
            f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            for kind, y in (("half", area[0]), ("axis", area[1]))
        ),
    ]


def _ticks(scale: _Scale, origin: datetime | None) -> list[str]:
    """At most so many times on the axis: hours after the start of each, or the clock in UTC."""
    hours = (scale.last - scale.first) / 3600
    width = 3600 * next((each for each in _HOURS if hours / each <= _MOST_TICKS), _HOURS[-1])
    base = origin.timestamp() if origin else 0.0
    at = math.ceil((scale.first + base) / width) * width - base
    drawn = []
    while at <= scale.last:
        x = scale.x(at)
        drawn.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{_VOLUME[1]}" y2="{_VOLUME[1] + 4}"/>')
        drawn.append(text(x, _VOLUME[1] + 18, _when(at, origin), "middle"))
        at += width
    under = "time, UTC" if origin else "hours after the start of each"
    return [*drawn, text(_WIDTH - _RIGHT, _VOLUME[1] + 34, under, "end")]


def _when(seconds: float, origin: datetime | None) -> str:
    if origin is None:
        return f"{seconds / 3600:g} h"
    at = datetime.fromtimestamp(origin.timestamp() + seconds, UTC)
    return f"{at:%H:%M}" if at.hour + at.minute else f"{at.day} {at:%b}"


def _side(number: int, side: Sequence[Point], scale: _Scale, top: float, most: float) -> list[str]:
    colour = COLOURS[number]
    pen = f'fill="none" stroke="{colour}" stroke-dasharray="{_DASHES[number]}"'

    def volume(value: float) -> float:
        return _VOLUME[1] - (_VOLUME[1] - _VOLUME[0]) * value / most

    drawn = []
    for run in _runs(side, scale.step_s, lambda point: point.negative is not None):
        line = [(scale.middle(point), point.negative) for point in run if point.negative]
        upper = [f"{x:.1f},{_height(found.high, top):.1f}" for x, found in line]
        lower = [f"{x:.1f},{_height(found.low, top):.1f}" for x, found in reversed(line)]
        middle = [f"{x:.1f},{_height(found.value, top):.1f}" for x, found in line]
        drawn.append(f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" opacity="0.13"/>')
        drawn.append(f'<polyline points="{" ".join(middle)}" {pen} stroke-width="1.8"/>')
        drawn += _dot(middle, colour)
    for run in _runs(side, scale.step_s, lambda point: True):
        counted = [f"{scale.middle(point):.1f},{volume(point.per_hour):.1f}" for point in run]
        drawn.append(f'<polyline points="{" ".join(counted)}" {pen} stroke-width="1.2"/>')
        drawn += _dot(counted, colour)
    return drawn


def _height(share: float, top: float) -> float:
    return _SHARE[1] - (_SHARE[1] - _SHARE[0]) * share / top


def _numbers(sides: Sequence[Sequence[Point]], scale: _Scale, top: float) -> list[str]:
    """The number of each side where its line ends, none upon another."""
    ends = []
    for number, side in enumerate(sides, start=1):
        last = next((point for point in reversed(side) if point.negative), None)
        if last and last.negative:
            ends.append((_height(last.negative.value, top), scale.middle(last), number))
    drawn, above = [], -math.inf
    for y, x, number in sorted(ends):
        above = max(y + 4, above + _LINE)
        drawn.append(text(x + 6, above, str(number), "start", "sign"))
    return drawn


def _dot(line: Sequence[str], colour: str) -> list[str]:
    """A run of one point has no line."""
    if len(line) > 1:
        return []
    x, y = line[0].split(",")
    return [f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>']


def _runs(side: Sequence[Point], step_s: int, has: Callable[[Point], bool]) -> list[list[Point]]:
    """The stretches of neighbouring points: no line bridges a gap."""
    runs: list[list[Point]] = []
    before = None
    for point in side:
        if has(point):
            if before is None or point.at_s - before > step_s:
                runs.append([])
            runs[-1].append(point)
            before = point.at_s
    return runs
