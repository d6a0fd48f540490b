"""What a search found: a table, a picture, and the best settings as `pipelines.train` reads them.

All of it is made from the journal, a line of JSON for each evaluation, so nothing here needs Ray.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from pipelines.markdown import NONE, table
from tuning.space import DIMENSIONS, Profile, Settings
from tuning.trial import METRIC

RESULTS, TABLE, BEST_SETTINGS = "results.json", "report.md", "best.json"

JOURNAL = "journal.jsonl"
# What the journal keeps of a report, beside the trial's name.
LINE = (
    "training_iteration",
    "step",
    "steps",
    METRIC,
    "loss",
    "rate",
    "samples_per_s",
    "config",
    "state",
    "origin",
    "began",
    "finished",
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A line of a trial. `done` is the part of its steps, `settings` are those it trained with up to here, and `rate`
    is the learning rate of the last step. `state` is the hash of the checkpoint that was saved, `origin` of the one
    that the sitting began with ("" for none), which was at step `began`.
    """

    iteration: int
    step: int
    done: float
    score: float
    loss: float
    rate: float
    settings: Settings
    state: str
    origin: str
    began: int
    finished: bool

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Evaluation:
        """From a line of the journal."""
        return cls(
            iteration=int(line["training_iteration"]),
            step=int(line["step"]),
            done=line["step"] / line["steps"],
            score=float(line[METRIC]),
            loss=float(line["loss"]),
            rate=float(line["rate"]),
            settings={name: line["config"][name] for name in DIMENSIONS if name in line["config"]},
            state=str(line["state"]),
            origin=str(line["origin"]),
            began=int(line["began"]),
            finished=bool(line["finished"]),
        )


@dataclass(frozen=True, slots=True)
class Clone:
    """A trial took over another's state: what it did from `iteration` on rests on evaluation `of` of trial `source`."""

    iteration: int
    source: str
    of: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial, its evaluations in order."""

    name: str
    evaluations: tuple[Evaluation, ...]
    clones: tuple[Clone, ...] = ()
    failed: bool = False

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the highest score; the earliest of several."""
        return max(self.evaluations, key=lambda each: each.score, default=None)

    @property
    def stopped_early(self) -> bool:
        """Whether the scheduler ended it before its last step."""
        return not self.failed and not any(each.finished for each in self.evaluations[-1:])


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation of all."""

    trial: Trial
    evaluation: Evaluation


def trials_of(lines: Iterable[Mapping[str, Any]], ended: Mapping[str, bool]) -> list[Trial]:
    """The trials of `ended`, which says whether each failed, by name, from the lines of the journal.

    An evaluation that was repeated after an abort counts as it was the last time. Clones are found by the hash of the
    checkpoint: a sitting that began with a state which another trial saved.
    """
    read: dict[str, list[Evaluation]] = {name: [] for name in sorted(ended)}
    for line in lines:
        # A trial that is not among them began just before an abort and was forgotten in it.
        if line["trial"] in read:
            read[line["trial"]].append(Evaluation.of(line))
    saved = {each.state: (name, each.iteration) for name, found in read.items() for each in found}
    trials = []
    for name, found in read.items():
        kept = tuple(each for _, each in sorted({each.iteration: each for each in found}.items()))
        origin, clones = "", []
        for each in kept:
            source, iteration = saved.get(each.origin, (name, 0))
            if each.origin != origin and source != name:
                clones.append(Clone(each.iteration, source, iteration))
            origin = each.origin
        trials.append(Trial(name, kept, tuple(clones), ended[name]))
    return trials


def read_journal(out: Path) -> list[dict[str, Any]]:
    """The lines of the journal in the folder of a search, in the order of writing."""
    path = out / JOURNAL
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def best_of(trials: Sequence[Trial]) -> Best:
    """The best evaluation; the earliest trial wins a tie. Raises AppError if there is none."""
    found = [Best(trial, trial.best) for trial in trials if trial.best is not None]
    if not found:
        raise AppError("no trial came as far as its first evaluation")
    return max(found, key=lambda each: each.evaluation.score)


def settings_for_training(profile: Profile, evaluation: Evaluation) -> dict[str, Any]:
    """Base, loss, tau and every field of `FitConfig`: what `pipelines.train --settings` reads."""
    chosen = evaluation.settings
    objective: dict[str, Any] = {name: chosen[name] for name in ("loss", "tau") if name in chosen}
    return {"base": profile.base, **objective, **asdict(profile.config(chosen))}


def summary(trials: Sequence[Trial], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as JSON; `about` says what was searched."""
    best = best_of(trials)
    rows = [
        {
            "trial": trial.name,
            "best_score": trial.best.score if trial.best else None,
            "settings": trial.best.settings if trial.best else None,
            "iterations": len(trial.evaluations),
            "stopped_early": trial.stopped_early,
            "failed": trial.failed,
            "cloned_from": [asdict(clone) for clone in trial.clones],
            "evaluations": [asdict(each) for each in trial.evaluations],
        }
        for trial in trials
    ]
    chosen = {"trial": best.trial.name, "iteration": best.evaluation.iteration, METRIC: best.evaluation.score}
    return {**about, "metric": f"validation {METRIC}", "best": chosen, "trials": rows}


def markdown(trials: Sequence[Trial], about: Mapping[str, Any], picture: str) -> str:
    """The table of trials, the best on top, under what was searched."""
    best = best_of(trials)
    ranked = sorted(trials, key=lambda trial: trial.best.score if trial.best else -1.0, reverse=True)
    names = [name for name in DIMENSIONS if any(trial.best and name in trial.best.settings for trial in trials)]
    head = ["trial", "macro recall", *(name.replace("_", " ") for name in names), "evaluations", "end", "cloned from"]
    rows = []
    for trial in ranked:
        settings = trial.best.settings if trial.best else {}
        clones = ", ".join(f"{clone.source} at {clone.of}" for clone in trial.clones)
        rows.append(
            [
                f"**{trial.name}**" if trial is best.trial else trial.name,
                f"{trial.best.score:.4f} at {trial.best.iteration}" if trial.best else NONE,
                *(_cell(settings.get(name)) for name in names),
                str(len(trial.evaluations)),
                "failed" if trial.failed else "stopped early" if trial.stopped_early else "all steps",
                clones or NONE,
            ]
        )
    facts = [f"- {name.replace('_', ' ')}: {value}" for name, value in about.items()]
    note = "Settings are those of the best evaluation; scores are of the validation part that chose them."
    lines = ["# Search for training settings", "", *facts, "", note, "", *table(head, rows), f"![trials]({picture})"]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return NONE if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
