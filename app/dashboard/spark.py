"""A day at a glance: the volume and the negative share as one small picture."""

from __future__ import annotations

from typing import Final

from app.core.prevalence import Share, share
from app.core.types import CLASSES, Bucket, Count, Label
from app.services.words import messages_of, percent
from app.views import Timeline

STEP_S: Final = 3_600
_WIDTH = 240
_HEIGHT = 44
_FEWEST = 10
_FRAME: Final = '<div class="ep-spark" role="img" aria-label='


def spark(timeline: Timeline) -> str:
    """Bars of the volume and the line of the negative share, by the step; hatched after the data edge.

    A step with too few scored messages has no share: the line has a gap there, never a zero.
    """
    start, whole = timeline.start.timestamp(), (timeline.end - timeline.start).total_seconds()
    if whole <= 0 or not timeline.buckets:
        return f'{_FRAME}"No messages in 24 hours"><i class="ep-hatch ep-all"></i></div>'
    unit = _WIDTH * timeline.step_s / whole
    top = max(bucket.total.raw for bucket in timeline.buckets) or 1
    bars, points = [], []
    for bucket in timeline.buckets:
        x = _WIDTH * (bucket.start.timestamp() - start) / whole
        height = max(1.0, _HEIGHT * bucket.total.raw / top)
        bars.append(f"M{x + 0.1 * unit:.1f} {_HEIGHT}v-{height:.1f}h{0.8 * unit:.1f}v{height:.1f}z")
        points.append((x + unit / 2, _share(bucket)))
    lines = "".join(_stroke(run) for run in _runs(points, unit))
    edge = 100.0 if timeline.live_to is None else 100 * (timeline.live_to.timestamp() - start) / whole
    hatch = f'<i class="ep-hatch" style="inset-inline-start:{max(0.0, edge):.1f}%"></i>' if edge < 99 else ""
    said = words(timeline)
    return (
        f'{_FRAME}"{said}" title="{said}">'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="ep-spark-bars" d="{"".join(bars)}"/>{lines}</svg>{hatch}</div>'
    )


def words(timeline: Timeline) -> str:
    """What the picture shows, for those who do not see it."""
    total = sum((bucket.total for bucket in timeline.buckets), Count())
    busiest = max(timeline.buckets, key=lambda bucket: bucket.total.raw)
    told = [found for bucket in timeline.buckets if (found := _share(bucket))]
    shares = ""
    if told:
        low, high = min(found.value for found in told), max(found.value for found in told)
        shares = f"; negative share between {percent(low)} and {percent(high)}, {percent(told[-1].value)} last"
    when = busiest.start.strftime("%H:%M UTC")
    return f"{messages_of(total.raw)} in 24 hours, the most from {when} on: {busiest.total.raw:,} an hour{shares}"


def _share(bucket: Bucket) -> Share | None:
    found = {label: bucket.counts[label].distinct for label in CLASSES if label in bucket.counts}
    scored = sum(found.values())
    return share(found.get(Label.NEGATIVE, 0), scored) if scored >= _FEWEST else None


def _runs(points: list[tuple[float, Share | None]], unit: float) -> list[list[tuple[float, float]]]:
    """The stretches of neighbouring steps that have a share."""
    runs: list[list[tuple[float, float]]] = []
    before = None
    for x, found in points:
        if found is not None:
            if before is None or x - before > 1.5 * unit:
                runs.append([])
            runs[-1].append((x, _HEIGHT - 2 - (_HEIGHT - 4) * found.value))
        before = x if found is not None else None
    return runs


def _stroke(run: list[tuple[float, float]]) -> str:
    if len(run) == 1:
        (x, y) = run[0]
        run = [(x - 1.5, y), (x + 1.5, y)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
    return f'<polyline class="ep-spark-line" points="{path}"/>'
