"""Put into a model folder how its labels compare with people's, so that the product can correct shares by it.

    python -m pipelines.confusion --model models/default --evaluation var/evaluation

Every labelled set of the evaluation counts but the frozen test set: how far the sets differ says how sure the
correction of an event can be that nobody has labelled (docs/shares.md). The model stays the same version.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.adapters.artifact import verify
from app.adapters.confusion import ConfusionFile, LabelledSet, write_confusion
from app.core.adjusted_counts import ConfusionMatrix, transfer_weight
from app.core.errors import AppError, ConfigError
from pipelines.results import TEST_SET, Evaluation, read_evaluation


def confusion_of(model: str, evaluation: Evaluation) -> ConfusionFile:
    """The matrices of a model from an evaluation. Raises ConfigError when it is not in it, or on the test set alone."""
    result = evaluation.model(model)
    if result is None:
        held = ", ".join(each.model for each in evaluation.results)
        raise ConfigError(f"the evaluation is of {held}, not of {model}: evaluate that folder first")
    hashes = {each.name: each.sha256 for each in evaluation.data}
    sets = [
        LabelledSet.model_validate({"name": each.name, "sha256": hashes[each.name], "counts": each.confusion})
        for each in result.sets
        if each.name != TEST_SET
    ]
    if not sets:
        raise ConfigError(f"the evaluation has no set of {model} but the frozen test set: evaluate it on others")
    matrices = [ConfusionMatrix(model, each.name, each.counts) for each in sets]
    return ConfusionFile(
        model=model,
        made_at=evaluation.made_at,
        commit=evaluation.commit,
        weight=transfer_weight(matrices),
        sets=tuple(sets),
    )


def add_confusion(folder: Path, evaluation: Evaluation) -> ConfusionFile:
    """Write confusion.json of the model in a folder. Raises ModelNotFound when it does not verify, ConfigError."""
    found = confusion_of(verify(folder).model, evaluation)
    write_confusion(folder, found)
    return found


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.confusion", description="Measured errors of a model.")
    parser.add_argument("--model", type=Path, required=True, help="artifact folder; its confusion.json is written")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder with evaluation.json")
    options = parser.parse_args(arguments)
    try:
        found = add_confusion(options.model, read_evaluation(options.evaluation))
    except AppError as error:
        sys.stderr.write(f"confusion: {error}\n")
        return 1
    told = {"model": found.model, "weight": found.weight, "sets": [each.name for each in found.sets]}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
