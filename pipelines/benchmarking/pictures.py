"""Two pictures of the results: throughput and latency by the number of callers, one text a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from app.adapters.benchmarks import Benchmark, Measured

# Okabe and Ito (2008): told apart by colour-blind readers too; the marks differ as well.
_STYLES = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "D"))
_GRID = "#d9dee4"
_DPI = 130

Curves = dict[str, list[Measured]]


def write_pictures(found: Benchmark, folder: Path) -> tuple[tuple[str, str], ...]:
    """Write both as PNG into the folder; gives (file, caption). Nothing where no single texts were measured."""
    curves = _curves(found)
    if not curves:
        return ()
    drawn = (
        ("throughput.png", "Requests a second by callers, one text a request", throughput(found, curves)),
        ("latency.png", "Latency by callers: p50 as a line, up to p99 as a bar", latency(found, curves)),
    )
    for file, _, figure in drawn:
        figure.savefig(folder / file, dpi=_DPI, facecolor="white", metadata={"Software": None})
    return tuple((file, caption) for file, caption, _ in drawn)


def throughput(found: Benchmark, curves: Curves) -> Figure:
    """Requests a second, the higher the better."""
    figure, axes = _axes("requests answered a second")
    for (side, points), (colour, mark) in zip(curves.items(), _STYLES, strict=False):
        places = range(len(points))
        axes.plot(places, [each.rate for each in points], f"{mark}-", color=colour, label=found.title(side))
        for place, each in zip(places, points, strict=True):
            axes.annotate(
                f"{each.rate:,.0f}", (place, each.rate), (0, 7), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set_ylim(0, 1.15 * max(each.rate for points in curves.values() for each in points))
    return _finished(figure, axes, curves)


def latency(found: Benchmark, curves: Curves) -> Figure:
    """Milliseconds on a logarithmic scale, the lower the better."""
    figure, axes = _axes("milliseconds, logarithmic")
    axes.set_yscale("log")
    for order, ((side, points), (colour, mark)) in enumerate(zip(curves.items(), _STYLES, strict=False)):
        places = [place + 0.06 * (order - (len(curves) - 1) / 2) for place in range(len(points))]
        axes.vlines(places, [each.p50_ms for each in points], [each.p99_ms for each in points], color=colour, alpha=0.5)
        axes.plot(places, [each.p99_ms for each in points], "_", color=colour, markersize=9)
        axes.plot(places, [each.p50_ms for each in points], f"{mark}-", color=colour, label=found.title(side))
    return _finished(figure, axes, curves)


def _curves(found: Benchmark) -> Curves:
    """Each HTTP side's points, by callers."""
    curves: Curves = {}
    http = {side.name for side in found.sides if side.kind == "http"}
    for each in sorted(found.measured, key=lambda each: each.callers):
        if each.texts_per_request == 1 and each.side in http and each.rate > 0:
            curves.setdefault(each.side, []).append(each)
    return curves


def _axes(label: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes: Any = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.grid(True, color=_GRID)
    axes.set_axisbelow(True)
    axes.set_ylabel(label)
    axes.set_xlabel("callers, each asking again as soon as it has its answer")
    return figure, axes


def _finished(figure: Figure, axes: Any, curves: Curves) -> Figure:
    callers = [each.callers for each in max(curves.values(), key=len)]
    axes.set_xticks(range(len(callers)), [str(number) for number in callers])
    axes.set_xlim(-0.3, len(callers) - 0.7)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=1, frameon=False, fontsize=8.5)
    return figure
