from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigError
from pipelines.dataset import LabelledTexts
from pipelines.fit import FitConfig, Fitting, bucketed_batches, learning_rate_factor, pad
from tests.fakes.tiny_model import texts, write_base

TEXTS = texts()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    base = write_base(tmp_path_factory.mktemp("base"))
    return FitConfig(base=str(base), epochs=2, batch_size=8, learning_rate=5e-3, max_tokens=32)


class Interrupted(Fitting):
    """Ends in the middle, after so many steps."""

    steps_left = 0

    def step(self, batch: list[int]) -> float:
        if self.steps_left == 0:
            raise KeyboardInterrupt
        self.steps_left -= 1
        return super().step(batch)


def _weights(fitting: Fitting) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in fitting.model.state_dict().items()}


def test_loss_goes_down_and_the_best_epoch_is_kept(config: FitConfig, tmp_path: Path) -> None:
    fitting = Fitting(config, TEXTS, TEXTS, tmp_path)
    batch = list(range(24))
    losses = [fitting.step(batch) for _ in range(12)]
    assert losses[-1] < losses[0]
    scores = list(fitting.run())
    assert len(scores) == 2
    assert max(each.macro_recall for each in scores) == fitting.best
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in (tmp_path / "best").iterdir()}


@pytest.mark.parametrize("steps", [3, 4, 9])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(config: FitConfig, tmp_path: Path, steps: int) -> None:
    whole = Fitting(config, TEXTS, TEXTS, tmp_path / "whole")
    expected = list(whole.run())
    first = Interrupted(config, TEXTS, TEXTS, tmp_path / "cut")
    first.steps_left = steps
    with pytest.raises(KeyboardInterrupt):
        list(first.run(checkpoint_every=2))
    second = Fitting(config, TEXTS, TEXTS, tmp_path / "cut")
    assert (second.epoch, second.position) != (0, 0)
    scores = list(second.run(checkpoint_every=2))
    assert scores == expected[-len(scores) :]
    ours = _weights(second)
    assert all(torch.equal(value, ours[name]) for name, value in _weights(whole).items())
    assert list(Fitting(config, TEXTS, TEXTS, tmp_path / "cut").run()) == []


def test_a_run_with_other_settings_or_texts_is_refused(config: FitConfig, tmp_path: Path) -> None:
    Fitting(config, TEXTS, TEXTS, tmp_path).save()
    other = FitConfig(**{name: getattr(config, name) for name in FitConfig.__slots__} | {"seed": 1})
    with pytest.raises(ConfigError, match="other settings"):
        Fitting(other, TEXTS, TEXTS, tmp_path)
    with pytest.raises(ConfigError, match="other texts"):
        Fitting(config, texts(47), TEXTS, tmp_path)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_a_class_without_texts_does_not_spoil_the_loss(config: FitConfig, tmp_path: Path, tau: float) -> None:
    settings = FitConfig(**{name: getattr(config, name) for name in FitConfig.__slots__} | {"prior_tau": tau})
    fitting = Fitting(settings, LabelledTexts(("bad", "noon"), (0, 1)), TEXTS, tmp_path)
    assert torch.isfinite(torch.tensor(fitting.step([0, 1])))


@given(st.lists(st.integers(1, 60), max_size=200), st.integers(1, 9), st.integers())
def test_batches_hold_each_row_once(lengths: list[int], size: int, seed: int) -> None:
    batches = bucketed_batches(lengths, size, random.Random(seed))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert batches == bucketed_batches(lengths, size, random.Random(seed))


def test_padding_is_masked() -> None:
    ids, mask = pad([[5], [6, 7, 8]], 9)
    assert ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_the_learning_rate_rises_and_falls() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert factors[9] == max(factors) == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert factors[-1] == 0.0
