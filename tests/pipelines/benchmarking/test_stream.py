from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import ConfigError
from app.core.text import model_text
from pipelines.benchmarking.stream import FIRST, TURN, Starts, numbered
from pipelines.benchmarking.texts import base_texts, distinct, labelled_texts, read_texts

BASE = ["one", "two", "three"]


def test_texts_are_numbered_and_never_end() -> None:
    assert list(islice(numbered(BASE, FIRST), 4)) == ["one 1000000", "two 1000001", "three 1000002", "one 1000003"]


def test_no_text_comes_twice_to_the_model() -> None:
    starts = Starts(FIRST)
    texts = [
        text
        for scenario in ("a", "b")
        for pair in range(3)
        for text in islice(numbered(BASE, starts.of(scenario, pair)), 500)
    ]
    assert len({model_text(text) for text in texts}) == len(texts)


def test_both_sides_of_a_pair_get_the_same_texts() -> None:
    starts = Starts(FIRST)
    first = starts.of("a", 0)
    assert starts.of("a", 1) == first + TURN
    assert starts.of("a", 0) == first


@pytest.mark.parametrize("number", [10, 256, 1000])
def test_a_share_of_the_texts_are_copies_of_earlier_ones(number: int) -> None:
    texts = list(islice(numbered(BASE, FIRST, repeated=0.3), number))
    assert number - len(set(texts)) == int(0.3 * number)
    assert texts == list(islice(numbered(BASE, FIRST, repeated=0.3), number))


def test_files_of_texts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": BASE}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in BASE))
    (tmp_path / "a.txt").write_text("\n".join(BASE))
    for name in ("a.parquet", "a.jsonl", "a.txt"):
        assert read_texts(tmp_path / name) == BASE


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", '{"words": 1}'), ("a.jsonl", "{"), ("a.jsonl", '{"text": 1}')]
)
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=name):
        read_texts(tmp_path / name)
    with pytest.raises(ConfigError, match="is not there"):
        read_texts(tmp_path / "other")


def test_texts_that_the_model_reads_alike_count_once() -> None:
    assert distinct(["@a hi", "@b hi", " ", "ho", "hu"], 2) == ["@a hi", "ho"]


def test_without_files_the_sample_is_taken() -> None:
    texts, words = base_texts(None, None, 50)
    assert len(texts) == 50
    assert "lumen-watch-launch.jsonl" in words


def test_the_data_gives_texts_and_labels_but_no_test_set(tmp_path: Path) -> None:
    (tmp_path / "tweeteval").mkdir()
    for part, texts in (("validation", BASE), ("test", ["secret"])):
        table = pa.table({"text": texts, "label": [0, 1, 2][: len(texts)]})
        pq.write_table(table, tmp_path / "tweeteval" / f"{part}.parquet")
    assert base_texts(None, tmp_path, 10)[0] == BASE
    labelled = labelled_texts(tmp_path, 2)
    assert (labelled.texts, labelled.labels) == (["one", "two"], [0, 1])
    assert labelled_texts(None, None).texts == ()


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(ConfigError, match="holds no text"):
        base_texts(tmp_path / "a.txt", None, 10)
