from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.records import StoredMessage
from app.core.types import Bucket, Count, Label, Message, Prediction
from app.services.exports import Format, encode, messages_table, timeline_table
from app.views import Timeline

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stored(source: str, text: str = "a text") -> StoredMessage:
    message = Message(f"{source}:1", text, NOON, source, author="ann", country="GB", url="https://example.org/1")
    said = Prediction(Label.NEGATIVE, (0.7, 0.2, 0.1), "m-1", "onnx-int8")
    return StoredMessage(message, said, copies=2, content_hash="h", fetched_at=NOON, stored_at=NOON)


def rows(table: pa.Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(encode(table, Format.CSV).decode())))


@pytest.mark.parametrize("source", ["x", "x_stream", "x_search"])
def test_of_x_only_the_id_and_what_was_made_of_it_leave(source: str) -> None:
    (row,) = rows(messages_table([stored(source)]))
    assert (row["id"], row["label"], row["copies"]) == (f"{source}:1", "negative", "2")
    assert row["text"] == row["author"] == row["url"] == ""


def test_other_sources_leave_with_their_text() -> None:
    (row,) = rows(messages_table([stored("newsapi", "The strap, it burns")]))
    assert row["text"] == "The strap, it burns"
    assert float(row["probability_negative"]) == 0.7


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    (row,) = csv.DictReader(
        io.StringIO(encode(messages_table([stored("newsapi", text)]), Format.CSV).decode(), newline="")
    )
    assert not row["text"].lstrip(" \0").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert row["text"].removeprefix("'") == text.removeprefix("'")


def test_parquet_keeps_texts_and_types_as_they_are() -> None:
    table = messages_table([stored("newsapi", "=1+1")])
    assert pq.read_table(io.BytesIO(encode(table, Format.PARQUET))).equals(table)


def test_a_timeline_has_a_row_for_every_step_up_to_the_data_edge() -> None:
    bucket = Bucket(NOON, {Label.NEGATIVE: Count(5, 3), Label.POSITIVE: Count(1, 1), Label.UNSCORED: Count(2, 2)})
    end = NOON + timedelta(minutes=20)
    made = timeline_table(Timeline("e", NOON, end, 300, (bucket,), NOON + timedelta(minutes=10), version=1))
    first, second = made.to_pylist()
    assert (first["raw_negative"], first["distinct_negative"], first["raw_unscored"], first["scored"]) == (5, 3, 2, 4)
    assert first["negative_low"] < first["negative_share"] == 0.75 < first["negative_high"]
    assert (second["start"], second["raw_negative"]) == (NOON + timedelta(minutes=5), 0)
    assert second["negative_share"] is None  # nothing came: no share, not a share of nothing
