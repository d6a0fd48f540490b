from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.artifact import CONFIG, MANIFEST, ONNX, PARITY, TOKENIZER, WEIGHTS, sha256, verify, write_manifest
from app.core.errors import ModelNotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that verifies; its weights are no model."""
    (tmp_path / ONNX).write_bytes(b"weights")
    (tmp_path / TOKENIZER).write_text("{}")
    write_manifest(tmp_path, name="tiny", max_tokens=64, scores={"test_macro_recall": 0.5}, provenance={"base": "b"})
    return tmp_path


def _edit(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def test_what_was_written_is_read_back(folder: Path) -> None:
    manifest = verify(folder)
    assert manifest.model == f"tiny-{sha256(folder / ONNX)[:8]}"
    assert manifest.classes == ("negative", "neutral", "positive")
    assert (manifest.max_tokens, manifest.scores, manifest.provenance) == (
        64,
        {"test_macro_recall": 0.5},
        {"base": "b"},
    )
    assert set(manifest.files) == {ONNX, TOKENIZER}


def test_weights_for_the_gpu_and_the_report_are_hashed_where_they_lie(folder: Path) -> None:
    for name in (WEIGHTS, CONFIG, PARITY):
        (folder / name).write_text(name)
    parity = {"agreement": 0.995}
    write_manifest(folder, name="t", max_tokens=64, scores={}, provenance={}, precision="fp32", parity=parity)
    manifest = verify(folder)
    assert set(manifest.files) == {ONNX, TOKENIZER, WEIGHTS, CONFIG, PARITY}
    assert (manifest.precision, manifest.parity) == ("fp32", parity)
    for name in (WEIGHTS, CONFIG, PARITY):
        (folder / name).write_text("other")
        with pytest.raises(ModelNotFound, match=f"{name} is not the file"):
            verify(folder)
        (folder / name).write_text(name)


def test_a_manifest_from_before_parity_was_measured_still_loads(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["precision"], manifest["parity"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert (verify(folder).precision, verify(folder).parity) == ("int8", {})


def test_a_card_and_its_pictures_are_no_part_of_the_model(folder: Path) -> None:
    before = verify(folder)
    (folder / "README.md").write_text("a card")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "confusion.png").write_bytes(b"picture")
    assert verify(folder) == before


def test_other_weights_are_another_version(folder: Path) -> None:
    before = verify(folder).version
    (folder / ONNX).write_bytes(b"other weights")
    write_manifest(folder, name="tiny", max_tokens=64, scores={}, provenance={})
    assert verify(folder).version != before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "EVENTPULSE_MODEL_DIR"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "is not a model manifest"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "is not a model manifest"),
        (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), "is not a model manifest"),
        (lambda folder: _edit(folder, surprise=1), "is not a model manifest"),
        (lambda folder: _edit(folder, classes=["positive", "neutral", "negative"]), "of a model with the classes"),
        (lambda folder: (folder / ONNX).unlink(), "model.onnx is missing"),
        (lambda folder: (folder / TOKENIZER).unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / ONNX).write_bytes(b"weights!"), "model.onnx is not the file"),
        (lambda folder: (folder / TOKENIZER).write_text("{ }"), "tokenizer.json is not the file"),
    ],
)
def test_damage_is_refused_and_named(folder: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(folder)
    with pytest.raises(ModelNotFound, match=said) as refused:
        verify(folder)
    assert str(folder) in str(refused.value)


def test_a_manifest_that_leaves_out_the_weights_is_refused(folder: Path) -> None:
    _edit(folder, files={})
    with pytest.raises(ModelNotFound):
        verify(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="is not there"):
        verify(tmp_path / "none")
