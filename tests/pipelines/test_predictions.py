from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.core.errors import ConfigError
from pipelines.predictions import read_answers, text_sha256, write_predictions
from tests.fakes.evaluation import WordClassifier, contestant, labelled_set

SETS = (labelled_set("one", 6), labelled_set("two", 3))
OTHERS = ("a good test", "lone \ud800 surrogate")
TEXTS = [*SETS[0].texts, *SETS[1].texts, *OTHERS]
ANSWERS = dict(zip(TEXTS, WordClassifier().classify(TEXTS), strict=True))


def test_every_example_is_written_without_its_text(tmp_path: Path) -> None:
    path = write_predictions(tmp_path, contestant("a/b 1"), SETS, OTHERS, ANSWERS)
    assert path == tmp_path / "predictions" / "a_b_1.parquet"
    rows = pq.read_table(path).to_pylist()
    assert [(row["set"], row["row"]) for row in rows[5:8]] == [("one", 5), ("two", 0), ("two", 1)]
    assert [row["label"] for row in rows] == [*SETS[0].labels, *SETS[1].labels, None, None]
    assert [row["text_sha256"] for row in rows] == [text_sha256(text) for text in TEXTS]
    assert [value for row in rows for value in row.values() if value in TEXTS] == []


def test_answers_of_the_same_files_are_read_back(tmp_path: Path) -> None:
    write_predictions(tmp_path, contestant(fingerprint="f1"), SETS, OTHERS, ANSWERS)
    found = read_answers(tmp_path, contestant(fingerprint="f1"))
    assert found == {text_sha256(text): answer for text, answer in ANSWERS.items()}


@pytest.mark.parametrize("other", [None, "f2"])
def test_answers_of_other_files_are_not(tmp_path: Path, other: str | None) -> None:
    write_predictions(tmp_path, contestant(fingerprint="f1"), SETS, OTHERS, ANSWERS)
    write_predictions(tmp_path, contestant("no-print"), SETS, OTHERS, ANSWERS)
    assert read_answers(tmp_path, contestant(fingerprint=other)) == {}


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "x.parquet").write_text("no")
    with pytest.raises(ConfigError, match=r"x\.parquet can't be read"):
        read_answers(tmp_path, contestant(fingerprint="f1"))
