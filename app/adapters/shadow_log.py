"""What a shadow arm said beside the answer that was given, as Parquet files: for people, and for a later comparison."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from app.core.types import Prediction

Row: TypeAlias = tuple[float, str, Prediction, Prediction]
"""Unix time, key of the message, the answer that was given, the one that was not."""

_ROWS_PER_FILE = 1_000
_LONGEST_WAIT_S = 60.0


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
