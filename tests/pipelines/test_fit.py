from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigError
from pipelines.dataset import LabelledTexts
from pipelines.fit import BEST, CHECKPOINT, FitConfig, Fitting, Progress, learning_rate_factor
from pipelines.objectives import Loss, Sentiment, hard
from tests.fakes.tiny_model import texts, write_base

TEXTS = texts()
CONFIG = FitConfig(epochs=2, batch_tokens=64, learning_rate=5e-3, ema_decay=0.9)
SLOW_CONFIG = replace(CONFIG, learning_rate=1e-3)


class Interrupted(Fitting):
    """Ends in the middle, after so many steps."""

    steps_left = 0

    def learn(self, rows: list[int]) -> float:
        if self.steps_left == 0:
            raise KeyboardInterrupt
        self.steps_left -= 1
        return super().learn(rows)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_base(tmp_path_factory.mktemp("base")))


def objective(base: str, *, train: LabelledTexts = TEXTS, loss: Loss = "plain", tau: float = 0.5) -> Sentiment:
    return Sentiment(base, hard(train), TEXTS, loss=loss, tau=tau, max_tokens=32)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def judged(progress: Sequence[Progress]) -> list[dict[str, float]]:
    return [each.metrics for each in progress if each.metrics]


def test_it_learns_and_the_best_state_is_kept(base: str, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, batch_tokens=32, learning_rate=1e-2, warmup=0.3)
    fitting = Fitting(config, objective(base), tmp_path)
    progress = list(fitting.run())
    assert progress[-1].loss < progress[0].loss / 2
    scores = [metrics["macro_recall"] for metrics in judged(progress)]
    assert len(scores) == 12
    assert max(scores) == fitting.best == 1.0
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {each.name for each in (tmp_path / BEST).iterdir()}
    assert Sentiment(str(tmp_path / BEST), hard(TEXTS), TEXTS).evaluate(fitting.device)["macro_recall"] == 1.0


def test_the_same_seed_gives_the_same_scores(base: str, tmp_path: Path) -> None:
    runs = [Fitting(CONFIG, objective(base), tmp_path / name) for name in "ab"]
    assert judged(list(runs[0].run())) == judged(list(runs[1].run()))
    assert same(weights(runs[0].model), weights(runs[1].model))
    other = Fitting(replace(CONFIG, seed=1), objective(base), tmp_path / "c")
    list(other.run())
    assert not same(weights(runs[0].model), weights(other.model))


@pytest.mark.parametrize("steps", [3, 4, 8, 11])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(base: str, tmp_path: Path, steps: int) -> None:
    whole = Fitting(CONFIG, objective(base), tmp_path / "whole")
    expected = judged(list(whole.run()))
    first = Interrupted(CONFIG, objective(base), tmp_path / "cut")
    first.steps_left = steps
    with pytest.raises(KeyboardInterrupt):
        list(first.run(checkpoint_every=2))
    second = Fitting(CONFIG, objective(base), tmp_path / "cut")
    assert steps - 2 < second.step <= steps
    scores = judged(list(second.run(checkpoint_every=2)))
    assert scores == expected[-len(scores) :]
    assert second.history == whole.history
    assert same(weights(second.model), weights(whole.model))
    assert all(map(torch.equal, second.average, whole.average))
    kept = [(tmp_path / name / BEST / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert kept[0] == kept[1]
    assert list(Fitting(CONFIG, objective(base), tmp_path / "cut").run()) == []


def test_a_half_written_checkpoint_does_no_harm(base: str, tmp_path: Path) -> None:
    fitting = Fitting(CONFIG, objective(base), tmp_path)
    fitting.learn([0, 1, 2])
    fitting.save()
    (tmp_path / f"{CHECKPOINT}.partial").write_bytes(b"half")
    assert Fitting(CONFIG, objective(base), tmp_path).step == 1


def test_the_best_state_survives_a_kill_while_it_is_replaced(base: str, tmp_path: Path) -> None:
    list(Fitting(CONFIG, objective(base), tmp_path).run())
    kept = (tmp_path / BEST / "model.safetensors").read_bytes()
    (tmp_path / BEST).rename(tmp_path / f"{BEST}.old")
    Fitting(CONFIG, objective(base), tmp_path)
    assert (tmp_path / BEST / "model.safetensors").read_bytes() == kept


def test_explored_settings_take_effect_at_the_next_step(base: str, tmp_path: Path) -> None:
    first = Fitting(CONFIG, objective(base), tmp_path)
    first.learn([0, 1, 2])
    first.save()
    explored = replace(CONFIG, learning_rate=1e-4, weight_decay=0.3, ema_decay=0.0)
    second = Fitting(explored, objective(base), tmp_path)
    second.learn([0, 1, 2])
    [group] = second.optimizer.param_groups
    assert group["lr"] == pytest.approx(1e-4 * learning_rate_factor(1, second.steps, CONFIG.warmup))
    assert group["weight_decay"] == 0.3
    assert second.average == []
    second.save()
    third = Fitting(CONFIG, objective(base), tmp_path)
    assert all(map(torch.equal, third.average, third.weights))


CHANGES: list[dict[str, float]] = [
    {"seed": 1},
    {"epochs": 3},
    {"batch_tokens": 65},
    {"warmup": 0.2},
    {"evaluations": 1},
    {"patience": 1},
    {"frozen_layers": 1},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_run_with_other_settings_is_refused(base: str, tmp_path: Path, change: dict[str, Any]) -> None:
    Fitting(CONFIG, objective(base), tmp_path).save()
    [(name, value)] = change.items()
    with pytest.raises(ConfigError, match=rf"{name} {getattr(CONFIG, name)}, not {value}\)"):
        Fitting(replace(CONFIG, **change), objective(base), tmp_path)


def test_a_run_with_another_objective_is_refused(base: str, tmp_path: Path) -> None:
    Fitting(CONFIG, objective(base), tmp_path / "run").save()
    for name, other in {
        "loss plain, not balanced": objective(base, loss="balanced"),
        "tau 0.5, not 1.0": objective(base, tau=1.0),
        "max_tokens 32, not 31": Sentiment(base, hard(TEXTS), TEXTS, max_tokens=31),
        "validation": Sentiment(base, hard(TEXTS), texts(47), max_tokens=32),
        "base": objective(str(write_base(tmp_path / "base"))),
        "other texts": objective(base, train=texts(47)),
    }.items():
        with pytest.raises(ConfigError, match=name):
            Fitting(CONFIG, other, tmp_path / "run")


def test_what_is_judged_and_kept_is_the_average(base: str, tmp_path: Path) -> None:
    class Watched(Sentiment):
        def evaluate(self, device: torch.device) -> dict[str, float]:
            self.judged = weights(self.model)
            return super().evaluate(device)

    watched = Watched(base, hard(TEXTS), TEXTS, max_tokens=32)
    fitting = Fitting(SLOW_CONFIG, watched, tmp_path)
    expected = [weight.detach().clone() for weight in fitting.weights]
    for step in range(1, 4):
        fitting.learn([0, 1, 2, 3])
        kept = min(0.9, (step + 1) / (step + 10))
        expected = [kept * old + (1 - kept) * new.detach() for old, new in zip(expected, fitting.weights, strict=True)]
    before = weights(fitting.model)
    fitting.evaluate()
    assert same(weights(fitting.model), before)
    names = [name for name, weight in fitting.model.named_parameters() if weight.requires_grad]
    for name, value in zip(names, expected, strict=True):
        torch.testing.assert_close(watched.judged[name], value)
    assert same(weights(objective(str(tmp_path / BEST)).model), watched.judged)


def test_frozen_layers_do_not_change(base: str, tmp_path: Path) -> None:
    fitting = Fitting(replace(CONFIG, frozen_layers=1), objective(base), tmp_path)
    before = weights(fitting.model)
    list(fitting.run())
    after = weights(fitting.model)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}
    with pytest.raises(ConfigError, match="frozen_layers is 2, but the base has 1"):
        Fitting(replace(CONFIG, frozen_layers=2), objective(base), tmp_path / "other")


class Model(torch.nn.Linear):
    """One weight, kept as a file."""

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        torch.save(self.state_dict(), folder / "model.pt")


@dataclass
class Scripted:
    """An objective without a language model, whose scores are given."""

    lengths: Sequence[int]
    scores: list[float] = field(default_factory=list)
    model: Any = field(default_factory=lambda: Model(1, 1))
    tokenizer: Any = field(default_factory=lambda: SimpleNamespace(save_pretrained=lambda folder: None))
    sha256: str = "texts"
    select: str = "score"
    settings: dict[str, str | float] = field(default_factory=dict)

    def loss(self, model: Any, rows: Sequence[int], device: torch.device) -> torch.Tensor:
        return torch.as_tensor(model(torch.ones(len(rows), 1)).square().mean())

    def evaluate(self, device: torch.device) -> dict[str, float]:
        return {"score": self.scores.pop(0) if self.scores else 0.0}


def test_a_run_ends_early_when_it_no_longer_gets_better(tmp_path: Path) -> None:
    config = FitConfig(epochs=9, batch_tokens=10, evaluations=1, patience=2)
    scripted = Scripted([5] * 8, [0.5, 0.7, 0.6, 0.7, 0.9])
    stopped = Fitting(config, scripted, tmp_path)
    progress = list(stopped.run())
    assert [metrics["score"] for metrics in judged(progress)] == [0.5, 0.7, 0.6, 0.7]
    assert stopped.finished and stopped.best == 0.7
    again = Fitting(config, Scripted([5] * 8), tmp_path)
    assert again.finished and list(again.run()) == []
    assert [each["score"] for each in again.history] == [0.5, 0.7, 0.6, 0.7]


def test_patience_survives_an_interruption(tmp_path: Path) -> None:
    config = FitConfig(epochs=9, batch_tokens=10, evaluations=1, patience=2)
    first = Fitting(config, Scripted([5] * 8, [0.7, 0.6]), tmp_path).run()
    assert [next(first).metrics["score"] for _ in range(2)] == [0.7, 0.6]
    second = Fitting(config, Scripted([5] * 8, [0.6, 0.9]), tmp_path)
    assert len(list(second.run())) == 1


class Dry(Fitting):
    """Goes through the steps without learning anything; notes the rows."""

    def __init__(self, config: FitConfig, objective: Scripted, out: Path) -> None:
        super().__init__(config, objective, out)
        self.learnt: list[int] = []

    def learn(self, rows: list[int]) -> float:
        self.learnt += rows
        self.step += 1
        return 0.0

    def _keep(self) -> None:
        pass


class Unsaved(Dry):
    def save(self) -> None:
        pass


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60),
    epochs=st.integers(1, 4),
    evaluations=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_epoch_ends_and_learns_every_text_once(
    lengths: list[int], epochs: int, evaluations: int, seed: int
) -> None:
    config = FitConfig(epochs=epochs, batch_tokens=70, evaluations=evaluations, seed=seed)
    fitting = Unsaved(config, Scripted(lengths), Path("unused"))
    seen = 0
    for progress in fitting.run():
        assert progress.metrics
        if progress.step == sum(fitting.epoch_steps[: progress.epoch]):
            assert sorted(fitting.learnt[seen:]) == list(range(len(lengths)))
            seen = len(fitting.learnt)
    assert fitting.step == fitting.steps
    assert seen == epochs * len(lengths)
    assert epochs <= len(fitting.history) <= epochs * evaluations


def test_epochs_of_different_length_are_resumed_in_place(tmp_path: Path) -> None:
    config = FitConfig(epochs=4, batch_tokens=70, evaluations=1)
    lengths = [1 + 37 * row % 60 for row in range(400)]
    whole = Unsaved(config, Scripted(lengths), tmp_path)
    assert len(set(whole.epoch_steps)) > 1
    list(whole.run())
    learnt: list[int] = []
    while not (part := Dry(config, Scripted(lengths), tmp_path)).finished:
        next(part.run(checkpoint_every=150))
        learnt += part.learnt
    assert learnt == whole.learnt


def test_progress_is_shown_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(Fitting(FitConfig(epochs=2, batch_tokens=10), Scripted([5] * 8), tmp_path).run())
    shown = capsys.readouterr().err
    for part in ("epoch 2/2", "8/8", "loss=", "lr=", "samples_s="):
        assert part in shown


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_tokens", 0), ("learning_rate", 0), ("warmup", 1.1), ("ema_decay", 1), ("patience", -1)],
)
def test_impossible_settings_are_refused(setting: str, value: float) -> None:
    settings: dict[str, Any] = {setting: value}
    with pytest.raises(ConfigError, match=setting):
        FitConfig(**settings)


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no text"):
        Fitting(CONFIG, Scripted([]), tmp_path)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_the_learning_rate_rises_and_falls(warmup: float) -> None:
    factors = [learning_rate_factor(step, 100, warmup) for step in range(101)]
    top = max(0, round(100 * warmup) - 1)
    assert factors[top] == max(factors) == 1.0
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[-1] == 0.0


def work(other: int, base: str, folder: Path) -> None:
    """Worker 0, or the other one: an interrupted run, gone on with; the weights at the end are left in a file."""
    rank = other + 1
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2, timeout=timedelta(minutes=5)
    )
    try:
        torch.set_num_threads(1)
        first = Interrupted(CONFIG, objective(base), folder / "run")
        first.steps_left = 3
        with pytest.raises(KeyboardInterrupt):
            list(first.run(checkpoint_every=2))
        torch.distributed.barrier()
        second = Fitting(CONFIG, objective(base), folder / "run")
        assert second.step == 2
        list(second.run())
        torch.save({**weights(second.model), "stale": torch.tensor(second.stale)}, folder / f"{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


def test_two_workers_end_with_the_same_weights(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    threads = torch.get_num_threads()
    worker = torch.multiprocessing.spawn(work, (base, tmp_path), nprocs=1, join=False)
    work(-1, base, tmp_path)
    if not worker.join(timeout=60):  # Gloo may hang when it is taken down; whether the work was done is seen below
        for process in worker.processes:
            process.kill()
            process.join()
    torch.set_num_threads(threads)
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert same(states[0], states[1])
    alone = Fitting(CONFIG, objective(base), tmp_path / "alone")
    saved = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)
    assert saved["step"] == sum((steps + 1) // 2 for steps in alone.epoch_steps)
    assert same(saved["model"], {name: value for name, value in states[0].items() if name != "stale"})
    with pytest.raises(ConfigError, match="workers 2, not 1"):
        Fitting(CONFIG, objective(base), tmp_path / "run")
    assert sorted(os.listdir(tmp_path / "run")) == [BEST, CHECKPOINT]
