"""Pictures of an evaluation, as PNG: confusion, reliability, macro recall by set, and the published ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from app.core.types import CLASSES
from pipelines.published import beside
from pipelines.results import TEST_SET, ClassifierResult, Estimate, Evaluation, SetResult, file_name

FOLDER = "pictures"
_INK, _FAINT, _GRID = "#1f2933", "#7b8794", "#d9dee4"
# Okabe and Ito (2008): told apart by colour-blind readers too. Models take the first ones, baselines the last.
_MODELS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_BASELINES = ("#3e4c59", "#7b8794", "#a98b5d")
_MARKS = "oDsP"
_BASELINE_MARKS = "^v<"
_DPI = 130


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was written: its path below the output folder, what it shows, and of which model if of one."""

    path: Path
    caption: str
    of: str | None = None


def write_pictures(evaluation: Evaluation, out: Path) -> tuple[Picture, ...]:
    """Write every picture that the results allow into `out`/pictures; the ladder only with the frozen test set."""
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    drawn: list[tuple[Picture, Figure]] = []
    if any(result.on(TEST_SET) for result in evaluation.results):
        caption = "Macro recall on the frozen test set, beside published figures"
        drawn.append((Picture(Path(FOLDER) / "ladder.png", caption), ladder(evaluation)))
    caption = "Macro recall on each set with 95 % intervals"
    drawn.append((Picture(Path(FOLDER) / "macro-recall.png", caption), recall_by_set(evaluation)))
    for result in evaluation.results:
        if result.role == "model":
            drawn.append((_picture("confusion", result), confusion(result)))
            drawn.append((_picture("reliability", result), reliability(result)))
    for picture, figure in drawn:
        figure.savefig(out / picture.path, dpi=_DPI, facecolor="white", metadata={"Software": None})
    return tuple(picture for picture, _ in drawn)


def _picture(kind: str, result: ClassifierResult) -> Picture:
    return Picture(
        Path(FOLDER) / f"{kind}-{file_name(result.model)}.png",
        f"{kind.title()} of {result.model}, by set",
        result.model,
    )


def ladder(evaluation: Evaluation) -> Figure:
    """Horizontal bars, the best on top: ours with intervals, published ones in grey."""
    rows: list[tuple[str, Estimate, str]] = [
        (each.name, Estimate(value=each.macro_recall, low=each.macro_recall, high=each.macro_recall), _GRID)
        for each in beside(result.model for result in evaluation.results)
    ]
    colours = _styles(evaluation.results)
    for result in evaluation.results:
        scored = result.on(TEST_SET)
        if scored is not None:
            rows.append((result.model, scored.macro_recall, colours[result.model][0]))
    rows.sort(key=lambda row: row[1].value)
    figure, axes = _one(7.2, 0.8 + 0.34 * len(rows))
    for place, (_, estimate, colour) in enumerate(rows):
        axes.barh(place, estimate.value, height=0.66, color=colour)
        if estimate.high > estimate.low:
            axes.plot([estimate.low, estimate.high], [place, place], color=_INK, linewidth=1.4)
        axes.text(max(estimate.high, estimate.value) + 0.006, place, f"{100 * estimate.value:.1f}", va="center")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_xlim(1 / 3, 0.82)
    axes.set_xlabel("macro recall on the frozen test set, from chance (1/3); light: published")
    return figure


def recall_by_set(evaluation: Evaluation) -> Figure:
    """One row a set, one mark with its interval a classifier."""
    names = [facts.name for facts in evaluation.data][::-1]
    styles = _styles(evaluation.results)
    step = 0.72 / max(1, len(evaluation.results))
    figure, axes = _one(8.0, 1.2 + len(names) * max(0.34, 0.12 * len(evaluation.results)))
    for place in range(0, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f6f8", zorder=0)
    for order, result in enumerate(evaluation.results):
        colour, mark = styles[result.model]
        shift = 0.36 - step * (order + 0.5)
        for scored in result.sets:
            at, found = names.index(scored.name) + shift, scored.macro_recall
            axes.plot([found.low, found.high], [at, at], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot(found.value, at, mark, color=colour, markersize=5)
        axes.plot([], [], mark, color=colour, label=result.model, markersize=5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_xlim(0.25, 1.0)
    axes.xaxis.grid(True, color=_GRID)
    axes.set_axisbelow(True)
    axes.set_xlabel("macro recall, with 95 % intervals")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def confusion(result: ClassifierResult) -> Figure:
    """One matrix a set: the parts of each true class (rows) by predicted class, and the counts."""
    figure, cells = _grid(len(result.sets), 2.5, 2.5)
    names = [name.value[:3] for name in CLASSES]
    for axes, scored in zip(cells, result.sets, strict=True):
        counts = np.array(scored.confusion, dtype=np.float64)
        parts = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
        axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            ink = "white" if parts[row, column] > 0.55 else _INK
            text = f"{100 * parts[row, column]:.0f} %\n{int(counts[row, column]):,}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.set_title(f"{scored.name}\nmacro recall {scored.macro_recall.value:.3f}", fontsize=8.5)
    figure.supxlabel("predicted class", fontsize=9)
    figure.supylabel("true class", fontsize=9)
    return figure


def reliability(result: ClassifierResult) -> Figure:
    """One diagram a set: how often a confidence is right. Below the diagonal the model is too sure."""
    drawn = [scored for scored in result.sets if scored.calibration is not None]
    figure, cells = _grid(len(drawn), 2.5, 2.6)
    for axes, scored in zip(cells, drawn, strict=True):
        _reliability_cell(axes, scored)
    figure.supxlabel("confidence (bars: how many texts have it)", fontsize=9)
    figure.supylabel("part that is right", fontsize=9)
    return figure


def _reliability_cell(axes: Any, scored: SetResult) -> None:
    if scored.calibration is None:
        return
    bins = scored.calibration.curve
    most = max(point.n for point in bins)
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, linestyle="--")
    for point in bins:
        width = point.high - point.low
        axes.bar(point.low, 0.25 * point.n / most, width=width, align="edge", color=_GRID, zorder=0)
    told = [point for point in bins if point.n >= 10]
    axes.plot(
        [point.confidence for point in told],
        [point.accuracy for point in told],
        "o-",
        color=_MODELS[0],
        markersize=3.5,
        linewidth=1.2,
    )
    axes.set_xlim(0.3, 1)
    axes.set_ylim(0, 1)
    axes.set_title(f"{scored.name}\nECE {scored.calibration.ece.value:.3f}", fontsize=8.5)


def _styles(results: Sequence[ClassifierResult]) -> dict[str, tuple[str, str]]:
    """A colour and a mark for each classifier."""
    found: dict[str, tuple[str, str]] = {}
    counts = {"model": 0, "baseline": 0}
    for result in results:
        number = counts[result.role]
        counts[result.role] += 1
        colours, marks = (_MODELS, _MARKS) if result.role == "model" else (_BASELINES, _BASELINE_MARKS)
        found[result.model] = (colours[number % len(colours)], marks[number % len(marks)])
    return found


def _one(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Any = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _grid(number: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """A figure with `number` axes, four in a row."""
    columns = min(4, max(1, number))
    rows = math.ceil(max(1, number) / columns)
    figure = Figure(figsize=(width * columns + 0.4, height * rows + 0.4), layout="constrained")
    cells: list[Any] = list(np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel())
    for spare in cells[number:]:
        spare.set_visible(False)
    for axes in cells:
        axes.tick_params(labelsize=7.5)
    return figure, cells[:number]
