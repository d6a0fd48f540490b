"""The model card: README.md of an artifact folder, from manifest, evaluation and record of the training.

    python -m pipelines.card --model models/default --evaluation var/evaluation --fit runs/first/fit.json

No figure is written by hand. What the files do not say, the card calls not recorded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.adapters.artifact import PARITY, Manifest, verify
from app.core.errors import AppError, ConfigError
from app.core.types import CLASSES
from pipelines import markdown
from pipelines.results import ClassifierResult, Evaluation, read_evaluation
from pipelines.tracking import flatten

CARD = "README.md"
# The part of the manifest's provenance that holds the record of the training as JSON.
_FIT = "fit"
_ILL_CALIBRATED = 0.1
_WEAK = 0.9


def card(
    manifest: Manifest,
    evaluation: Evaluation,
    sizes: Mapping[str, int],
    fit: Mapping[str, Any] | None = None,
    parity: Mapping[str, Any] | None = None,
) -> str:
    """The card. `sizes` are the bytes of the artifact's files; `fit` and `parity` go before what the manifest says.

    Raises ConfigError when the evaluation does not hold this very model.
    """
    result = evaluation.model(manifest.model)
    if result is None:
        held = ", ".join(each.model for each in evaluation.results)
        raise ConfigError(f"the evaluation is of {held}, not of {manifest.model}: evaluate that folder first")
    languages, classes = ", ".join(manifest.languages), ", ".join(manifest.classes)
    lines = [
        f"# {manifest.model}",
        "",
        f"Reads a text ({languages}, ISO 639-1) and gives the probabilities of its classes: {classes}.",
        "",
        *_identity(manifest, sizes),
        "## How it was made",
        "",
        *_record(fit or _training(manifest)),
        *_quality(result, evaluation),
        "## The CPU weights against full precision",
        "",
        *_record(parity or manifest.parity),
        "## Limits",
        "",
        *_limits(manifest, result, evaluation),
        "",
        "## Data it was measured on",
        "",
        *markdown.data(evaluation),
    ]
    return "\n".join(lines)


def write_card(
    folder: Path,
    evaluation: Evaluation,
    *,
    fit: Mapping[str, Any] | None = None,
    parity: Mapping[str, Any] | None = None,
) -> Path:
    """Write the card into an artifact folder; gives its path. `parity` defaults to the folder's parity.json.

    Raises ModelNotFound when the folder does not verify, ConfigError when the evaluation is of another model.
    """
    manifest = verify(folder)
    if parity is None and (folder / PARITY).is_file():
        parity = read_record(folder / PARITY)
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    path = folder / CARD
    path.write_text(card(manifest, evaluation, sizes, fit, parity))
    return path


def read_record(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ConfigError, naming it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object")
    return found


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.card", description="Write the card of a model.")
    parser.add_argument("--model", type=Path, required=True, help="artifact folder; its README.md is written")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder with evaluation.json")
    parser.add_argument("--fit", type=Path, help="record of the training (default: that in the manifest)")
    parser.add_argument("--parity", type=Path, help="record of the export (default: the folder's, or the manifest's)")
    options = parser.parse_args(arguments)
    try:
        fit, parity = (read_record(each) if each else None for each in (options.fit, options.parity))
        path = write_card(options.model, read_evaluation(options.evaluation), fit=fit, parity=parity)
    except AppError as error:
        sys.stderr.write(f"card: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


def _identity(manifest: Manifest, sizes: Mapping[str, int]) -> list[str]:
    told = {key: value for key, value in manifest.provenance.items() if key != _FIT}
    rows = [
        ["version", f"`{manifest.version}`"],
        ["longest text", f"{manifest.max_tokens} tokens; the rest is cut off"],
        *([key.replace("_", " "), value] for key, value in flatten(told).items()),
        *([f"`{name}`", f"{sizes[name] / 1e6:.1f} MB, SHA-256 `{found}`"] for name, found in manifest.files.items()),
    ]
    missing = [name for name in ("base", "licence") if not any(name in key for key in told)]
    rows += [[name, "not recorded"] for name in missing]
    return markdown.table(["", ""], rows)


def _record(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return ["Not recorded.", ""]
    return markdown.table(["", ""], [[key, f"`{value}`"] for key, value in flatten(_short(found)).items()])


def _short(found: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what is unset and without curves and matrices: lists of lists and of records."""
    kept = {key: _short(value) if isinstance(value, Mapping) else value for key, value in found.items()}
    return {key: value for key, value in kept.items() if value not in (None, {}, []) and not _nested(value)}


def _nested(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, list | dict) for each in value)


def _training(manifest: Manifest) -> dict[str, Any] | None:
    """The record of the training that the manifest holds as JSON; None where it holds none."""
    try:
        found = json.loads(manifest.provenance.get(_FIT, "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _quality(result: ClassifierResult, evaluation: Evaluation) -> list[str]:
    """Scores, baselines, calibration, behaviour and slices."""
    baselines = [each for each in evaluation.results if each.role == "baseline"]
    lines = ["## How good it is", "", *_measured(evaluation), *markdown.scores(result)]
    if baselines:
        lines += ["Macro recall beside the baselines:", "", *markdown.comparison(evaluation, [result, *baselines])]
    if evaluation.test_look:
        lines += ["Among published figures on the frozen test set:", "", *markdown.ladder([result])]
    return [
        *lines,
        "## How far its probabilities can be trusted",
        "",
        *markdown.calibration(result),
        "## Behavioural tests",
        "",
        "Part of the cases that pass, with 95 % intervals.",
        "",
        *markdown.behaviour([result]),
        "## Slices",
        "",
        "Macro recall, and the number of texts. A star marks a slice in which a class is missing.",
        "",
        *markdown.slices(result),
    ]


def _measured(evaluation: Evaluation) -> list[str]:
    lines = [
        f"Measured {evaluation.made_at[:10]} with `pipelines.evaluate` at commit `{evaluation.commit or 'unknown'}`.",
        "Macro recall is the mean of the recalls of the three classes; in brackets the 95 % bootstrap interval.",
    ]
    if not evaluation.test_look:
        lines.append("The frozen test set was not scored.")
    if evaluation.limit is not None:
        lines.append(f"**Only the first {evaluation.limit:,} texts of each set were scored.**")
    return [*lines, ""]


def _limits(manifest: Manifest, result: ClassifierResult, evaluation: Evaluation) -> list[str]:
    """What the measurements say against it, then what no measurement here can show."""
    lines = [f"- It knows {', '.join(manifest.languages)} only; EventPulse counts other languages apart."]
    recalls = [
        (value, name.value, each.name) for each in result.sets for name, value in zip(CLASSES, each.recall, strict=True)
    ]
    value, label, name = min(recalls)
    lines.append(f"- Lowest recall of a class: {value:.2f}, {label} on {name}.")
    worst = min(result.sets, key=lambda each: each.macro_recall.value)
    lines.append(f"- Weakest set: {worst.name}, with a macro recall of {markdown.estimate(worst.macro_recall)}.")
    unsure = [each.name for each in result.sets if each.calibration and each.calibration.ece.value > _ILL_CALIBRATED]
    if unsure:
        lines.append(f"- Calibration error above {_ILL_CALIBRATED} on {', '.join(unsure)}: no frequencies there.")
    weak = [f"{each.kind} ({each.rate:.0%})" for each in result.behaviour if each.rate < _WEAK]
    if weak:
        lines.append(f"- Behavioural tests passed by less than {_WEAK:.0%}: {', '.join(weak)}.")
    lines += [
        "- It judges the tone of one text, not its stance towards an event; it sees no thread, picture or linked page.",
        "- Irony is not among the tests above: assume that it is misread.",
        f"- It was measured on {len(evaluation.data)} sets of other years and topics than those you will meet.",
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
