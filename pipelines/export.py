"""Make a model artifact of a checkpoint: int8 ONNX for the CPU, safetensors for the GPU, and proof that both agree.

    python -m pipelines.export --checkpoint runs/first/best --data DIR --out models/mine --name minilm-tweets
    python -m pipelines.export --checkpoint runs/try/best --data DIR --out models/try --weights none    # CPU only

DIR holds tweeteval/ with train.parquet (a few texts size the activations), validation.parquet and, for more certainty,
semeval2016_devtest.parquet. The int8 graph must give the label of full precision on 99 % of these two, lose at most
0.3 points of macro recall and be 1.8 times as fast, or the export is refused: then the report goes to standard output,
the exit status is 2, and OUT stays as it was. A minute or two on a laptop. The test set is not touched, and the model
card is a matter of `pipelines.card`.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
import torch
from safetensors.torch import save
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.adapters.artifact import (
    CONFIG,
    MANIFEST,
    ONNX,
    PARITY,
    TOKENIZER,
    WEIGHTS,
    Manifest,
    Precision,
    verify,
    write_manifest,
)
from app.adapters.onnx import TOKENS_PER_CALL, OnnxClassifier
from app.adapters.tokens import padded, token_batches
from app.adapters.torch import TorchClassifier
from app.core.errors import AppError, ConfigError
from app.core.types import CLASSES
from pipelines.dataset import LabelledTexts, load_labelled
from pipelines.parity import Limits, Parity, Timing, measure
from pipelines.quantise import quantise

log = logging.getLogger(__name__)

Weights = Literal["bf16", "fp32", "none"]

MAX_TOKENS = 128
# Unlabelled use of training texts: enough that more of them hardly move the largest activations.
_CALIBRATION_TEXTS = 512
# The graph must compute what the checkpoint does: a traced branch or constant shows in the logits at once.
_TRACED_TEXTS = 32
_TRACED_ERROR = 1e-3
_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class ExportRefused(AppError):
    """The artifact is not close enough to full precision, or not fast enough; `report` has the figures."""

    def __init__(self, report: Parity) -> None:
        super().__init__(
            "; ".join(report.failures) + ". Nothing was written; --quantisation fp32 and --weights fp32 keep all labels"
        )
        self.report = report


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to export. `threads` is what the speed is measured with: with more than one, a busy machine measures how fast
    its threads wake, which costs the faster side more.
    """

    quantisation: Precision = "int8"
    weights: Weights = "bf16"
    threads: int = 1
    licence: str = ""
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Texts:
    """What an export reads: texts that size the activations, and the sets that parity is measured on."""

    calibration: LabelledTexts
    sets: Mapping[str, LabelledTexts]


class Logits(torch.nn.Module):
    """The checkpoint as a function of two tensors, so that the graph has no optional inputs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits of shape [rows, classes]."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export(checkpoint: Path, data: Path, out: Path, name: str, recipe: Recipe | None = None) -> Manifest:
    """Write the artifact folder `out`, replacing a model that is there; gives its manifest.

    Raises ExportRefused when the artifact is not as good as `recipe.limits` asks, ConfigError when the checkpoint, the
    data or `out` is not what it must be. Either way `out` stays as it was.
    """
    recipe = recipe or Recipe()
    refuse_foreign(out)
    texts = load_texts(data)
    model, tokenizer = load_checkpoint(checkpoint)
    fit = read_fit(checkpoint)
    facts: dict[str, Any] = {
        "name": name,
        "max_tokens": fit.get("plan", {}).get("max_tokens", MAX_TOKENS),
        "provenance": provenance(model, fit, recipe.licence),
    }
    with TemporaryDirectory() as scratch, replacing(out) as folder:
        full = write_full(model, tokenizer, texts, Path(scratch), facts)
        log.info("the fp32 graph gives the logits of the checkpoint; writing %s", recipe.quantisation)
        if recipe.quantisation == "int8":
            rows = full.encode(texts.calibration.texts)
            batches = token_batches([len(row) for row in rows], TOKENS_PER_CALL)
            quantise(Path(scratch) / ONNX, folder / ONNX, (padded([rows[i] for i in batch]) for batch in batches))
        else:
            shutil.copyfile(Path(scratch) / ONNX, folder / ONNX)
        shutil.copyfile(Path(scratch) / TOKENIZER, folder / TOKENIZER)
        if recipe.weights != "none":
            write_weights(model, folder, recipe.weights)
        facts |= {"precision": recipe.quantisation}
        write_manifest(folder, scores={}, **facts)
        number = sum(map(len, texts.sets.values()))
        log.info("comparing on %d texts, then timing %d turns of each side", number, recipe.timing.pairs)
        report = compare(Path(scratch), folder, texts.sets, recipe)
        (folder / PARITY).write_text(report.to_json())
        if report.failures:
            raise ExportRefused(report)
        scores = {f"{each}_macro_recall": round(found.macro_recall, 4) for each, found in report.sets.items()}
        write_manifest(folder, scores=scores, parity=report.summary, **facts)
    return verify(out)


def refuse_foreign(out: Path) -> None:
    """Raises ConfigError when `out` is there and no model folder: an export replaces the whole folder."""
    if out.exists() and not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"{out} is there and holds no model: choose another --out, or remove it")


def load_texts(data: Path) -> Texts:
    """The texts an export reads. Raises ConfigError, naming the file, for what is missing but the devtest."""
    home = data / "tweeteval"
    sets = {"validation": load_labelled(home / "validation.parquet")}
    if (home / "semeval2016_devtest.parquet").is_file():
        sets["devtest"] = load_labelled(home / "semeval2016_devtest.parquet")
    return Texts(load_labelled(home / "train.parquet", limit=_CALIBRATION_TEXTS), sets)


def load_checkpoint(checkpoint: Path) -> tuple[Any, Any]:
    """Model, in fp32 for tracing, and tokenizer. Raises ConfigError when there is none or it has other classes."""
    if not (checkpoint / CONFIG).is_file():
        raise ConfigError(f"{checkpoint} holds no {CONFIG}: give a checkpoint, as pipelines.train makes it")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32, use_safetensors=True
    )
    names = tuple(model.config.id2label[index].lower() for index in sorted(model.config.id2label))
    known = tuple(label.value for label in CLASSES)
    if names not in (known, tuple(f"label_{index}" for index in range(len(known)))):
        raise ConfigError(f"{checkpoint} has the classes {', '.join(names)}: expected {', '.join(known)}")
    return model.eval(), tokenizer


def read_fit(checkpoint: Path) -> dict[str, Any]:
    """The record of the training that lies beside the checkpoint; empty where there is none."""
    path = checkpoint.parent / "fit.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path} can't be read as JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def provenance(model: Any, fit: Mapping[str, Any], licence: str) -> dict[str, str]:
    """Where the model comes from: day, architecture, base, licence, and the record of its training without curves."""
    record = {key: portable(value) for key, value in fit.items() if key not in {"histories", "run"}}
    base = record.get("plan", record.get("config", {})).get("base", "")
    told = {
        "made_at": datetime.now(UTC).date().isoformat(),
        "architecture": type(model).__name__,
        "parameters": str(model.num_parameters()),
        "base": base,
        "licence": licence,
        "fit": json.dumps(record) if record else "",
    }
    return {key: value for key, value in told.items() if value}


def portable(value: Any) -> Any:
    """The value without folders of this machine: of an absolute path the last two parts stay."""
    if isinstance(value, Mapping):
        return {key: portable(each) for key, each in value.items()}
    if isinstance(value, str) and Path(value).is_absolute():
        return "/".join(Path(value).parts[-2:])
    return value


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of `out` at the end, or vanishes when the block fails."""
    out = out.absolute()
    partial, old = (out.with_name(f".{out.name}.{part}") for part in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(old, ignore_errors=True)
        if out.is_dir():
            out.replace(old)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_full(model: Any, tokenizer: Any, texts: Texts, folder: Path, facts: Mapping[str, Any]) -> OnnxClassifier:
    """Write the fp32 artifact that all is measured against. Raises ConfigError when it is not the checkpoint's twin."""
    write_onnx(model, folder / ONNX)
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    write_manifest(folder, scores={}, **facts, precision="fp32")
    full = OnnxClassifier(folder)
    rows = full.encode(texts.calibration.texts[:_TRACED_TEXTS])
    ids, mask = padded(rows)
    with torch.inference_mode():
        logits = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
    error = float(np.abs(logits - full.logits(rows)).max())
    if not error <= _TRACED_ERROR:
        raise ConfigError(
            f"the ONNX graph of {type(model).__name__} gives other logits than the checkpoint (by {error:.2g}): "
            "its export needs work"
        )
    return full


def write_onnx(model: Any, path: Path) -> None:
    """Write the model as ONNX with dynamic rows and length."""
    ids = torch.tensor([[2, 3, 3, 3], [2, 3, 0, 0]])
    axes = {0: "rows", 1: "tokens"}
    torch.onnx.export(
        Logits(model).eval(),
        (ids, (ids > 0).long()),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "rows"}},
        opset_version=17,
        dynamo=False,
    )


def write_weights(model: Any, folder: Path, weights: Literal["bf16", "fp32"]) -> None:
    """Write the weights as safetensors, and the architecture beside them."""
    dtype = _DTYPES[weights]
    tensors = {name: each.to(dtype).contiguous() for name, each in model.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(tensors))
    config = model.config.to_diff_dict() | {"dtype": str(dtype).removeprefix("torch.")}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def compare(full: Path, folder: Path, sets: Mapping[str, LabelledTexts], recipe: Recipe) -> Parity:
    """Measure the artifact in `folder` against the one in `full`. An fp32 graph need not be faster than itself."""
    limits = recipe.limits if recipe.quantisation == "int8" else replace(recipe.limits, speed=0.0)
    weights = None
    if recipe.weights != "none":
        weights = TorchClassifier(folder, device="cpu", tokens_per_call=TOKENS_PER_CALL)
    return measure(
        OnnxClassifier(full, threads=recipe.threads),
        OnnxClassifier(folder, threads=recipe.threads),
        sets,
        threads=recipe.threads,
        limits=limits,
        timing=recipe.timing,
        weights=weights,
    )


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.export", description="Make a model artifact.")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the fine-tuned checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds tweeteval/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the artifact; a model there is replaced")
    parser.add_argument("--name", default="minilm-tweeteval", help="name of the model")
    parser.add_argument(
        "--quantisation", choices=get_args(Precision), default="int8", help="precision of the CPU weights"
    )
    parser.add_argument("--weights", choices=get_args(Weights), default="bf16", help="precision of the GPU weights")
    parser.add_argument(
        "--threads", type=int, default=Recipe().threads, help="CPU threads that the speed is measured with"
    )
    parser.add_argument("--licence", default="", help="licence of the weights, for the card")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 2 when the export is refused."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse_arguments(arguments)
    recipe = Recipe(options.quantisation, options.weights, options.threads, options.licence)
    try:
        manifest = export(options.checkpoint, options.data, options.out, options.name, recipe)
    except ExportRefused as refusal:
        sys.stdout.write(refusal.report.to_json())
        sys.stderr.write(f"export: {refusal}\n")
        return 2
    except AppError as error:
        sys.stderr.write(f"export: {error}\n")
        return 1
    told = {"model": manifest.model, "out": str(options.out), "scores": manifest.scores, "parity": manifest.parity}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
