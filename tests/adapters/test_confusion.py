from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from app.adapters.artifact import CONFUSION, MANIFEST, read_manifest, sha256, verify
from app.adapters.confusion import ConfusionFile, KnownErrors, LabelledSet, read_confusion, write_confusion
from app.core.errors import ModelNotFound
from tests.fakes.evaluation import artifact_folder

COUNTS = ((80, 15, 5), (10, 70, 20), (5, 15, 80))


def measured(folder: Path) -> ConfusionFile:
    """Errors of the model in a folder."""
    sets = (
        LabelledSet(name="a-set", sha256="ab", counts=COUNTS),
        LabelledSet(name="b-set", sha256="cd", counts=COUNTS),
    )
    return ConfusionFile(
        model=read_manifest(folder).model, made_at="2026-11-23T12:00:00+00:00", commit=None, weight=30.0, sets=sets
    )


def model_folder(folder: Path, weights: str = "weights") -> Path:
    """A model folder with its errors."""
    write_confusion(artifact_folder(folder, weights), measured(folder))
    return folder


def test_what_was_written_is_read_back_and_the_model_is_the_same_version(tmp_path: Path) -> None:
    folder = artifact_folder(tmp_path / "model")
    before = verify(folder)
    after = write_confusion(folder, measured(folder))
    assert read_confusion(folder) == measured(folder)
    assert after == verify(folder)
    assert after.model == before.model
    assert after.files == {**before.files, CONFUSION: sha256(folder / CONFUSION)}
    errors = measured(folder).errors
    assert [each.evaluation_set for each in errors.matrices] == ["a-set", "b-set"]
    assert (errors.matrices[0].counts, errors.weight, errors.labelled) == (COUNTS, 30.0, 0)


def test_a_folder_from_before_errors_were_measured_has_none(tmp_path: Path) -> None:
    folder = artifact_folder(tmp_path / "model")
    assert read_confusion(folder) is None
    (folder / CONFUSION).write_text("not named by the manifest")
    assert read_confusion(folder) is None


def test_an_altered_file_is_refused_like_the_rest(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / CONFUSION).write_text((folder / CONFUSION).read_text().replace("80", "81"))
    with pytest.raises(ModelNotFound, match="SHA-256 differs"):
        read_confusion(folder)
    with pytest.raises(ModelNotFound, match="SHA-256 differs"):
        verify(folder)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / CONFUSION).unlink()
    with pytest.raises(ModelNotFound, match=r"confusion\.json is missing"):
        read_confusion(folder)


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"sets": []})])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / CONFUSION).write_text(text)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][CONFUSION] = sha256(folder / CONFUSION)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelNotFound, match="holds no confusion matrices"):
        read_confusion(folder)


def test_errors_of_another_model_are_refused(tmp_path: Path) -> None:
    one, other = artifact_folder(tmp_path / "one"), artifact_folder(tmp_path / "other", "other weights")
    with pytest.raises(ModelNotFound, match=r"holds tiny-.*, and the matrices are of tiny-"):
        write_confusion(other, measured(one))
    assert read_confusion(other) is None


def test_errors_are_found_by_the_model_in_service_or_fetched(tmp_path: Path) -> None:
    served = model_folder(tmp_path / "served")
    fetched = model_folder(tmp_path / "models" / "version-2", "other weights")
    known = KnownErrors([served, tmp_path / "models", tmp_path / "not-there"])
    for folder in (served, fetched):
        assert known.of(read_manifest(folder).model) == measured(folder).errors


def test_a_model_that_is_fetched_later_is_found_then(tmp_path: Path) -> None:
    known = KnownErrors([tmp_path / "models"])
    assert known.of("tiny-00000000") is None
    folder = model_folder(tmp_path / "models" / "version-1")
    assert known.of(read_manifest(folder).model) is not None


def test_a_folder_that_does_not_verify_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = model_folder(tmp_path / "model")
    model = read_manifest(folder).model
    (folder / CONFUSION).write_text("altered")
    with caplog.at_level(logging.WARNING):
        assert KnownErrors([folder]).of(model) is None
    assert "SHA-256 differs" in caplog.text
