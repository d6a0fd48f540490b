"""What every transformer classifier does alike: tokenize, batch by length, and turn logits into predictions.

It needs neither torch nor a runtime: `onnx` and `torch` beside it bring what computes the logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from app.adapters.artifact import TOKENIZER, Manifest
from app.core.errors import ClassifierError
from app.core.text import model_text
from app.core.types import CLASSES, Prediction

Ids: TypeAlias = npt.NDArray[np.int64]
Logits: TypeAlias = npt.NDArray[np.float32]

CALL_COST: Final = 0.02
"""What a call costs beside its tokens, as a part of a full one (MiniLM, int8, a core: ten tokens of 512)."""


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of rows in batches of similar length, the longest first; each is padded to its longest row.

    At least one row a batch, and a padded size within `budget` tokens. Of all ways to cut the rows, sorted by length,
    it is the cheapest, where a batch costs its padded tokens and a fiftieth of the budget for itself.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    # Of the first rows alone: what they cost at best, and where their last batch begins then.
    cost, cut = np.zeros(len(order) + 1), [0] * (len(order) + 1)
    for end, row in enumerate(order, start=1):
        longest = lengths[row]
        first = max(0, end - max(1, budget // longest))
        costs = cost[first:end] + longest * np.arange(end - first, 0, -1)
        best = int(costs.argmin())
        cost[end], cut[end] = costs[best] + budget * CALL_COST, first + best
    batches = []
    end = len(order)
    while end:
        batches.append(order[cut[end] : end])
        end = cut[end]
    return batches


def padded(rows: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Token ids, padded with 0, and attention mask: both of shape [rows, longest row]."""
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


def softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponent = np.exp(shifted)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True))


class Encoder:
    """The tokenizer of an artifact: texts to the token ids that its model takes. Thread-safe.

    `sha256` is that of the tokenizer's file: rows of one encoder fit every model that names the same one.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.sha256 = manifest.files[TOKENIZER]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(manifest.max_tokens)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts that went through `app.core.text.model_text`."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]


class TokenClassifier(ABC):
    """A classifier of tokenized texts; what is left to a subclass is `_run`.

    `folder` is verified and `manifest` is its manifest. `tokens_per_call` is the most padded tokens of one call, and
    `calls` is how many may run side by side.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, backend: str, tokens_per_call: int, calls: int = 1) -> None:
        self.model = manifest.model
        self.languages = frozenset(manifest.languages)
        self.backend = backend
        self.tokens_per_call = tokens_per_call
        self.calls = calls
        self._pool = ThreadPoolExecutor(max_workers=calls, thread_name_prefix=backend)
        self._encoder = Encoder(folder, manifest)
        self.tokenizer = self._encoder.sha256

    @abstractmethod
    def _run(self, ids: Ids, mask: Ids) -> Logits:
        """Logits of shape [rows, classes]."""

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order; equal texts are computed once. Raises ClassifierError."""
        prepared = [model_text(text) for text in texts]
        distinct = list(dict.fromkeys(prepared))
        known = dict(zip(distinct, self.score(self.encode(distinct)), strict=True))
        return [known[text] for text in prepared]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts that went through `app.core.text.model_text`."""
        return self._encoder.encode(texts)

    def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
        """One prediction for each row of token ids, in order. Raises ClassifierError."""
        logits = self.logits(rows)
        if not np.isfinite(logits).all():
            raise ClassifierError(f"the model {self.model} gave a score that is not a number")
        return [self._prediction(row) for row in softmax(logits)]

    def logits(self, rows: Sequence[Sequence[int]]) -> Logits:
        """Logits of shape [rows, classes], in the order of the token rows."""
        logits = np.zeros((len(rows), len(CLASSES)), dtype=np.float32)
        lengths = [len(row) for row in rows]
        # What one call could hold is still shared among the cores.
        # The longest come first: no core works on them alone at the end.
        batches = token_batches(lengths, min(self.tokens_per_call, -(-sum(lengths) // self.calls)))
        run = map if len(batches) == 1 or self.calls == 1 else self._pool.map
        made = run(lambda batch: self._run(*padded([rows[index] for index in batch])), batches)
        for batch, found in zip(batches, made, strict=True):
            logits[batch] = found
        return logits

    def _prediction(self, probabilities: npt.NDArray[np.float64]) -> Prediction:
        negative, neutral, positive = (float(p) for p in probabilities)
        label = CLASSES[int(probabilities.argmax())]
        return Prediction(label, (negative, neutral, positive), self.model, self.backend)
