"""The answers behind an evaluation, example by example, as Parquet: for pairing models and for finding errors.

The data sets may not be passed on, so a file holds the hash of each text and not the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.core.errors import ConfigError
from app.core.types import CLASSES, Prediction
from pipelines.contestants import Contestant
from pipelines.corpora import EvaluationSet
from pipelines.results import file_name

FOLDER = "predictions"
_FINGERPRINT = b"eventpulse.fingerprint"
_SCHEMA = pa.schema(
    [
        ("set", pa.string()),
        ("row", pa.int32()),
        ("text_sha256", pa.string()),
        ("label", pa.int8()),
        ("predicted", pa.int8()),
        *((name.value, pa.float64()) for name in CLASSES),
        ("model", pa.string()),
        ("backend", pa.string()),
    ]
)


def text_sha256(text: str) -> str:
    """What a text is known by where it may not be kept. Lone surrogates are hashed too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_predictions(
    out: Path,
    contestant: Contestant,
    sets: Sequence[EvaluationSet],
    others: Sequence[str],
    answers: Mapping[str, Prediction],
) -> Path:
    """Write the answers to every row of the sets, and to `others`, which have no label; gives the file's path."""
    rows = [*_rows(sets, answers), *_unlabelled(others, answers)]
    metadata = {_FINGERPRINT: contestant.fingerprint.encode()} if contestant.fingerprint else None
    path = out / FOLDER / f"{file_name(contestant.name)}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata(metadata))
    pq.write_table(table, path, compression="zstd")
    return path


def read_answers(out: Path, contestant: Contestant) -> dict[str, Prediction]:
    """Earlier answers of the same model files, by `text_sha256`; empty when there are none.

    Raises ConfigError, naming the file, when one can't be read.
    """
    found: dict[str, Prediction] = {}
    for path in sorted((out / FOLDER).glob("*.parquet")):
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise ConfigError(f"{path} can't be read as predictions: {error}") from error
        given = (table.schema.metadata or {}).get(_FINGERPRINT, b"").decode()
        if contestant.fingerprint and given == contestant.fingerprint:
            found |= {row["text_sha256"]: _prediction(row) for row in table.to_pylist()}
    return found


def _rows(sets: Sequence[EvaluationSet], answers: Mapping[str, Prediction]) -> Iterator[dict[str, Any]]:
    for each in sets:
        for row, (text, label) in enumerate(zip(each.texts, each.labels, strict=True)):
            yield {"set": each.name, "row": row, "label": label, **_fields(text, answers[text])}


def _unlabelled(texts: Sequence[str], answers: Mapping[str, Prediction]) -> Iterator[dict[str, Any]]:
    for row, text in enumerate(texts):
        yield {"set": "behaviour", "row": row, "label": None, **_fields(text, answers[text])}


def _fields(text: str, answer: Prediction) -> dict[str, Any]:
    return {
        "text_sha256": text_sha256(text),
        "predicted": CLASSES.index(answer.label),
        **{name.value: answer.probabilities[i] for i, name in enumerate(CLASSES)},
        "model": answer.model,
        "backend": answer.backend,
    }


def _prediction(row: dict[str, Any]) -> Prediction:
    negative, neutral, positive = (float(row[name.value]) for name in CLASSES)
    return Prediction(CLASSES[row["predicted"]], (negative, neutral, positive), row["model"], row["backend"])
