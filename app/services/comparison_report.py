"""Reports of comparisons that stand up to questions: verdicts, what stands against them, chart, numbers, method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from app.core.annotations import Annotation
from app.core.types import CLASSES, Count, Label
from app.services import comparison_chart, report_html
from app.services.aligned import Aligned, aligned
from app.services.before_after import Around, BeforesAfters
from app.services.comparison import Comparison, ComparisonDraft, Comparisons, Side, Told
from app.services.evidence import Evidence
from app.services.exports import File
from app.services.report import METHOD
from app.services.report_evidence import PHRASES, why
from app.services.report_html import ours, page, said, section, table, time, whole
from app.services.words import correction_sentence, messages_of, with_interval
from app.services.words import points as in_points
from app.views import Selection

_METHOD: Final = (
    *METHOD,
    "Each side is held against the first. A difference is called higher or lower where its 95 % interval leaves out "
    "zero. Windows of one event and source have the model's errors in common, so that their difference can be surer "
    "than their shares; otherwise the interval knows of the errors in both.",
    "The share of voice is that of the distinct messages of all sides, with its sampling error.",
)
_AFTERWARDS: Final = "That a change came after the moment does not say that it came of it."


class ComparisonReports:
    """Makes reports of comparisons. `now` is the clock, in UTC."""

    def __init__(
        self, comparisons: Comparisons, before_after: BeforesAfters, evidence: Evidence, now: Callable[[], datetime]
    ) -> None:
        self._comparisons = comparisons
        self._before_after = before_after
        self._evidence = evidence
        self._now = now

    def sides(self, draft: ComparisonDraft) -> File:
        """The report of two to six sides. Raises NotFound or InvalidInput."""
        found = self._comparisons.compare(draft)
        lead = report_html.numbered(ours(side.sentence) for side in found.sides)
        title = f"Comparison of {len(found.sides)} sides"
        return self._made("comparison", title, [lead], found, found.warnings)

    def around(self, event_id: str, asked: Around) -> File:
        """The report of before and after a moment, with what people said more after it. Raises NotFound or
        InvalidInput.
        """
        found = self._before_after.around(event_id, asked)
        after = found.comparison.sides[1]
        lead = [
            f'<p class="lead">{ours(found.sentence)}</p>',
            f'<p class="soft">{_moment(found.at, found.annotation)} {_AFTERWARDS}</p>',
        ]
        window = Selection(start=after.start, end=after.end, source=after.source, country=after.country)
        card = self._evidence.card(event_id, window)
        name = f"{event_id}-before-after-{found.at:%Y%m%dT%H%MZ}"
        return self._made(name, "Before and after", lead, found.comparison, found.warnings, why(card))

    def _made(
        self,
        name: str,
        title: str,
        lead: Sequence[str],
        found: Comparison,
        warnings: Sequence[str],
        evidence: str = "",
    ) -> File:
        method = (*_METHOD, PHRASES) if evidence else _METHOD
        parts = [
            f"<h1>{ours(title)}</h1>",
            f'<p class="soft">Made {time(self._now())}</p>',
            *lead,
            section("Before you quote it", report_html.listed(ours(each) for each in warnings)),
            _numbers(found),
            _chart(found),
            _voice(found),
            evidence,
            _coverage(found),
            section("Method", report_html.listed(ours(line) for line in method)),
            '<p class="soft">Reproduced from the same data, the figures have the fingerprint '
            f"{_fingerprint(found)}.</p>",
        ]
        return File(f"{name}.html", "text/html; charset=utf-8", page(title, parts).encode(), inline=True)


def _moment(at: datetime, annotation: Annotation | None) -> str:
    return f"{said(annotation.text)}, {time(at)}." if annotation else f"The moment: {time(at)}."


def _name(number: int, side: Side) -> str:
    when = f'<br><span class="soft">{time(side.start)} to {time(side.end)}</span>'
    return f"<b>{number}</b> {said(side.name)}{when}"


def _numbers(found: Comparison) -> str:
    rows = []
    for number, side in enumerate(found.sides, start=1):
        shares = [side.shares.get(label) for label in CLASSES]
        classified = side.classified.get(Label.NEGATIVE)
        told = side.differences.get(Label.NEGATIVE)
        total = sum(side.counts.values(), Count())
        rows.append(
            [
                _name(number, side),
                *(whole(with_interval(share)) if share else "–" for share in shares),
                _told(told) if told else "–",
                whole(with_interval(classified)) if classified else "–",
                f"{total.raw:,}",
                f"{total.distinct:,}",
                f"{side.per_hour:,.1f}",
            ]
        )
    head = ["Side", "Negative", "Neutral", "Positive", "Negative against 1", "Negative as classified"]
    caption = f"Shares of distinct scored messages, with 95 % intervals; {_corrected(found)}"
    return section(
        "The numbers", table(caption, [*head, "Messages", "Distinct", "Distinct an hour"], rows, range(6, 9))
    )


def _corrected(found: Comparison) -> str:
    """Which sides have shares that are corrected."""
    as_they_are = [str(number) for number, side in enumerate(found.sides, start=1) if not side.correction.corrected]
    if not as_they_are:
        return "corrected for the classifier's errors"
    if len(as_they_are) == len(found.sides):
        return "as classified, not corrected for the classifier's errors"
    return f"corrected for the classifier's errors, but for {', '.join(as_they_are)}"


def _told(told: Told) -> str:
    if told.verdict == "can't tell":
        return f"can't tell ({round(100 * told.low):+d} to {round(100 * told.high):+d} points)"
    return f"{told.verdict}, by {in_points(told.low, told.high)}"


def _chart(found: Comparison) -> str:
    points = aligned(found)
    drawn = comparison_chart.chart(found, points)
    if not drawn:
        return ""
    named = zip(comparison_chart.COLOURS, found.sides, strict=False)
    legend = report_html.key({f"{n} {side.name}": colour for n, (colour, side) in enumerate(named, start=1)})
    note = (
        '<p class="soft">The lines are the shares as classified, step by step, with their sampling error alone: they '
        "say when a share moved. The shares above are made as their table says.</p>"
    )
    return section("Over time", f'<div class="wide">{drawn}</div>', legend, note, _steps(points))


def _steps(drawn: Aligned) -> str:
    rows = [
        [
            f"{number}",
            time(point.start),
            f"{point.distinct:,}",
            f"{point.per_hour:,.1f}",
            f"{point.scored:,}",
            whole(with_interval(point.negative)) if point.negative else "too few",
        ]
        for number, points in enumerate(drawn.sides, start=1)
        for point in points
    ]
    caption = f"Steps of {drawn.step_s // 60} minutes; steps without messages are left out"
    made = table(caption, ["Side", "From", "Distinct", "An hour", "Scored", "Negative as classified"], rows, (2, 3, 4))
    return f"<details><summary>The figures behind the chart</summary>{made}</details>"


def _voice(found: Comparison) -> str:
    rows = [
        [_name(number, side), whole(with_interval(side.voice)), f"{side.voice.n:,}"]
        for number, side in enumerate(found.sides, start=1)
        if side.voice
    ]
    caption = "Share of the distinct messages of all sides, with its 95 % sampling error"
    return section("Share of voice", table(caption, ["Side", "Share", "Of"], rows, (2,)))


def _coverage(found: Comparison) -> str:
    lines = []
    for number, side in enumerate(found.sides, start=1):
        total = sum(side.counts.values(), Count())
        unscored = side.counts.get(Label.UNSCORED, Count()).distinct
        parts = [
            f"{messages_of(total.raw)}, {total.distinct:,} distinct; {unscored:,} not scored (other languages).",
            f"Live to {time(side.live_to)}." if side.live_to else "No source says how far it has been read.",
            f"Model: {', '.join(side.correction.models) or 'none'}.",
            correction_sentence(side.correction),
        ]
        if side.sources_down:
            parts.append(f"Without {', '.join(side.sources_down)}: not connected or not answering.")
        lines.append(f"<b>{number}</b> {said(side.name)}: {ours(' '.join(parts))}")
    return section("What this rests on", report_html.listed(lines))


def _fingerprint(found: Comparison) -> str:
    figures = [
        [
            side.event_id,
            side.source,
            side.country,
            side.start.isoformat(),
            side.end.isoformat(),
            {str(label): [count.raw, count.distinct] for label, count in side.counts.items()},
        ]
        for side in found.sides
    ]
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()[:16]
