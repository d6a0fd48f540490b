"""Search for good training settings with Ray Tune, ASHA or PBT, and say what was found.

    python -m tuning.tune --data DIR --out runs/search --scheduler asha                         # all of the profile
    python -m tuning.tune --data DIR --out runs/search --scheduler pbt --profile laptop         # a laptop: < 20 minutes
    ray job submit --working-dir . -- python -m tuning.tune --data DIR --out /abs/search        # on a running cluster

DIR holds tweeteval/; trials learn from its training part and are judged by its validation part. Without --profile it
is gpu where there is a GPU, else laptop. A search that was interrupted goes on with the same command. On several
machines OUT must be a folder that all of them see; a search is resumed from pickled state, so only from a folder that
nobody else may write to. In OUT: report.md, trials.png, results.json and best.json, which
`python -m pipelines.train --settings` reads.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import ray

from app.core.errors import AppError
from pipelines.corpora import TRAIN, VALIDATION, tweeteval
from pipelines.objectives import base_path
from tuning.picture import PICTURE, draw
from tuning.report import (
    BEST_SETTINGS,
    RESULTS,
    TABLE,
    best_of,
    markdown,
    read_journal,
    settings_for_training,
    summary,
    trials_of,
)
from tuning.search import TRIALS, Request, has_gpu, search
from tuning.space import Profile, load
from tuning.trial import Material, prepare


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, as the module docstring shows them."""
    parser = argparse.ArgumentParser(prog="python -m tuning.tune", description="Search for training settings.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds tweeteval/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the search")
    parser.add_argument("--scheduler", choices=("asha", "pbt"), default="asha")
    parser.add_argument("--profile", help="laptop, gpu or a YAML file; default: gpu where there is one, else laptop")
    parser.add_argument("--trials", type=int, help="how many; default: as the profile says")
    parser.add_argument("--resume", action="store_true", help="refuse to begin a new search in --out")
    return parser.parse_args(arguments)


def located(profile: Profile) -> Profile:
    """The profile with its base as an absolute path, if it is a folder: trials run elsewhere."""
    folder = Path(base_path(profile.base))
    return profile.model_copy(update={"base": str(folder.resolve())}) if folder.is_dir() else profile


def write_report(request: Request, material: Material, ended: Mapping[str, bool], seconds: float) -> dict[str, Any]:
    """Write table, picture, results and best settings; only the checkpoint of the best trial stays. Gives the best."""
    out = request.out
    trials = trials_of(read_journal(out), ended)
    best = best_of(trials)
    about = {
        "profile": request.profile.name,
        "scheduler": request.scheduler,
        "base": Path(request.profile.base).name,
        "training_texts": len(material.train.texts),
        "validation_texts": len(material.validation),
        "training_sha256": material.train.sha256,
        "validation_sha256": material.validation.sha256,
        "seed": request.profile.config({}).seed,
        "seconds": round(seconds),
    }
    draw(trials, out / PICTURE)
    (out / TABLE).write_text(markdown(trials, about, PICTURE))
    settings = settings_for_training(request.profile, best.evaluation)
    (out / BEST_SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
    # Last: this file says that the search is finished.
    (out / RESULTS).write_text(json.dumps(summary(trials, about), indent=2) + "\n")
    for trial in trials:
        if trial.name != best.trial.name:
            for checkpoint in (out / TRIALS / trial.name).glob("checkpoint_*"):
                shutil.rmtree(checkpoint)
    return {"trial": best.trial.name, "macro_recall": best.evaluation.score, "settings": settings}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole command; gives what goes to standard output. Raises AppError."""
    started = time.monotonic()
    named = load(options.profile) if options.profile else None
    corpus = tweeteval(options.data / "tweeteval")
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    profile = located(named or load("gpu" if has_gpu() else "laptop"))
    request = Request(profile, options.scheduler, options.out, options.trials)
    material = prepare(profile, corpus.parts[TRAIN], corpus.parts[VALIDATION])
    # Ray Tune prints to standard output, which is for the result alone.
    with redirect_stdout(sys.stderr):
        ended = search(request, material, resume=options.resume)
    best = write_report(request, material, ended, time.monotonic() - started)
    return {"out": str(options.out), **best}


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    options = parse(arguments)
    try:
        print(json.dumps(run(options)))
    except AppError as error:
        sys.stderr.write(f"tune: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
