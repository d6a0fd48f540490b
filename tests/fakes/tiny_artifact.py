"""A checkpoint of the tiny model, the data an export reads, and the artifact made of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.adapters.artifact import Manifest
from pipelines.export import Recipe, export
from pipelines.parity import Limits, Timing
from tests.fakes.tiny_model import texts, write_base

# The weights are random and a few thousand: nobody expects that int8 makes them faster or leaves every label.
ANYTHING = Limits(agreement=0.0, recall_loss=100.0, speed=0.0)
QUICK = Timing(pairs=7, texts=8)


def recipe(**changes: Any) -> Recipe:
    """An export that accepts everything, unless told otherwise."""
    return Recipe(**({"limits": ANYTHING, "timing": QUICK} | changes))


def write_data(folder: Path, parts: tuple[str, ...] = ("train", "validation", "semeval2016_devtest")) -> Path:
    """A data folder with tweeteval/ in it."""
    labelled = texts()
    (folder / "tweeteval").mkdir(parents=True)
    for part in parts:
        table = pa.table({"text": list(labelled.texts), "label": list(labelled.labels)})
        pq.write_table(table, folder / "tweeteval" / f"{part}.parquet")
    return folder


def write_artifact(folder: Path, **changes: Any) -> Manifest:
    """The artifact in `folder`/artifact; checkpoint and data lie beside it."""
    checkpoint, data = folder / "run" / "best", folder / "data"
    if not checkpoint.is_dir():
        write_base(checkpoint)
        write_data(data)
    return export(checkpoint, data, folder / "artifact", "tiny", recipe(**changes))
