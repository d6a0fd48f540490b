"""What a run learns: the loss of a batch, and the figures that say how good the model has become.

`Sentiment` learns classes from labels, from a teacher's probabilities, or from both mixed. `MaskedLanguage` goes on
with the base's own pre-training on texts of the domain (Gururangan et al. 2020, arXiv 2004.10964).
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from app.adapters.onnx import token_batches
from app.core.metrics import score
from app.core.types import CLASSES
from pipelines.batches import Rows, pad, tokenize
from pipelines.calibrate import offsets
from pipelines.dataset import LabelledTexts, texts_sha256

Loss = Literal["plain", "adjusted", "balanced"]

_EVALUATION_TOKENS = 4096
# Of the masked tokens so many become the mask; half of the rest become another token, the others stay (BERT).
_MASKED, _MASK_TOKEN = 0.15, 0.8
_IGNORED = -100
# What a CPU calls its instructions for bfloat16.
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert")


class Objective(Protocol):
    """A model with its training examples. `select` names the figure of `evaluate` that picks the best state; a run
    can go on only with the same `settings` and with examples of the same `sha256`.
    """

    model: Any
    tokenizer: Any
    lengths: Sequence[int]
    sha256: str
    select: str
    settings: Mapping[str, str | float]

    def loss(self, model: Any, rows: Sequence[int], device: torch.device) -> torch.Tensor:
        """The mean loss of the training examples with these indices; `model` may be wrapped for several workers."""

    def evaluate(self, device: torch.device) -> dict[str, float]:
        """Figures on the validation texts; `select` is among them, and more of it is better."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Texts as the model reads them, each with a distribution over the classes, shape [texts, classes].

    A class that no text has takes no part in the loss: emoticon labels say nothing about neutral.
    """

    texts: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    sha256: str

    @property
    def prior(self) -> tuple[float, ...]:
        """The share of each class."""
        return tuple(float(share) for share in self.probabilities.mean(axis=0))


def hard(labelled: LabelledTexts) -> Targets:
    """The labels as they are."""
    return Targets(labelled.texts, np.eye(len(CLASSES), dtype=np.float32)[list(labelled.labels)], labelled.sha256)


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision: bfloat16 on a GPU or CPU that computes with it; elsewhere it would be slower than float32.

    A CPU that has AVX2 alone takes nine times as long with it as without, one with AVX-512 but no bfloat16 twice.
    """
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = any(torch.cpu.get_capabilities().get(name) for name in _BFLOAT16)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=able)


def base_path(base: str) -> str:
    """The folder of a base that came as a Python package, or the name unchanged for transformers to resolve."""
    spec = importlib.util.find_spec(base) if base.isidentifier() else None
    if spec is None or spec.origin is None:
        return base
    return str(Path(spec.origin).parent / "model")


def load(loader: Any, base: str, *, seed: int = 0, **options: Any) -> Any:
    """A model with the attention that is fastest for short texts on this machine: plain on the CPU.

    A base without the head that the loader wants gets a new one, drawn from the seed.
    """
    attention = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return loader.from_pretrained(base_path(base), **attention, **options)


@torch.inference_mode()
def predict(model: Any, rows: Rows, pad_id: int, device: torch.device) -> npt.NDArray[np.float64]:
    """Logits of shape [rows, classes], in the order of the input."""
    model.eval()
    logits = np.zeros((len(rows), model.config.num_labels))
    for batch in token_batches([len(row) for row in rows], _EVALUATION_TOKENS):
        ids, mask = pad([rows[i] for i in batch], pad_id)
        with autocast(device):
            found = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        logits[batch] = found.float().cpu().numpy()
    return logits


class Sentiment:
    """Classification into `CLASSES`. `tau` is the strength of the prior correction (see `pipelines.calibrate`): part of
    the loss with "adjusted", of the decision with "plain"; "balanced" weighs each class by its inverse frequency.
    `rows` are the token rows of the training and the validation texts, for who makes many objectives of the same texts.
    `seed` makes the head, if the base has none.
    """

    select = "macro_recall"

    def __init__(
        self,
        base: str,
        train: Targets,
        validation: LabelledTexts,
        *,
        loss: Loss = "plain",
        tau: float = 0.5,
        max_tokens: int = 128,
        rows: tuple[Rows, Rows] | None = None,
        seed: int = 0,
    ) -> None:
        names = {i: label.value for i, label in enumerate(CLASSES)}
        self.tokenizer = AutoTokenizer.from_pretrained(base_path(base))
        self.model = load(
            AutoModelForSequenceClassification,
            base,
            seed=seed,
            num_labels=len(CLASSES),
            id2label=names,
            label2id={name: i for i, name in names.items()},
            problem_type="single_label_classification",
        )
        self.rows, self.validation_rows = rows or (
            tokenize(train.texts, self.tokenizer, max_tokens),
            tokenize(validation.texts, self.tokenizer, max_tokens),
        )
        self.lengths: Sequence[int] = [len(row) for row in self.rows]
        self.sha256 = train.sha256
        self.settings: Mapping[str, str | float] = {
            "base": base,
            "loss": loss,
            "tau": tau,
            "max_tokens": max_tokens,
            "validation": validation.sha256[:12],
        }
        self.validation = validation
        self._targets = torch.tensor(train.probabilities)
        self.prior = train.prior
        seen = torch.tensor([share > 0 for share in self.prior])
        shift = torch.zeros(len(CLASSES)).masked_fill(~seen, -math.inf)
        if loss == "adjusted":
            shift = shift - torch.tensor(offsets(self.prior, tau))
        self._shift = shift
        self._weights = (
            torch.tensor([1 / (share * int(seen.sum())) if share else 0.0 for share in self.prior])
            if loss == "balanced"
            else None
        )
        self._decision = np.asarray(offsets(self.prior, tau if loss == "plain" else 0.0))

    def loss(self, model: Any, rows: Sequence[int], device: torch.device) -> torch.Tensor:
        """Cross-entropy with the target distribution, over the classes that the training texts have."""
        ids, mask = pad([self.rows[i] for i in rows], self.tokenizer.pad_token_id)
        with autocast(device):
            logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        log_shares = torch.log_softmax(logits.float() + self._shift.to(device), dim=-1)
        targets = self._targets[list(rows)].to(device)
        # A class that is left out has the log share -inf and the target 0: their product is no number.
        errors = -(targets * log_shares.masked_fill(targets == 0, 0.0))
        if self._weights is not None:
            errors = errors * self._weights.to(device)
        return errors.sum(dim=-1).mean()

    def evaluate(self, device: torch.device) -> dict[str, float]:
        """Macro recall, macro F1, accuracy and log loss on validation."""
        logits = self.logits(device)
        scores = score(self.validation.labels, (logits + self._decision).argmax(axis=1).tolist())
        nll = cross_entropy(torch.from_numpy(logits), torch.tensor(self.validation.labels))
        return {
            "macro_recall": scores.macro_recall,
            "macro_f1": scores.macro_f1,
            "accuracy": scores.accuracy,
            "nll": float(nll),
        }

    def logits(self, device: torch.device) -> npt.NDArray[np.float64]:
        """Raw logits of the validation texts, before any correction."""
        return predict(self.model, self.validation_rows, self.tokenizer.pad_token_id, device)


class MaskedLanguage:
    """Guess the tokens that were hidden. A base without a language head gets a new one, tied to its embeddings."""

    select = "negative_loss"

    def __init__(
        self, base: str, texts: Sequence[str], validation: Sequence[str], *, max_tokens: int = 128, seed: int = 0
    ) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(base_path(base))
        self.model = load(AutoModelForMaskedLM, base, seed=seed, config=AutoConfig.from_pretrained(base_path(base)))
        self.rows = tokenize(texts, self.tokenizer, max_tokens)
        self.lengths: Sequence[int] = [len(row) for row in self.rows]
        self.sha256 = LabelledTexts(tuple(texts), (0,) * len(texts)).sha256
        self.settings: Mapping[str, str | float] = {
            "base": base,
            "max_tokens": max_tokens,
            "validation": texts_sha256(validation)[:12],
        }
        self._validation = tokenize(validation, self.tokenizer, max_tokens)
        self._special = torch.tensor(self.tokenizer.all_special_ids)

    def hide(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids with some of them hidden, and the true ids at those places (elsewhere -100, which is ignored)."""
        chosen = (torch.rand(ids.shape) < _MASKED) & ~torch.isin(ids, self._special)
        labels = ids.masked_fill(~chosen, _IGNORED)
        draw = torch.rand(ids.shape)
        hidden = ids.masked_fill(chosen & (draw < _MASK_TOKEN), self.tokenizer.mask_token_id)
        swapped = chosen & (draw >= (1 + _MASK_TOKEN) / 2)
        return torch.where(swapped, torch.randint(self.model.config.vocab_size, ids.shape), hidden), labels

    def _error(self, model: Any, rows: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
        ids, mask = pad(rows, self.tokenizer.pad_token_id)
        hidden, labels = self.hide(ids)
        with autocast(device):
            logits = model(input_ids=hidden.to(device), attention_mask=mask.to(device)).logits
        guesses, truth = logits.float().flatten(0, 1), labels.to(device).flatten()
        # A batch of very short texts may have nothing hidden; the mean over nothing is no number.
        total = cross_entropy(guesses, truth, ignore_index=_IGNORED, reduction="sum")
        return total / (truth != _IGNORED).sum().clamp(min=1)

    def loss(self, model: Any, rows: Sequence[int], device: torch.device) -> torch.Tensor:
        """Mean cross-entropy of the hidden tokens."""
        return self._error(model, [self.rows[i] for i in rows], device)

    @torch.inference_mode()
    def evaluate(self, device: torch.device) -> dict[str, float]:
        """The loss on the validation texts, the same tokens hidden each time."""
        self.model.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            batches = token_batches([len(row) for row in self._validation], _EVALUATION_TOKENS)
            losses = [float(self._error(self.model, [self._validation[i] for i in rows], device)) for rows in batches]
        mean = sum(losses) / max(1, len(losses))
        return {"nll": mean, "negative_loss": -mean}


def mixed(labelled: LabelledTexts, taught: Mapping[str, Sequence[float]], weight: float) -> Targets:
    """Labels mixed with a teacher's probabilities, which count with `weight`; texts without a label are taught only.

    Soft labels after Hinton et al. 2015, arXiv 1503.02531. Raises KeyError for a labelled text that was not taught.
    """
    known = dict(zip(labelled.texts, labelled.labels, strict=True))
    texts = tuple(taught)
    probabilities = np.asarray([taught[text] for text in texts], dtype=np.float32)
    for index, text in enumerate(texts):
        if text in known:
            probabilities[index] *= weight
            probabilities[index, known[text]] += 1 - weight
    if missing := known.keys() - taught.keys():
        raise KeyError(next(iter(missing)))
    rows = np.round(probabilities, 4).tolist()
    digest = LabelledTexts(tuple(f"{text}\t{row}" for text, row in zip(texts, rows, strict=True)), (0,) * len(texts))
    return Targets(texts, probabilities, digest.sha256)
