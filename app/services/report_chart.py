"""The chart of a report as SVG: nothing to load, nothing that runs, and it prints.

Volume as stacked bars by label, below it the negative share of distinct scored messages as classified, with the band
of its 95 % sampling error, on one time axis; incidents as numbered spans, annotations as flags. A step has too few
messages for a share that is corrected. Colours are those of the dashboard, and the share has a shape of its own, so
that it reads in grey too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from app.core.prevalence import Share, share
from app.core.types import CLASSES, Bucket, Count, Label
from app.services.windows import gather
from app.views import Timeline

COLOURS: Final = {
    Label.NEGATIVE: "#D55E00",
    Label.NEUTRAL: "#8A8F98",
    Label.POSITIVE: "#0072B2",
    Label.UNSCORED: "#D3D6DB",
}
_WIDTH, _LEFT, _RIGHT = 900, 52, 12
_BARS = (28, 190)  # top and bottom
_SHARE = (214, 324)
_HEIGHT = 352
_FEWEST = 10
"""A share is drawn where at least so many scored messages came together."""
_WANTED = 40
"""Steps are put together for the share until a point rests on so many, as long as it stays a line."""
_FEWEST_POINTS = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch or a moment (`end` None) to mark, with the sign that the report's list repeats."""

    start: datetime
    end: datetime | None
    sign: str


def chart(timeline: Timeline, spans: Sequence[Mark] = (), flags: Sequence[Mark] = ()) -> str:
    """The SVG of a timeline; empty where it has no messages."""
    if not timeline.buckets:
        return ""
    scale = _Scale(timeline.start, timeline.end)
    most = max(bucket.total.raw for bucket in timeline.buckets)
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Messages and negative share by time; the table below has the figures.">',
        *(_span(mark, scale) for mark in spans),
        *_grid(most),
        *_bars(timeline, scale, most),
        *_line(timeline, scale),
        *_hours(scale),
        *(_flag(mark, scale) for mark in flags),
        _edge(timeline, scale),
        "</svg>",
    ]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        part = (moment - self.start) / (self.end - self.start)
        return _LEFT + min(1.0, max(0.0, part)) * (_WIDTH - _LEFT - _RIGHT)


def _grid(most: int) -> list[str]:
    top, bottom = _BARS
    low, high = _SHARE
    return [
        text(_LEFT - 6, top + 4, f"{most:,}", "end"),
        text(_LEFT - 6, bottom, "0", "end"),
        text(_LEFT, top - 12, "messages, copies included", "start"),
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>',
        text(_LEFT - 6, low + 4, "100 %", "end"),
        text(_LEFT - 6, high, "0", "end"),
        text(
            _LEFT, low - 8, "negative share of distinct messages as classified, with its 95 % sampling error", "start"
        ),
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{high}" y2="{high}"/>',
        f'<line class="half" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{(low + high) / 2}" y2="{(low + high) / 2}"/>',
    ]


def _bars(timeline: Timeline, scale: _Scale, most: int) -> list[str]:
    top, bottom = _BARS
    length = timedelta(seconds=timeline.step_s)
    drawn = []
    for bucket in timeline.buckets:
        left, right = scale.x(bucket.start), scale.x(bucket.start + length)
        base = float(bottom)
        for label in Label:
            count = bucket.counts.get(label, Count()).raw
            if count:
                height = (bottom - top) * count / most
                base -= height
                drawn.append(
                    f'<rect x="{left:.1f}" y="{base:.1f}" width="{max(0.5, right - left - 0.3):.1f}" '
                    f'height="{height:.1f}" fill="{COLOURS[label]}"/>'
                )
    return drawn


def _line(timeline: Timeline, scale: _Scale) -> list[str]:
    """The share in stretches: it breaks where too few messages came."""
    low, high = _SHARE
    buckets, length = _points(timeline)
    stretches: list[list[tuple[float, Share]]] = [[]]
    for bucket in _filled(buckets, length):
        found = share(bucket.counts.get(Label.NEGATIVE, Count()).distinct, _scored(bucket))
        if found is None or found.n < _FEWEST:
            stretches.append([])
            continue
        stretches[-1].append((scale.x(bucket.start + length / 2), found))

    def y(value: float) -> str:
        return f"{high - (high - low) * value:.1f}"

    drawn = []
    for stretch in stretches:
        if len(stretch) > 1:
            upper = " ".join(f"{x:.1f},{y(found.high)}" for x, found in stretch)
            lower = " ".join(f"{x:.1f},{y(found.low)}" for x, found in reversed(stretch))
            middle = " ".join(f"{x:.1f},{y(found.value)}" for x, found in stretch)
            drawn.append(f'<polygon class="band" points="{upper} {lower}"/><polyline class="share" points="{middle}"/>')
        drawn += [f'<circle class="point" cx="{x:.1f}" cy="{y(found.value)}" r="1.8"/>' for x, found in stretch]
    return drawn


def _scored(bucket: Bucket) -> int:
    return sum(bucket.counts[label].distinct for label in CLASSES if label in bucket.counts)


def _points(timeline: Timeline) -> tuple[tuple[Bucket, ...], timedelta]:
    """The steps, so many of them put together that most points rest on enough messages."""
    whole = sum(_scored(bucket) for bucket in timeline.buckets)
    steps = (timeline.end - timeline.start) // timedelta(seconds=timeline.step_s)
    wanted = -(-_WANTED * len(timeline.buckets) // max(1, whole))
    factor = max(1, min(wanted, steps // _FEWEST_POINTS))
    step_s = timeline.step_s * factor
    return gather(timeline.buckets, step_s), timedelta(seconds=step_s)


def _filled(buckets: Sequence[Bucket], length: timedelta) -> list[Bucket]:
    """The buckets with an empty one where some are missing, so that no line bridges the gap."""
    filled: list[Bucket] = []
    for bucket in buckets:
        if filled and bucket.start - filled[-1].start > length:
            filled.append(Bucket(filled[-1].start + length))
        filled.append(bucket)
    return filled


def _hours(scale: _Scale) -> list[str]:
    """At most eight times on the axis, at round hours or days, in UTC."""
    hours = (scale.end - scale.start) / timedelta(hours=1)
    step = next((each for each in (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720) if hours / each <= 8), 8_760)
    width = step * 3600
    first = -(-scale.start.timestamp() // width) * width
    drawn = []
    moment = first
    while moment <= scale.end.timestamp():
        at = datetime.fromtimestamp(moment, UTC)
        words = f"{at:%H:%M}" if step < 24 and at.hour + at.minute else f"{at.day} {at:%b}"
        x = scale.x(at)
        drawn.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{_SHARE[1]}" y2="{_SHARE[1] + 4}"/>')
        drawn.append(text(x, _SHARE[1] + 18, words, "middle"))
        moment += width
    return drawn


def _span(mark: Mark, scale: _Scale) -> str:
    left, right = scale.x(mark.start), scale.x(mark.end or scale.end)
    width = max(2.0, right - left)
    return (
        f'<rect class="incident" x="{left:.1f}" y="{_BARS[0]}" width="{width:.1f}" height="{_SHARE[1] - _BARS[0]}"/>'
        + text(left + width / 2, _BARS[0] - 2, mark.sign, "middle", "sign")
    )


def _flag(mark: Mark, scale: _Scale) -> str:
    x = scale.x(mark.start)
    return f'<line class="flag" x1="{x:.1f}" x2="{x:.1f}" y1="{_BARS[0]}" y2="{_SHARE[1]}"/>' + text(
        x + 3, _BARS[0] + 10, mark.sign, "start", "sign"
    )


def _edge(timeline: Timeline, scale: _Scale) -> str:
    """What comes after the data edge is hatched: nothing is known of it yet."""
    if timeline.live_to is None or timeline.live_to >= timeline.end:
        return ""
    left = scale.x(max(timeline.live_to, timeline.start))
    width = _WIDTH - _RIGHT - left
    return (
        '<defs><pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line x1="0" y1="0" x2="0" y2="6" stroke="#8A8F98" stroke-width="1"/></pattern></defs>'
        f'<rect x="{left:.1f}" y="{_BARS[0]}" width="{width:.1f}" height="{_SHARE[1] - _BARS[0]}" fill="url(#gap)" '
        'opacity="0.5"/>'
    )


def text(x: float, y: float, words: str, anchor: str, kind: str = "label") -> str:
    """A text of a chart, inert; `kind` is its class."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
