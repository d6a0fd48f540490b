"""What a larger model says about texts: probabilities for a smaller one to learn from.

Every block of texts is written as soon as it is done, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.adapters.artifact import sha256
from app.core.errors import ConfigError
from pipelines.batches import tokenize
from pipelines.objectives import load, predict

_BLOCK = 2048
_WEIGHTS = "model.safetensors"


def probabilities(logits: npt.NDArray[np.float64], offsets: Sequence[float], temperature: float) -> list[list[float]]:
    """Softmax of a checkpoint's logits as they would be without the class offsets that were folded into its head.

    A student must not learn the offsets: its own are found after its training.
    """
    plain = logits - np.asarray(offsets) / temperature
    exponent = np.exp(plain - plain.max(axis=1, keepdims=True))
    shares: list[list[float]] = (exponent / exponent.sum(axis=1, keepdims=True)).tolist()
    return shares


class Teacher:
    """A fine-tuned checkpoint, loaded from a folder. Raises ConfigError when the folder does not hold one."""

    def __init__(self, checkpoint: Path, *, max_tokens: int = 128, device: torch.device | None = None) -> None:
        if not (checkpoint / _WEIGHTS).is_file():
            raise ConfigError(f"{checkpoint} is no checkpoint: {_WEIGHTS} is missing")
        self.sha256 = sha256(checkpoint / _WEIGHTS)
        self._max_tokens = max_tokens
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
        self._model = load(AutoModelForSequenceClassification, str(checkpoint)).to(self._device)
        self._offsets, self._temperature = _calibration(checkpoint.parent / "fit.json")

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Probabilities of the classes for each text, in order."""
        rows = tokenize(texts, self._tokenizer, self._max_tokens)
        logits = predict(self._model, rows, self._tokenizer.pad_token_id, self._device)
        return probabilities(logits, self._offsets, self._temperature)


def _calibration(path: Path) -> tuple[Sequence[float], float]:
    if not path.is_file():
        return (0.0, 0.0, 0.0), 1.0
    found = json.loads(path.read_text())["calibration"]
    return found["offsets"], found["temperature"]


def taught(teacher: Teacher, texts: Sequence[str], folder: Path) -> dict[str, list[float]]:
    """The teacher's probabilities for each text; blocks that `folder` holds already are read, not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[float]] = {}
    for block in tqdm(list(_blocks(texts)), desc="teacher", unit="block", mininterval=5):
        path = folder / f"{_name(teacher.sha256, block)}.parquet"
        if not path.is_file():
            partial = path.with_suffix(".partial")
            pq.write_table(pa.table({"text": list(block), "probabilities": teacher(block)}), partial)
            partial.replace(path)
        table = pq.read_table(path)
        found |= dict(zip(table["text"].to_pylist(), table["probabilities"].to_pylist(), strict=True))
    return found


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK))


def _name(teacher: str, block: Sequence[str]) -> str:
    return hashlib.sha256("\0".join([teacher, *block]).encode()).hexdigest()[:16]
