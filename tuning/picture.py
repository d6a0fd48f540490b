"""The picture of a search: the learning curve of each trial, and its learning rate over time with the clones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tuning.report import Evaluation, Trial, best_of

PICTURE = "trials.png"
_INK, _FAINT, _GRID = "#1f2933", "#9aa5b1", "#d9dee4"
# Okabe and Ito (2008): told apart by colour-blind readers too. The best trials take them, the others are grey.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DPI = 130


def draw(trials: Sequence[Trial], path: Path) -> None:
    """Write the picture as PNG. A cross marks a trial that was stopped early, an arrow a clone."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    curves, rates = figure.subplots(1, 2)
    best = best_of(trials).trial
    ranked = sorted(trials, key=lambda trial: trial.best.score if trial.best else -1.0, reverse=True)
    colours = {trial.name: _COLOURS[place] if place < len(_COLOURS) else _FAINT for place, trial in enumerate(ranked)}
    known = {(trial.name, each.iteration): each for trial in trials for each in trial.evaluations}
    for trial in reversed(ranked):
        style = {"color": colours[trial.name], "linewidth": 2.2 if trial is best else 1.3}
        _curve(curves, trial, known, style)
        _schedule(rates, trial, known, style)
    for trial in ranked[: len(_COLOURS)]:
        score = f"  {trial.best.score:.3f}" if trial.best else ""
        curves.plot([], [], color=colours[trial.name], label=f"trial {trial.name}{score}")
    curves.set_ylabel("macro recall on validation")
    rates.set_ylabel("peak learning rate of the schedule")
    rates.set_yscale("log")
    for axes in (curves, rates):
        axes.set_xlabel("part of the training steps done")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
    curves.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Software": None})


def _sittings(trial: Trial) -> list[list[Evaluation]]:
    """The evaluations, cut where the trial became a clone."""
    cuts = {clone.iteration for clone in trial.clones}
    parts: list[list[Evaluation]] = []
    for each in trial.evaluations:
        if not parts or each.iteration in cuts:
            parts.append([])
        parts[-1].append(each)
    return parts


def _curve(axes: Any, trial: Trial, known: Mapping[tuple[str, int], Evaluation], style: Mapping[str, Any]) -> None:
    sources = {clone.iteration: known[clone.source, clone.of] for clone in trial.clones}
    for part in _sittings(trial):
        points = [sources[part[0].iteration], *part] if part[0].iteration in sources else part
        axes.plot([each.done for each in points], [each.score for each in points], marker="o", markersize=3, **style)
    if trial.stopped_early and trial.evaluations:
        last = trial.evaluations[-1]
        axes.plot(last.done, last.score, "x", color=style["color"], markersize=9, markeredgewidth=1.6)


def _schedule(axes: Any, trial: Trial, known: Mapping[tuple[str, int], Evaluation], style: Mapping[str, Any]) -> None:
    clones = {clone.iteration: clone for clone in trial.clones}
    start = 0.0
    for each in trial.evaluations:
        rate = float(each.settings["learning_rate"])
        if clone := clones.get(each.iteration):
            source = known[clone.source, clone.of]
            axes.annotate(
                "",
                xy=(source.done, rate),
                xytext=(source.done, float(source.settings["learning_rate"])),
                arrowprops={"arrowstyle": "->", "color": _INK, "linewidth": 1, "shrinkA": 0, "shrinkB": 0},
            )
            start = source.done
        axes.plot([start, each.done], [rate, rate], solid_capstyle="butt", **style)
        start = each.done
    if trial.stopped_early and trial.evaluations:
        axes.plot(start, float(trial.evaluations[-1].settings["learning_rate"]), "x", color=style["color"])
