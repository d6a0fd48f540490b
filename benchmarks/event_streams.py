"""Recorded events as the steps that the spike detector reads, with the labels of the product's own model.

Texts are judged once by the release model (minutes) and kept in a folder of the caller's choice. As in the product, the
volume counts every message and the labels only the first of identical texts.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from app.adapters.backends import load
from app.core.text import content_hash
from app.core.types import Label

STEP: Final = timedelta(minutes=5)
_BATCH: Final = 2_000

Ints = npt.NDArray[np.int64]


def say(words: str) -> None:
    """Progress, for people."""
    print(words, file=sys.stderr, flush=True)


def labelled(data: Path, name: str, model: Path, kept: Path) -> pd.DataFrame:
    """The messages of an event in order of time: `created_at`, `text`, `negative` (bool) and `first` of its text."""
    source = data / "events" / f"{name}.parquet"
    messages = pd.read_parquet(source, columns=["created_at", "text"])
    digest = hashlib.sha256((model / "manifest.json").read_bytes() + source.read_bytes()).hexdigest()[:16]
    cache = kept / f"{name}-{digest}.parquet"
    if cache.exists():
        negative = pd.read_parquet(cache)["negative"].to_numpy()
    else:
        say(f"labelling the {len(messages):,} messages of {name}")
        negative = _judged(messages["text"].tolist(), model)
        kept.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"negative": negative}).to_parquet(cache)
    first = ~messages["text"].map(content_hash).duplicated()
    return messages.assign(negative=negative, first=first.to_numpy()).sort_values("created_at", ignore_index=True)


def _judged(texts: list[str], model: Path) -> npt.NDArray[np.bool_]:
    classifier = load(model, threads=1)
    found: list[bool] = []
    for start in range(0, len(texts), _BATCH):
        said = classifier.classify(texts[start : start + _BATCH])
        found.extend(each.label is Label.NEGATIVE for each in said)
    return np.array(found)


def counts(messages: pd.DataFrame) -> pd.DataFrame:
    """Messages, scored ones and negative ones in each step, from the first message to the last."""
    table = pd.DataFrame(
        {
            "total": 1,
            "scored": messages["first"].astype(int).to_numpy(),
            "negative": (messages["first"] & messages["negative"]).astype(int).to_numpy(),
        },
        index=pd.DatetimeIndex(messages["created_at"]),
    )
    return table.resample(STEP).sum()
