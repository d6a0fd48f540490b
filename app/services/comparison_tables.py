"""A comparison as tables to take along: its sides, and the points of its chart."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from app.core.types import CLASSES, Count, Label
from app.services.aligned import aligned
from app.services.comparison import Comparison, Side
from app.services.exports import TIME, share_columns, share_fields


def sides_table(found: Comparison) -> pa.Table:
    """A row a side.

    Columns: number, name, event, start, end, source, country, `raw_*` and `distinct_*` for each label; for each class
    its share (0..1, 95 %), corrected where `corrected` says so, and `classified_*`, the share as the model gave it;
    `against_first_*`, how far each share lies above that of the first side; its verdict for the negative share;
    distinct messages per_hour, and the share of voice.
    """
    rows = [_side(number, side) for number, side in enumerate(found.sides, start=1)]
    schema = pa.schema(
        [
            ("number", pa.int64()),
            ("name", pa.string()),
            ("event", pa.string()),
            ("start", TIME),
            ("end", TIME),
            ("source", pa.string()),
            ("country", pa.string()),
            *((f"raw_{label}", pa.int64()) for label in Label),
            *((f"distinct_{label}", pa.int64()) for label in Label),
            ("corrected", pa.bool_()),
            *(field for label in CLASSES for field in share_fields(label)),
            *(field for label in CLASSES for field in share_fields(f"classified_{label}")),
            *(
                (f"against_first_{label}_{part}", pa.float64())
                for label in CLASSES
                for part in ("points", "low", "high")
            ),
            ("verdict", pa.string()),
            ("per_hour", pa.float64()),
            *share_fields("voice"),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _side(number: int, side: Side) -> dict[str, Any]:
    counts = {label: side.counts.get(label, Count()) for label in Label}
    row: dict[str, Any] = {
        "number": number,
        "name": side.name,
        "event": side.event_id,
        "start": side.start,
        "end": side.end,
        "source": side.source,
        "country": side.country,
        "corrected": side.correction.corrected,
        "per_hour": side.per_hour,
    }
    row |= {f"raw_{label}": count.raw for label, count in counts.items()}
    row |= {f"distinct_{label}": count.distinct for label, count in counts.items()}
    for label in CLASSES:
        row |= share_columns(label, side.shares.get(label))
        row |= share_columns(f"classified_{label}", side.classified.get(label))
        if told := side.differences.get(label):
            name = f"against_first_{label}"
            row |= {f"{name}_points": 100 * told.value, f"{name}_low": 100 * told.low, f"{name}_high": 100 * told.high}
    if told := side.differences.get(Label.NEGATIVE):
        row["verdict"] = told.verdict
    return row | share_columns("voice", side.voice)


def steps_table(found: Comparison) -> pa.Table:
    """A row a point of the chart of each side that has messages.

    Columns: number and name of the side, after_s (seconds after that from which all are counted), start, step_s,
    distinct messages and those per_hour, scored (what the share rests on), `classified_negative_*` (the share as
    classified, 0..1, with its 95 % sampling error).
    """
    drawn = aligned(found)
    rows = [
        {
            "number": number,
            "name": side.name,
            "after_s": point.at_s,
            "start": point.start,
            "step_s": drawn.step_s,
            "distinct": point.distinct,
            "per_hour": point.per_hour,
            "scored": point.scored,
            **share_columns("classified_negative", point.negative),
        }
        for number, (side, points) in enumerate(zip(found.sides, drawn.sides, strict=True), start=1)
        for point in points
    ]
    schema = pa.schema(
        [
            ("number", pa.int64()),
            ("name", pa.string()),
            ("after_s", pa.int64()),
            ("start", TIME),
            ("step_s", pa.int64()),
            ("distinct", pa.int64()),
            ("per_hour", pa.float64()),
            ("scored", pa.int64()),
            *share_fields("classified_negative"),
        ]
    )
    return pa.Table.from_pylist(rows, schema)
