from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import ConfigError
from pipelines.dataset import LabelledTexts, load_labelled


def _write(folder: Path, **columns: list[object]) -> Path:
    path = folder / "train.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_texts_come_as_the_model_reads_them(tmp_path: Path) -> None:
    path = _write(tmp_path, text=["@anna &amp; https://a.b c", "fine"], label=[0, 2], more=[1, 2])
    assert load_labelled(path) == LabelledTexts(("@user & http c", "fine"), (0, 2))


def test_a_repeated_text_keeps_its_last_label(tmp_path: Path) -> None:
    path = _write(tmp_path, text=["@a hi", "other", "@b hi"], label=[0, 1, 2])
    assert load_labelled(path) == LabelledTexts(("@user hi", "other"), (2, 1))
    assert len(load_labelled(path, limit=1)) == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a"]}, "text and label"),
        ({"text": ["a"], "label": [3]}, "label 3"),
        ({"text": ["a"], "label": [-1]}, "label -1"),
        ({"text": ["a"], "label": pa.array([None], pa.int64())}, "label None"),
        ({"text": pa.array([None], pa.string()), "label": [1]}, "text None"),
    ],
)
def test_bad_data_is_refused_and_named(tmp_path: Path, columns: dict[str, list[object]], said: str) -> None:
    path = _write(tmp_path, **columns)
    with pytest.raises(ConfigError, match=said) as refused:
        load_labelled(path)
    assert str(path) in str(refused.value)


def test_no_file_and_no_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        load_labelled(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_text("text,label")
    with pytest.raises(ConfigError, match="can't be read"):
        load_labelled(tmp_path / "x.parquet")


def test_the_hash_is_of_the_content() -> None:
    one = LabelledTexts(("a", "b"), (0, 1))
    assert one.sha256 == LabelledTexts(("b", "a"), (1, 0)).sha256
    assert one.sha256 != LabelledTexts(("a", "b"), (1, 0)).sha256
