from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.adapters.artifact import verify
from app.adapters.onnx import OnnxClassifier
from pipelines.export import export
from tests.fakes.tiny_model import texts, write_base


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_a_checkpoint_becomes_an_artifact_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = texts()
    for part in ("validation", "test"):
        table = pa.table({"text": list(labelled.texts), "label": list(labelled.labels)})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    out = tmp_path / "artifact"
    manifest = export(write_base(tmp_path / "base"), tmp_path, out, "tiny")
    assert verify(out) == manifest
    assert {path.name for path in out.iterdir()} == {"manifest.json", "model.onnx", "tokenizer.json", "README.md"}
    assert set(manifest.scores) == {"validation_macro_recall", "test_macro_recall"}
    assert manifest.model in (out / "README.md").read_text()
    assert "agreement" in capsys.readouterr().out
    predictions = OnnxClassifier(out).classify(["a good day", "", "it is awful " * 400])
    assert [prediction.model for prediction in predictions] == [manifest.model] * 3
