"""The training loop: plain PyTorch that knows neither Ray Train nor Tune, resumable at any step.

`Fitting` trains an `Objective` and keeps in its folder `last.pt`, the whole state, and `best`, the Hugging Face folder
of the best state by validation. Made anew on the same folder it goes on from there, to the same result. Within an
initialised `torch.distributed` group it is one of several workers; worker 0 writes. `python -m pipelines.train` is the
command.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from app.core.errors import ConfigError
from pipelines.batches import share, training_batches
from pipelines.objectives import Objective

CHECKPOINT = "last.pt"
BEST = "best"
_OLD = f"{BEST}.old"  # what `best` was, while the new one takes its place
# Settings that may change between two sittings of one run: tuning explores them while a trial goes on.
EXPLORED = frozenset({"learning_rate", "weight_decay", "ema_decay"})


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train. `batch_tokens` is the padded size of one worker's batch, `warmup` the share of the steps in which
    the learning rate rises; then it falls linearly to zero. `ema_decay` keeps a moving average of the weights, which
    is what is judged and kept (0: the weights themselves). `patience` ends the run after so many evaluations without
    a better one (0: never). `frozen_layers` leaves the embeddings and so many layers above them as they are.
    """

    epochs: int = 3
    batch_tokens: int = 1024
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    evaluations: int = 2
    patience: int = 0
    frozen_layers: int = 0
    seed: int = 20261123

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 1 if field.name in {"epochs", "batch_tokens", "evaluations"} else 0
            if value < least:
                raise ConfigError(f"{field.name} is {value}: it must be at least {least}")
        if self.learning_rate == 0 or self.warmup > 1 or self.ema_decay >= 1:
            raise ConfigError("learning_rate must be above 0, warmup at most 1 and ema_decay below 1")


@dataclass(frozen=True, slots=True)
class Progress:
    """The state just saved. `metrics` is empty between evaluations."""

    step: int
    steps: int
    epoch: int
    loss: float
    learning_rate: float
    samples_per_s: float
    metrics: dict[str, float]


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Linear warm-up over the first part of the steps, then linear decay to zero."""
    ramp = max(1, int(total * warmup))
    return min((step + 1) / ramp, max(0.0, (total - step) / max(1, total - ramp)))


def freeze(model: Any, layers: int) -> None:
    """Leave the embeddings and the lowest `layers` encoder layers untrained. Raises ConfigError if there are fewer."""
    if layers == 0:
        return
    stack = getattr(getattr(model.base_model, "encoder", None), "layer", ())
    if len(stack) < layers:
        raise ConfigError(f"frozen_layers is {layers}, but the base has {len(stack)} encoder layers to freeze")
    for part in (model.base_model.embeddings, *stack[:layers]):
        part.requires_grad_(False)


class Fitting:
    """One run on one worker. `run` trains to the end and yields at every checkpoint."""

    def __init__(self, config: FitConfig, objective: Objective, out: Path, device: torch.device | None = None) -> None:
        if not objective.lengths:
            raise ConfigError("there is no text to train on")
        self.config = config
        self.objective = objective
        self.out = out
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.rank = torch.distributed.get_rank() if distributed else 0
        self.world = torch.distributed.get_world_size() if distributed else 1
        self.model = objective.model.to(self.device)
        freeze(self.model, config.frozen_layers)
        self.weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.average = [weight.detach().clone() for weight in self.weights] if config.ema_decay else []
        # Epochs cut their batches from other shuffles, so they differ by a few steps.
        self.epoch_steps = [len(self._batches(epoch)) for epoch in range(config.epochs)]
        self.steps = sum(self.epoch_steps)
        self.step = 0
        self.best = -float("inf")
        self.stale = 0
        self.history: list[dict[str, float]] = []
        self._resume()
        self._parallel = DistributedDataParallel(self.model) if self.world > 1 else self.model

    def _batches(self, epoch: int) -> list[list[int]]:
        rng = random.Random(self.config.seed * 1_000 + epoch)
        return share(training_batches(self.objective.lengths, self.config.batch_tokens, rng), self.rank, self.world)

    def _place(self) -> tuple[int, int]:
        """The epoch of the next step and how many steps of that epoch are done."""
        done = self.step
        for epoch, steps in enumerate(self.epoch_steps):
            if done < steps:
                return epoch, done
            done -= steps
        raise IndexError(f"step {self.step} of {self.steps}")

    @property
    def settings(self) -> dict[str, str | float]:
        """All that a run must keep while it goes on, except what is `EXPLORED`."""
        return {**asdict(self.config), **self.objective.settings, "workers": self.world}

    @property
    def finished(self) -> bool:
        """Whether the last step is done or patience is at its end."""
        return self.step >= self.steps or (0 < self.config.patience <= self.stale)

    def _resume(self) -> None:
        path, best, old = self.out / CHECKPOINT, self.out / BEST, self.out / _OLD
        if not path.is_file():
            return
        if self.rank == 0 and old.is_dir() and not best.is_dir():
            old.replace(best)
        state = torch.load(path, weights_only=True, map_location=self.device)
        ours, theirs = self.settings, state["settings"]
        if changed := {name for name in ours if ours[name] != theirs.get(name)} - EXPLORED:
            settings = ", ".join(f"{name} {theirs.get(name)}, not {ours[name]}" for name in sorted(changed))
            raise ConfigError(f"{self.out} holds a run with other settings ({settings}): choose another --out")
        if state["sha256"] != self.objective.sha256:
            raise ConfigError(f"{self.out} holds a run on other texts: choose another --out or delete it")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.config.weight_decay
        if self.config.ema_decay:
            self.average = state["average"] or [weight.detach().clone() for weight in self.weights]
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        self.history = state["history"]

    def save(self) -> None:
        """Write the whole state, so that it is never half there."""
        if self.rank:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        partial = self.out / f"{CHECKPOINT}.partial"
        state = {
            "settings": self.settings,
            "sha256": self.objective.sha256,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "history": self.history,
        }
        torch.save(state, partial)
        partial.replace(self.out / CHECKPOINT)

    def learn(self, rows: list[int]) -> float:
        """One optimiser step on these training examples; gives the loss."""
        self.model.train()
        # Each step draws from a seed of its own: a resumed run needs no memory of the generator to stay the same.
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * 1_009 + self.rank)
        rate = self.config.learning_rate * learning_rate_factor(self.step, self.steps, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.objective.loss(self._parallel, rows, self.device)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.average:
            # Early on the average follows closely, or it would remember the untrained head.
            decay = min(self.config.ema_decay, (self.step + 1) / (self.step + 10))
            with torch.no_grad():
                for average, weight in zip(self.average, self.weights, strict=True):
                    average.lerp_(weight, 1 - decay)
        return float(loss.detach())

    def evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights on validation; the best so far is kept in `best`."""
        told: list[dict[str, float]] = [self._judge()] if self.rank == 0 else [{}]
        if self.world > 1:
            # Worker 0 judges for all: were a last digit to differ, some would stop early and the others wait for them.
            torch.distributed.broadcast_object_list(told, device=self.device)
        metrics = told[0]
        if metrics[self.objective.select] > self.best:
            self.best, self.stale = metrics[self.objective.select], 0
        else:
            self.stale += 1
        self.history.append({"step": float(self.step), **metrics})
        return metrics

    def _judge(self) -> dict[str, float]:
        self._swap()
        metrics = self.objective.evaluate(self.device)
        if metrics[self.objective.select] > self.best:
            self._keep()
        self._swap()
        return metrics

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange the weights with their average."""
        for weight, average in zip(self.weights, self.average, strict=False):
            kept = weight.detach().clone()
            weight.copy_(average)
            average.copy_(kept)

    def run(self, checkpoint_every: int = 500) -> Iterator[Progress]:
        """Train to the end, saving at every evaluation and every so many steps; yields after each save."""
        loss, seen, started = 0.0, 0, time.monotonic()
        with tqdm(total=self.steps, initial=self.step, unit="batch", mininterval=5, disable=self.rank > 0) as bar:
            while not self.finished:
                epoch, position = self._place()
                steps = self.epoch_steps[epoch]
                between = -(-steps // self.config.evaluations)
                bar.set_description(f"epoch {epoch + 1}/{self.config.epochs}")
                for done, rows in enumerate(self._batches(epoch)[position:], position + 1):
                    now = self.learn(rows)
                    loss = 0.95 * loss + 0.05 * now if seen else now
                    seen += len(rows) * self.world
                    rate, speed = self.optimizer.param_groups[0]["lr"], seen / (time.monotonic() - started)
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:.1e}", samples_s=f"{speed:.0f}", refresh=False)
                    judged = done == steps or done % between == 0
                    if judged or self.step % checkpoint_every == 0:
                        metrics = self.evaluate() if judged else {}
                        self.save()
                        yield Progress(self.step, self.steps, epoch + 1, loss, rate, speed, metrics)
                    if self.finished:
                        break

    def _keep(self) -> None:
        best, partial, old = self.out / BEST, self.out / f"{BEST}.partial", self.out / _OLD
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        self.objective.tokenizer.save_pretrained(partial)
        shutil.rmtree(old, ignore_errors=True)
        if best.is_dir():
            best.replace(old)
        partial.replace(best)
        shutil.rmtree(old, ignore_errors=True)
