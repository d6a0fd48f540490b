from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from app.core.errors import ConfigError
from pipelines.dataset import LabelledTexts
from pipelines.fit import BEST, FitConfig, Fitting
from pipelines.objectives import (
    Loss,
    MaskedLanguage,
    Sentiment,
    Targets,
    autocast,
    base_path,
    hard,
    load,
    mixed,
    predict,
)
from tests.fakes.tiny_model import texts, write_base

CPU = torch.device("cpu")
TEXTS = texts()
SKEWED = LabelledTexts(("bad", "noon", "monday", "good"), (0, 1, 1, 2))
PRIOR = (0.25, 0.5, 0.25)
LOGITS = torch.tensor([[1.0, 2.0, -0.5], [0.3, 0.1, 0.2], [-1.0, 0.0, 1.0], [2.0, 0.5, 0.0]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_base(tmp_path_factory.mktemp("base")))


def fixed(logits: torch.Tensor) -> Any:
    """A model that always gives these logits."""
    return lambda input_ids, attention_mask: SimpleNamespace(logits=logits)


def loss(base: str, targets: Targets, kind: Loss, tau: float = 0.5) -> float:
    objective = Sentiment(base, targets, TEXTS, loss=kind, tau=tau)
    return float(objective.loss(fixed(LOGITS), range(4), CPU))


def log_softmax(row: list[float]) -> list[float]:
    total = math.log(sum(map(math.exp, row)))
    return [value - total for value in row]


def test_the_plain_loss_by_hand(base: str) -> None:
    rows = [log_softmax(row) for row in LOGITS.tolist()]
    expected = -sum(row[label] for row, label in zip(rows, SKEWED.labels, strict=True)) / 4
    assert loss(base, hard(SKEWED), "plain") == pytest.approx(expected, rel=1e-5)
    assert loss(base, hard(SKEWED), "plain", tau=1.0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_the_adjusted_loss_by_hand(base: str, tau: float) -> None:
    shifted = [[value + tau * math.log(p) for value, p in zip(row, PRIOR, strict=True)] for row in LOGITS.tolist()]
    expected = -sum(log_softmax(row)[label] for row, label in zip(shifted, SKEWED.labels, strict=True)) / 4
    assert loss(base, hard(SKEWED), "adjusted", tau) == pytest.approx(expected, rel=1e-5)


def test_the_balanced_loss_by_hand(base: str) -> None:
    rows = [log_softmax(row) for row in LOGITS.tolist()]
    terms = [row[label] / (3 * PRIOR[label]) for row, label in zip(rows, SKEWED.labels, strict=True)]
    assert loss(base, hard(SKEWED), "balanced") == pytest.approx(-sum(terms) / 4, rel=1e-5)


def test_the_loss_of_soft_targets_by_hand(base: str) -> None:
    shares = np.asarray([[0.2, 0.3, 0.5], [1, 0, 0], [0, 0.5, 0.5], [0.1, 0.1, 0.8]], dtype=np.float32)
    rows = np.asarray([log_softmax(row) for row in LOGITS.tolist()])
    expected = -(shares * rows).sum() / 4
    assert loss(base, Targets(SKEWED.texts, shares, "soft"), "plain") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["plain", "adjusted", "balanced"])
def test_a_class_without_texts_takes_no_part(base: str, kind: Loss) -> None:
    emoticons = hard(LabelledTexts(("bad", "awful", "good", "great"), (0, 0, 2, 2)))
    objective = Sentiment(base, emoticons, TEXTS, loss=kind)
    logits = LOGITS.clone().requires_grad_()
    error = objective.loss(fixed(logits), range(4), CPU)
    torch.autograd.backward(error)
    two = torch.nn.functional.cross_entropy(LOGITS[:, [0, 2]], torch.tensor([0, 0, 1, 1]))
    assert float(error.detach()) == pytest.approx(float(two), rel=1e-5)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[:, 1].tolist() == [0.0] * 4
    assert all(math.isfinite(value) for value in objective.evaluate(CPU).values())


@pytest.mark.parametrize(("kind", "chosen"), [("plain", 0), ("adjusted", 1), ("balanced", 1)])
def test_the_prior_correction_belongs_to_the_decision_or_to_the_loss(base: str, kind: Loss, chosen: int) -> None:
    targets = hard(LabelledTexts(("bad", "noon", "monday", "good", "great"), (0, 1, 1, 2, 2)))
    objective = Sentiment(base, targets, LabelledTexts(("bad", "it"), (chosen, chosen)), loss=kind, tau=1.0)
    torch.nn.init.zeros_(objective.model.classifier.weight)
    objective.model.classifier.bias.data = torch.tensor([0.0, 0.25, 0.0])
    scores = objective.evaluate(CPU)
    assert scores["accuracy"] == scores["macro_recall"] == 1.0
    assert scores["nll"] == pytest.approx(-log_softmax([0.0, 0.25, 0.0])[chosen], rel=1e-2)


def test_logits_come_in_the_order_of_the_texts(base: str) -> None:
    objective = Sentiment(base, hard(TEXTS), texts(40))
    found = objective.logits(CPU)
    assert found.shape == (40, 3)
    for index in (0, 17, 39):
        alone = predict(objective.model, objective.validation_rows[index : index + 1], 0, CPU)
        np.testing.assert_allclose(found[index], alone[0], atol=0.02)
    assert predict(objective.model, (), 0, CPU).shape == (0, 3)


def test_a_new_head_is_drawn_from_the_seed_alone(base: str) -> None:
    heads = []
    for noise, seed in ((5, 0), (6, 0), (5, 1)):
        torch.manual_seed(noise)
        model = MaskedLanguage(base, ("bad",), ("good",), seed=seed).model
        heads.append(model.state_dict()["cls.predictions.transform.dense.weight"])
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_mixed_targets_weigh_labels_and_teacher() -> None:
    taught = {"bad": (0.5, 0.3, 0.2), "free": (0.1, 0.2, 0.7), "good": (0.0, 0.5, 0.5)}
    labelled = LabelledTexts(("bad", "good"), (0, 2))
    targets = mixed(labelled, taught, 0.4)
    assert targets.texts == ("bad", "free", "good")
    expected = [[0.8, 0.12, 0.08], [0.1, 0.2, 0.7], [0.0, 0.2, 0.8]]
    np.testing.assert_allclose(targets.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(mixed(labelled, taught, 0.0).probabilities[[0, 2]], np.eye(3)[[0, 2]])
    np.testing.assert_allclose(mixed(labelled, taught, 1.0).probabilities, list(taught.values()), atol=1e-6)
    assert targets.sha256 == mixed(labelled, dict(reversed(taught.items())), 0.4).sha256
    assert targets.sha256 != mixed(labelled, taught, 0.5).sha256
    assert targets.prior == pytest.approx(np.mean(expected, axis=0))
    with pytest.raises(KeyError, match="ugly"):
        mixed(LabelledTexts(("ugly",), (0,)), taught, 0.4)


def test_hidden_tokens_have_the_rates_of_bert(base: str) -> None:
    objective = MaskedLanguage(base, ("bad day",), ("good day",))
    special, mask = objective.tokenizer.all_special_ids, objective.tokenizer.mask_token_id
    torch.manual_seed(3)
    ids = torch.randint(0, 15, (2_000, 150))
    hidden, labels = objective.hide(ids)
    chosen, plain = labels != -100, ~torch.isin(ids, torch.tensor(special))
    assert not (chosen & ~plain).any()
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(hidden[~chosen], ids[~chosen])
    number = int(chosen.sum())
    assert number / int(plain.sum()) == pytest.approx(0.15, abs=0.005)
    # One random token in fifteen is the mask or the token itself.
    assert float((hidden[chosen] == mask).sum() / number) == pytest.approx(0.8 + 0.1 / 15, abs=0.01)
    assert float((hidden[chosen] == ids[chosen]).sum() / number) == pytest.approx(0.1 + 0.1 / 15, abs=0.01)


def test_nothing_hidden_gives_no_loss(base: str) -> None:
    objective = MaskedLanguage(base, ("unheard", "bad"), ("good",))
    assert objective.loss(objective.model, [0], CPU).item() == 0.0


def test_masked_validation_repeats_itself_and_leaves_the_generator_alone(base: str) -> None:
    objective = MaskedLanguage(base, TEXTS.texts, TEXTS.texts)
    torch.manual_seed(1)
    first = objective.evaluate(CPU)
    draw = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), draw)
    assert objective.evaluate(CPU) == first
    assert first["negative_loss"] == -first["nll"] < 0


def test_sentiment_goes_on_from_masked_language(base: str, tmp_path: Path) -> None:
    language = MaskedLanguage(base, TEXTS.texts, TEXTS.texts)
    before = language.evaluate(CPU)
    config = FitConfig(epochs=1, batch_tokens=64, learning_rate=1e-2, ema_decay=0.0, evaluations=1)
    [progress] = Fitting(config, language, tmp_path).run()
    assert progress.metrics["nll"] < before["nll"]
    objective = Sentiment(str(tmp_path / BEST), hard(TEXTS), TEXTS)
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(objective.model.bert.state_dict()[name], language.model.bert.state_dict()[name])


def test_texts_of_no_number_are_refused(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no text to train on"):
        Fitting(FitConfig(), MaskedLanguage(base, (), ("good",)), tmp_path)


@pytest.mark.parametrize(("able", "on"), [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True)])
def test_mixed_precision_is_off_where_it_would_be_slow(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], on: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    with autocast(CPU):
        assert torch.is_autocast_enabled("cpu") is on
    assert not torch.is_autocast_enabled("cpu")


def test_a_base_is_a_package_or_what_transformers_resolves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_packaged_base"
    package.mkdir()
    (package / "__init__.py").touch()
    write_base(package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert base_path("some_packaged_base") == str(package / "model")
    assert base_path("some-org/model") == "some-org/model"
    assert base_path("nobody_has_this") == "nobody_has_this"
    loader = SimpleNamespace(from_pretrained=lambda path, **options: path)
    assert load(loader, "some_packaged_base") == str(package / "model")
