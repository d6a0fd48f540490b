"""One trial: the training loop in its own scratch folder, reported and resumable at each evaluation."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from ray import tune
from transformers import AutoTokenizer

from app.adapters.artifact import sha256
from app.core.text import content_hash
from pipelines.batches import Rows, tokenize
from pipelines.dataset import LabelledTexts
from pipelines.fit import CHECKPOINT, Fitting
from pipelines.objectives import Sentiment, Targets, base_path, hard
from tuning.space import Profile, Value

METRIC = "macro_recall"
MAX_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Material:
    """What all trials share; it is tokenized and stored once. `rows` are those of both parts."""

    profile: Profile
    train: Targets
    validation: LabelledTexts
    rows: tuple[Rows, Rows]


def sample(texts: LabelledTexts, size: int | None) -> LabelledTexts:
    """The `size` texts with the lowest content hashes (all for None): the same ones whatever their order."""
    order = sorted(range(len(texts)), key=lambda row: (content_hash(texts.texts[row]), texts.texts[row]))
    return texts.take(order[:size])


def prepare(profile: Profile, train: LabelledTexts, validation: LabelledTexts) -> Material:
    """Choose and tokenize the texts."""
    tokenizer = AutoTokenizer.from_pretrained(base_path(profile.base))
    targets = hard(sample(train, profile.texts))
    rows = (tokenize(targets.texts, tokenizer, MAX_TOKENS), tokenize(validation.texts, tokenizer, MAX_TOKENS))
    return Material(profile, targets, validation, rows)


def begin(settings: Mapping[str, Value], material: Material, folder: Path) -> Fitting:
    """The run with these settings; it goes on from the checkpoint that lies in `folder`, if one does."""
    config = material.profile.config(settings)
    torch.set_num_threads(material.profile.threads)
    torch.manual_seed(config.seed)  # the new head of the model
    chosen: dict[str, Any] = {name: settings[name] for name in ("loss", "tau") if name in settings}
    objective = Sentiment(
        material.profile.base,
        material.train,
        material.validation,
        max_tokens=MAX_TOKENS,
        rows=material.rows,
        **chosen,
    )
    return Fitting(config, objective, folder)


def train(settings: dict[str, Value], material: Material) -> None:
    """The trainable of Ray Tune. Raises ConfigError for settings that do not fit the base or the checkpoint.

    Each report names, by their hash, the state that was saved and the one that this sitting began with ("" for none):
    two trials whose hashes agree hold the same weights, optimiser and step, to the byte.
    """
    # In the working folder that Ray gives the trial: a killed trial leaves nothing beyond Ray's own session.
    with TemporaryDirectory(dir=Path.cwd()) as scratch:
        folder = Path(scratch)
        origin = ""
        if checkpoint := tune.get_checkpoint():
            with checkpoint.as_directory() as kept:
                shutil.copytree(kept, folder, dirs_exist_ok=True)
            origin = sha256(folder / CHECKPOINT)
        fitting = begin(settings, material, folder)
        began = fitting.step
        for progress in fitting.run(checkpoint_every=fitting.steps + 1):
            tune.report(
                {
                    **progress.metrics,
                    "step": progress.step,
                    "steps": progress.steps,
                    "loss": progress.loss,
                    "rate": progress.learning_rate,
                    "samples_per_s": progress.samples_per_s,
                    "finished": int(fitting.finished),
                    "state": sha256(folder / CHECKPOINT),
                    "origin": origin,
                    "began": began,
                },
                checkpoint=tune.Checkpoint.from_directory(str(folder)),
            )
