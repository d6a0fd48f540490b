"""The stages of a training and how one of them runs on Ray Train: workers in parallel, resumed after a crash.

A stage goes from a base to a better one: language (masked-language training on texts of the domain), emoticons
(Sentiment140, whose labels are noisy and know no neutral), sentiment (the labels that count, perhaps with a teacher).
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import ray
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device

from app.core.errors import AppError
from pipelines.dataset import LabelledTexts
from pipelines.fit import BEST, FitConfig, Fitting
from pipelines.objectives import Loss, MaskedLanguage, Objective, Sentiment, Targets

_CHECKPOINT_EVERY = 500
_RESTARTS = 3
# A worker asks for half a CPU, so that it finds room beside the deployments of a laptop's cluster; it computes with
# as many threads as it is told.
_WORKER_CPU = 0.5


class TrainingFailed(AppError):
    """The workers of a stage failed more often than they may."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a stage learns from and is judged by. A language stage reads the texts of both alone."""

    train: Targets
    validation: LabelledTexts


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a training. `base` is a package, folder or Hugging Face name."""

    name: Literal["language", "emoticons", "sentiment"]
    base: str
    config: FitConfig
    loss: Loss = "plain"
    tau: float = 0.5
    max_tokens: int = 128

    def objective(self, examples: Examples) -> Objective:
        """The model, its texts and its loss."""
        if self.name == "language":
            return MaskedLanguage(
                self.base, examples.train.texts, examples.validation.texts, max_tokens=self.max_tokens
            )
        return Sentiment(
            self.base,
            examples.train,
            examples.validation,
            loss=self.loss,
            tau=self.tau,
            max_tokens=self.max_tokens,
        )


@dataclass(frozen=True, slots=True)
class Workers:
    """How many train side by side, on what, and with how many threads each on the CPU (0: all there are)."""

    number: int = 1
    gpu: bool = False
    threads: int = 0

    def scaling(self) -> ScalingConfig:
        """Ray Train's form of it."""
        each = {"GPU": 1, "CPU": 1} if self.gpu else {"CPU": _WORKER_CPU}
        return ScalingConfig(num_workers=self.number, use_gpu=self.gpu, resources_per_worker=each)

    def threads_each(self) -> int:
        """Threads of one worker."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.number)


def work(task: dict[str, Any]) -> None:
    """What each worker does: restore the last checkpoint if there is one, train, report."""
    stage, examples = task["stage"], ray.get(task["examples"])
    torch.set_num_threads(task["threads"])
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if last := ray.train.get_checkpoint():
            last.to_directory(str(folder))
        fitting = Fitting(stage.config, stage.objective(examples), folder, get_device())
        first = fitting.rank == 0
        for progress in fitting.run(_CHECKPOINT_EVERY):
            figures = {"step": progress.step, "steps": progress.steps, "loss": progress.loss}
            figures |= {"learning_rate": progress.learning_rate, "samples_per_s": progress.samples_per_s}
            saved = Checkpoint.from_directory(str(folder)) if first else None
            ray.train.report({**figures, **progress.metrics, "history": fitting.history}, checkpoint=saved)


def run(stage: Stage, examples: Examples, out: Path, workers: Workers) -> list[dict[str, float]]:
    """Train one stage; its best state is then in `out`/best. Gives the figures of each evaluation.

    Called again on the same folder it goes on from the last checkpoint there, or gives what is done. Raises
    TrainingFailed after three crashes of a worker, or for what a worker refuses.
    """
    task = {"stage": stage, "examples": ray.put(examples), "threads": workers.threads_each()}
    trainer = TorchTrainer(
        work,
        train_loop_config=task,
        scaling_config=workers.scaling(),
        run_config=RunConfig(
            name=stage.name,
            storage_path=str(out.resolve()),
            failure_config=FailureConfig(max_failures=_RESTARTS),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise TrainingFailed(f"the stage {stage.name} failed: {_reason(error)}") from error
    if result.checkpoint is None or result.metrics is None:
        raise TrainingFailed(f"the stage {stage.name} ended without a checkpoint")
    with result.checkpoint.as_directory() as folder:
        shutil.rmtree(out / BEST, ignore_errors=True)
        shutil.copytree(Path(folder) / BEST, out / BEST)
    history: list[dict[str, float]] = result.metrics["history"]
    return history


def _reason(error: BaseException) -> str:
    """The last line of what a worker said, or of the error that caused it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
