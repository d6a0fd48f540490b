"""What follows a training: export, evaluation, the gate against the champion, and the registry.

    python -m pipelines.judge --run runs/first --data DIR

`pipelines.train` calls it at its end. In the run's folder: artifact/ (what serving loads, with its measured errors and
its card) and gate/ (the evaluation of champion and challenger, the pictures, the verdict). The model becomes the
registry's `challenger`, with the verdict on its tags; `python -m pipelines.registry promote challenger` makes it the
champion.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from app.adapters.registry import CHAMPION, Registry
from app.core.errors import AppError, ConfigError, ModelNotFound
from app.settings import Settings
from pipelines.card import read_record, write_card
from pipelines.confusion import add_confusion
from pipelines.export import export
from pipelines.fit import BEST
from pipelines.gate import REFUSED, compare
from pipelines.results import read_evaluation
from pipelines.tracking import Run, Tracker

ARTIFACT = "artifact"
GATE = "gate"
SUMMARY = "fit.json"


def champion(registry: Registry, settings: Settings, folder: Path) -> Path:
    """The folder of the model to beat: the registry's champion, or the model in service where it has none."""
    try:
        registry.resolve(CHAMPION)
    except ModelNotFound:
        return settings.model_dir
    registry.fetch(CHAMPION, folder)
    return folder


def judge(run: Path, data: Path, settings: Settings, record: Run) -> dict[str, Any]:
    """Make the artifact of a finished training and judge it; gives the verdict in short.

    Raises ConfigError when the export loses too much, and what evaluation and registry raise.
    """
    fit = read_record(run / SUMMARY)
    artifact, gate = run / ARTIFACT, run / GATE
    export(run / BEST, data, artifact, run.name)
    registry = Registry(settings.mlflow, settings.mlflow_artifacts)
    verdict = compare(artifact, champion(registry, settings, run / CHAMPION), data, gate)
    evaluation = read_evaluation(gate)
    add_confusion(artifact, evaluation)
    write_card(artifact, evaluation, fit=fit)
    for path in sorted(path for path in gate.rglob("*") if path.suffix in {".json", ".md", ".png"}):
        record.log_file(path, str(Path(GATE) / path.parent.relative_to(gate)))
    summary = verdict.decision.summary
    found = registry.register(artifact, run_id=record.id, tags={"gate.passed": str(verdict.passed), "gate": summary})
    return {
        "model": found.model,
        "version": found.version,
        "passed": verdict.passed,
        "summary": summary,
        "reasons": list(verdict.decision.reasons),
    }


def main(arguments: Sequence[str]) -> int:
    """The command line; prints the verdict as JSON. Exit status 0: passed, 2: refused, 1: an error."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.judge", description="Judge a finished training.")
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    options = parser.parse_args(arguments)
    settings = Settings()
    try:
        if not (options.run / BEST).is_dir():
            raise ConfigError(f"{options.run} holds no finished training: {BEST} is missing")
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        begun = read_record(options.run / SUMMARY).get("run")
        with Tracker(settings.mlflow, settings.mlflow_artifacts).start(options.run.name, {}, resume_id=begun) as record:
            verdict = judge(options.run, options.data, settings, record)
    except AppError as error:
        sys.stderr.write(f"judge: {error}\n")
        return 1
    print(json.dumps(verdict))
    return 0 if verdict["passed"] else REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
