from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.fit import BEST, FitConfig, Fitting
from pipelines.objectives import MaskedLanguage, Objective, Sentiment, hard
from pipelines.stages import Examples, Stage, TrainingFailed, Workers, run
from tests.fakes.tiny_model import texts, write_base

TEXTS = texts()
EXAMPLES = Examples(hard(TEXTS), TEXTS)
CONFIG = FitConfig(epochs=2, batch_tokens=64, learning_rate=5e-3, evaluations=1)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_base(tmp_path_factory.mktemp("base")))


class Deadly(Sentiment):
    """Kills its worker, once, when so many batches are left."""

    marker: Path
    batches_left = 0

    def loss(self, model: Any, rows: Sequence[int], device: torch.device) -> torch.Tensor:
        self.batches_left -= 1
        if self.batches_left < 0 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(model, rows, device)


@dataclass(frozen=True, slots=True)
class DeadlyStage(Stage):
    marker: str = ""
    batches: int = 0

    def objective(self, examples: Examples) -> Objective:
        objective = Deadly(self.base, examples.train, examples.validation)
        objective.marker, objective.batches_left = Path(self.marker), self.batches
        return objective


def test_a_stage_knows_its_objective(base: str) -> None:
    assert isinstance(Stage("language", base, CONFIG).objective(EXAMPLES), MaskedLanguage)
    for name in ("emoticons", "sentiment"):
        assert isinstance(Stage(name, base, CONFIG).objective(EXAMPLES), Sentiment)


def test_the_threads_are_shared_among_the_workers() -> None:
    cores = os.cpu_count() or 1
    assert Workers().threads_each() == cores
    assert Workers(number=cores * 2).threads_each() == 1
    assert Workers(number=2, threads=3).threads_each() == 3
    assert Workers(gpu=True).scaling().use_gpu


@pytest.mark.ray
def test_a_killed_worker_goes_on_from_its_last_checkpoint(ray_cluster: None, base: str, tmp_path: Path) -> None:
    alone = Fitting(CONFIG, Stage("sentiment", base, CONFIG).objective(EXAMPLES), tmp_path / "alone")
    list(alone.run())
    batches = alone.epoch_steps[0] + 2
    marker = tmp_path / "killed"
    stage = DeadlyStage("sentiment", base, CONFIG, marker=str(marker), batches=batches)
    history = run(stage, EXAMPLES, tmp_path / "workers", Workers(threads=1))
    assert marker.exists()
    assert [each["step"] for each in history] == [alone.epoch_steps[0], alone.steps]
    assert history[-1]["macro_recall"] == pytest.approx(alone.history[-1]["macro_recall"], abs=0.05)
    assert (tmp_path / "workers" / BEST / "model.safetensors").is_file()
    # The stage is done: called again, it gives what it has.
    assert run(stage, EXAMPLES, tmp_path / "workers", Workers(threads=1)) == history


@pytest.mark.ray
def test_what_a_worker_refuses_is_said(ray_cluster: None, base: str, tmp_path: Path) -> None:
    config = FitConfig(frozen_layers=9)
    with pytest.raises(TrainingFailed, match=r"the stage sentiment failed.*frozen_layers is 9"):
        run(Stage("sentiment", base, config), EXAMPLES, tmp_path, Workers(threads=1))
