"""The CPU classifier: ONNX Runtime and tokenizers, without torch or transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from app.adapters.artifact import ONNX, TOKENIZER, verify
from app.core.errors import ClassifierError
from app.core.text import model_text
from app.core.types import CLASSES, Prediction

# Padded tokens in one call of the runtime: long enough to fill the cores, short enough to stay in the cache.
_TOKENS_PER_CALL = 1024


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of rows of similar length, at least one a batch, whose padded size stays within `budget` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponent = np.exp(shifted)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True))


class OnnxClassifier:
    """A verified artifact, loaded. Raises ModelNotFound when the folder does not hold one. Thread-safe."""

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        manifest = verify(folder)
        self.model = manifest.model
        self.languages = frozenset(manifest.languages)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(manifest.max_tokens)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would starve the pipeline that feeds this replica from the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order; equal texts are computed once. Raises ClassifierError."""
        prepared = [model_text(text) for text in texts]
        distinct = list(dict.fromkeys(prepared))
        known = dict(zip(distinct, self._predict(distinct), strict=True))
        return [known[text] for text in prepared]

    def _predict(self, texts: list[str]) -> list[Prediction]:
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        logits = np.zeros((len(rows), len(CLASSES)), dtype=np.float32)
        for batch in token_batches([len(row) for row in rows], _TOKENS_PER_CALL):
            logits[batch] = self._run([rows[index] for index in batch])
        if not np.isfinite(logits).all():
            raise ClassifierError(f"the model {self.model} gave a score that is not a number")
        return [self._prediction(row) for row in softmax(logits)]

    def _run(self, rows: list[list[int]]) -> npt.NDArray[np.float32]:
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(logits, dtype=np.float32)

    def _prediction(self, probabilities: npt.NDArray[np.float64]) -> Prediction:
        negative, neutral, positive = (float(p) for p in probabilities)
        label = CLASSES[int(probabilities.argmax())]
        return Prediction(label, (negative, neutral, positive), self.model, "onnx-int8")
