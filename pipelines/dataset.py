"""Training data: labelled texts from Parquet, cleaned the way the model will meet them, with a content hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from app.core.errors import ConfigError
from app.core.text import model_text
from app.core.types import CLASSES


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts as the model reads them and their class indices, in the order of `app.core.types.CLASSES`."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sha256(self) -> str:
        """A hash of every text and label; equal data in any order has an equal hash."""
        rows = sorted(f"{label}\t{text}" for text, label in zip(self.texts, self.labels, strict=True))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def load_labelled(path: Path, *, limit: int | None = None) -> LabelledTexts:
    """Read the columns `text` and `label` (0 negative, 1 neutral, 2 positive) of a Parquet file.

    Repeated texts are kept once, with their last label. Raises ConfigError, naming the file, when it is not there,
    lacks a column or holds a label that is not a class or a text that is none.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not there: give a Parquet file with the columns text and label")
    try:
        table = pq.read_table(path, columns=["text", "label"])
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"{path} can't be read as Parquet with the columns text and label: {error}") from error
    labelled: dict[str, int] = {}
    for text, label in zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True):
        if label not in range(len(CLASSES)):
            raise ConfigError(f"{path} holds the label {label!r}: expected 0, 1 or 2")
        if not isinstance(text, str):
            raise ConfigError(f"{path} holds the text {text!r}: expected a string")
        labelled[model_text(text)] = int(label)
    rows = list(labelled.items())[:limit]
    return LabelledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows))
