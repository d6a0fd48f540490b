"""What a shadow arm said beside the answer that was given, as Parquet files: for people, and for a later comparison."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from app.core.types import Prediction

Row: TypeAlias = tuple[float, str, Prediction, Prediction]
"""Unix time, key of the message, the answer that was given, the one that was not."""

_ROWS_PER_FILE = 1_000
_LONGEST_WAIT_S = 60.0
_FILES_LOOKED_AT = 200


def shadow_folder(state_dir: Path) -> Path:
    """Where a state folder keeps the log."""
    return state_dir / "lake" / "shadow"


class ShadowLog:
    """Appends to a folder, one file for a thousand rows or a minute of them; `flush` writes what is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[Row] = []

    def append(self, rows: Sequence[Row]) -> None:
        """Take rows."""
        self._rows.extend(rows)
        if len(self._rows) >= _ROWS_PER_FILE or (self._rows and self._rows[-1][0] - self._rows[0][0] > _LONGEST_WAIT_S):
            self.flush()

    def flush(self) -> None:
        """Write what has been taken; a file appears whole or not at all."""
        if not self._rows:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        columns: dict[str, list[object]] = {"at": [row[0] for row in self._rows], "key": [row[1] for row in self._rows]}
        for name, said in (("answer", [row[2] for row in self._rows]), ("shadow", [row[3] for row in self._rows])):
            columns[f"{name}_arm"] = [each.arm for each in said]
            columns[f"{name}_model"] = [each.model for each in said]
            columns[f"{name}_backend"] = [each.backend for each in said]
            columns[f"{name}_label"] = [str(each.label) for each in said]
            columns[f"{name}_probabilities"] = [list(each.probabilities) for each in said]
        path = self._folder / f"{uuid.uuid4().hex}.parquet"
        partial = path.with_suffix(".partial")
        pq.write_table(pa.table(columns), partial)
        partial.replace(path)
        self._rows = []


def disagreements(folder: Path) -> dict[str, float]:
    """The messages on which two models said different things, by their key, the latest first.

    The value is how far apart the probabilities were (total variation distance, 0 to 1). Only the newest 200 files are
    looked at: at most 200,000 messages, at least the last three hours of a busy router. Without a log there are none.
    """
    files = sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    found: dict[str, float] = {}
    for path in files[:_FILES_LOOKED_AT]:
        for key, apart in _differing(path):
            found.setdefault(key, apart)
    return found


@lru_cache(maxsize=2 * _FILES_LOOKED_AT)
def _differing(path: Path) -> tuple[tuple[str, float], ...]:
    """(key, distance) of a file, the latest first. A file never changes once it is there."""
    names = ("key", "answer_label", "shadow_label", "answer_probabilities", "shadow_probabilities")
    rows = pq.read_table(path, columns=list(names)).to_pylist()
    return tuple(
        (row["key"], sum(map(_gap, row["answer_probabilities"], row["shadow_probabilities"])) / 2)
        for row in reversed(rows)
        if row["answer_label"] != row["shadow_label"]
    )


def _gap(answer: float, shadow: float) -> float:
    return abs(answer - shadow)
