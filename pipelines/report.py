"""The report of an evaluation, as Markdown: made from the results and nothing else.

    python -m pipelines.report --evaluation var/evaluation

`pipelines.evaluate` writes one; this command makes it anew from an evaluation.json, in seconds on any machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.core.errors import AppError
from pipelines import markdown
from pipelines.pictures import Picture, write_pictures
from pipelines.results import EVALUATION, ClassifierResult, Evaluation, read_evaluation

REPORT = "report.md"


def report(evaluation: Evaluation, pictures: Sequence[Picture] = ()) -> str:
    """The whole report; `pictures` are shown where they belong."""
    models = [result for result in evaluation.results if result.role == "model"]
    lines = [
        "# Evaluation",
        "",
        *_circumstances(evaluation),
        "## Macro recall",
        "",
        "The mean of the recalls of the three classes, TweetEval's measure for this task; guessing gives 0.333. In",
        "brackets the 95 % bootstrap interval.",
        "",
        *markdown.comparison(evaluation, evaluation.results),
        *_shown(pictures, "macro-recall"),
    ]
    if evaluation.test_look:
        lines += ["## Among published figures", "", *markdown.ladder(evaluation.results), *_shown(pictures, "ladder")]
    lines += [
        "## Behavioural tests",
        "",
        "Part of the cases that pass, with 95 % intervals (Wilson). The sentences are made from templates; what counts",
        "as a pass is in `pipelines/behaviour.py`.",
        "",
        *markdown.behaviour(evaluation.results),
    ]
    for result in models:
        lines += _about(result, pictures)
    lines += ["## Data", "", *markdown.data(evaluation)]
    return "\n".join(lines)


def _circumstances(evaluation: Evaluation) -> list[str]:
    lines = [
        f"Made {evaluation.made_at} at commit `{evaluation.commit or 'unknown'}` on {evaluation.hardware}.",
        f"Intervals from {evaluation.rounds:,} bootstrap rounds, seed {evaluation.seed}.",
        "",
    ]
    if evaluation.limit is not None:
        lines += [f"**A quick look: only the first {evaluation.limit:,} texts of each set were scored.**", ""]
    if evaluation.test_look:
        lines += ["The frozen test set was scored: this look is in the log of looks.", ""]
    else:
        lines += ["The frozen test set (TweetEval test) was left out; it is scored once per release.", ""]
    return lines


def _about(result: ClassifierResult, pictures: Sequence[Picture]) -> list[str]:
    """All about one model."""
    return [
        f"## {result.model}",
        "",
        _speed(result),
        "",
        *markdown.scores(result),
        *_shown(pictures, "confusion", result.model),
        "### Calibration",
        "",
        "ECE is the expected calibration error of the chosen class over 15 bins of equal width (Guo et al. 2017);",
        "0 is best. In a set of a few hundred texts it is too high by chance alone.",
        "",
        *markdown.calibration(result),
        *_shown(pictures, "reliability", result.model),
        "### Slices",
        "",
        "Macro recall, and the number of texts. A star marks a slice in which a class is missing: its mean is over",
        "the others.",
        "",
        *markdown.slices(result),
        "### Failed behavioural tests, some of each kind",
        "",
        *markdown.failures(result),
    ]


def _speed(result: ClassifierResult) -> str:
    if result.texts_per_s == 0:
        return f"Backend {result.backend}; the answers are those of an earlier evaluation."
    return f"Backend {result.backend}; {result.texts_per_s:,.0f} texts/s while it was evaluated, without loading."


def _shown(pictures: Sequence[Picture], kind: str, model: str | None = None) -> list[str]:
    chosen = [
        picture for picture in pictures if picture.path.name.startswith(kind) and (model is None or picture.of == model)
    ]
    return [line for picture in chosen for line in (f"![{picture.caption}]({picture.path.as_posix()})", "")]


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Draw the pictures and write `report.md` beside them; gives its path."""
    path = folder / REPORT
    path.write_text(report(evaluation, write_pictures(evaluation, folder)))
    return path


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.report", description="Report an evaluation anew.")
    parser.add_argument("--evaluation", type=Path, required=True, help=f"folder with {EVALUATION}")
    options = parser.parse_args(arguments)
    try:
        path = write_report(read_evaluation(options.evaluation), options.evaluation)
    except AppError as error:
        sys.stderr.write(f"report: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
