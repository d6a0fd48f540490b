"""The lake: Parquet files of what batch runs read, one folder a run, complete when its manifest is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One batch run of an event. Readers skip a folder without a manifest: its run was cut off."""

    folder: Path

    @classmethod
    def begin(cls, lake: Path, event_id: str, now: datetime) -> Run:
        """Make the folder of a run that starts now."""
        run = cls(lake / f"event={event_id}" / f"run={now:%Y%m%dT%H%M%S.%f}Z")
        run.data.mkdir(parents=True)
        return run

    @property
    def data(self) -> Path:
        """Where the Parquet files go."""
        return self.folder / "data"

    def batches(self, rows: int) -> Iterator[list[dict[str, Any]]]:
        """The rows in files' order, at most so many at once; nothing when nothing was written."""
        for batch in ds.dataset(self.data, format="parquet").to_batches(batch_size=rows):
            if batch.num_rows:
                yield batch.to_pylist()

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Declare the run complete; the manifest appears whole or not at all."""
        partial = self.folder / f"{MANIFEST}.partial"
        partial.write_text(json.dumps(dict(manifest), indent=2) + "\n")
        partial.replace(self.folder / MANIFEST)


def complete_runs(lake: Path, event_id: str) -> list[Run]:
    """The complete runs of an event, oldest first."""
    return [Run(path.parent) for path in sorted((lake / f"event={event_id}").glob(f"run=*/{MANIFEST}"))]
