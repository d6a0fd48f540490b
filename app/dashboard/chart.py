"""The live chart: what the page's script draws, as plain data. Times are epoch milliseconds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from app.core.prevalence import share
from app.core.types import CLASSES, Bucket, Label, SourceState, SourceStatus
from app.dashboard.marks import Flag, Gap, Marks, Span
from app.dashboard.markup import milliseconds
from app.views import Timeline

_FEWEST_PER_POINT = 5
_WANTED_PER_POINT = 30
_FEWEST_POINTS = 12
_FACTORS = (1, 2, 3, 6, 12, 24)
_OVER = frozenset({SourceState.FINISHED, SourceState.NOT_CONNECTED})


class Bars(TypedDict):
    """The volume: messages, copies included, of each label in each step that had some."""

    start: list[int]
    negative: list[int]
    neutral: list[int]
    positive: list[int]
    unscored: list[int]


class Line(TypedDict):
    """The negative share of distinct scored messages; None is a gap. `n` is what each point rests on."""

    at: list[int]
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]
    n: list[int]


class Chart(TypedDict):
    """Everything the script needs. After `edge` nothing is known yet; `gap` says why, None draws nothing there.

    `gaps` are stretches before it in which a source was down; `selected` is the stretch that is selected.
    """

    revision: str
    start: int
    end: int
    edge: int | None
    gap: str | None
    step: int
    span: int
    bars: Bars
    share: Line
    incidents: list[Span]
    flags: list[Flag]
    gaps: list[Gap]
    selected: tuple[int, int] | None


def _bars(buckets: Iterable[Bucket]) -> Bars:
    bars: Bars = {"start": [], "negative": [], "neutral": [], "positive": [], "unscored": []}
    for bucket in buckets:
        bars["start"].append(milliseconds(bucket.start))
        for label, column in (
            (Label.NEGATIVE, bars["negative"]),
            (Label.NEUTRAL, bars["neutral"]),
            (Label.POSITIVE, bars["positive"]),
            (Label.UNSCORED, bars["unscored"]),
        ):
            column.append(bucket.counts[label].raw if label in bucket.counts else 0)
    return bars


def _scored(bucket: Bucket) -> tuple[int, int]:
    found = {label: bucket.counts[label].distinct for label in CLASSES if label in bucket.counts}
    return found.get(Label.NEGATIVE, 0), sum(found.values())


def point_span(timeline: Timeline) -> int:
    """The milliseconds that one point of the share line covers: wide enough to rest on some thirty messages."""
    scored = [n for _, n in map(_scored, timeline.buckets) if n]
    mean = sum(scored) / len(scored) if scored else 0.0
    steps = (timeline.end - timeline.start).total_seconds() / timeline.step_s
    fitting = [factor for factor in _FACTORS if steps / factor >= _FEWEST_POINTS] or [1]
    factor = next((factor for factor in fitting if mean * factor >= _WANTED_PER_POINT), fitting[-1])
    return factor * timeline.step_s * 1000


def _line(timeline: Timeline, span: int, edge: int) -> Line:
    sums: dict[int, tuple[int, int]] = {}
    for bucket in timeline.buckets:
        slot = milliseconds(bucket.start) // span * span
        negative, scored = _scored(bucket)
        before = sums.get(slot, (0, 0))
        sums[slot] = (before[0] + negative, before[1] + scored)
    line: Line = {"at": [], "value": [], "low": [], "high": [], "n": []}
    first, last = milliseconds(timeline.start) // span * span, min(edge, milliseconds(timeline.end))
    for slot in range(first, max(last, first), span):
        negative, scored = sums.get(slot, (0, 0))
        made = share(negative, scored) if scored >= _FEWEST_PER_POINT else None
        line["at"].append((max(slot, milliseconds(timeline.start)) + min(slot + span, last)) // 2)
        line["value"].append(round(made.value, 4) if made else None)
        line["low"].append(round(made.low, 4) if made else None)
        line["high"].append(round(made.high, 4) if made else None)
        line["n"].append(scored)
    return line


def payload(
    timeline: Timeline,
    sources: Iterable[SourceStatus],
    now: datetime,
    revision: str,
    marks: Marks,
    selected: tuple[datetime, datetime] | None = None,
) -> Chart:
    """The chart of a timeline. A new `revision` lets go of the reader's zoom.

    It ends at `now`, at most a tenth of the window later, while a source is still to deliver.
    """
    start, end = milliseconds(timeline.start), milliseconds(timeline.end)
    edge = milliseconds(timeline.live_to) if timeline.live_to else None
    late = edge is not None and any(source.state not in _OVER for source in sources)
    right = max(end, min(milliseconds(now), end + (end - start) // 10)) if late else end
    span = point_span(timeline)
    shown = [bucket for bucket in timeline.buckets if milliseconds(bucket.start) <= (end if edge is None else edge)]
    return {
        "revision": revision,
        "start": start,
        "end": right,
        "edge": edge if edge is not None and start < edge else None,
        "gap": "no data yet" if late and edge is not None and right - edge > 1000 else None,
        "step": timeline.step_s * 1000,
        "span": span,
        "bars": _bars(shown),
        "share": _line(timeline, span, end if edge is None else edge),
        "incidents": marks.spans(),
        "flags": marks.flags(),
        "gaps": marks.gaps(),
        "selected": (milliseconds(selected[0]), milliseconds(selected[1])) if selected else None,
    }


def encode(chart: Chart | None) -> str:
    """The chart as the text that the component carries; empty where there is nothing to draw."""
    return json.dumps(chart, separators=(",", ":")) if chart else ""
