from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import onnx
import pytest
from onnx.helper import make_node
from safetensors.torch import load_file

from app.adapters.artifact import CONFIG, MANIFEST, ONNX, PARITY, TOKENIZER, WEIGHTS, sha256, verify
from app.adapters.onnx import OnnxClassifier
from app.adapters.tokens import Ids
from app.core.errors import ConfigError, ModelNotFound
from pipelines import export as exporting
from pipelines.export import ExportRefused, export, main, portable
from pipelines.parity import Limits
from tests.fakes.tiny_artifact import recipe, write_artifact, write_data
from tests.fakes.tiny_model import write_base

# What torch says of the exporter that is used: the newer one takes 16 s instead of 2.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint, data and the artifact of both. Tests leave them as they are."""
    folder = tmp_path_factory.mktemp("export")
    write_base(folder / "run" / "best")
    fit = {"plan": {"base": "/home/somebody/bases/tiny", "max_tokens": 16}, "histories": {"sentiment": [1, 2]}}
    (folder / "run" / "fit.json").write_text(json.dumps(fit))
    write_data(folder / "data")
    write_artifact(folder, licence="Apache-2.0")
    return folder


def invert(source: Path, target: Path, batches: Iterable[tuple[Ids, Ids]]) -> None:
    """A quantisation that gets every label wrong."""
    model = onnx.load(source)
    next(node for node in model.graph.node if "logits" in node.output).output[0] = "right"
    model.graph.node.append(make_node("Neg", ["right"], ["logits"]))
    onnx.save(model, target)
    assert list(batches)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_checkpoint_becomes_an_artifact_that_loads(home: Path) -> None:
    folder = home / "artifact"
    manifest = verify(folder)
    assert {path.name for path in folder.iterdir()} == {MANIFEST, *manifest.files}
    assert set(manifest.files) == {ONNX, TOKENIZER, WEIGHTS, CONFIG, PARITY}
    predictions = OnnxClassifier(folder).classify(["a good day", "", "it is awful " * 400])
    assert [prediction.model for prediction in predictions] == [manifest.model] * 3
    assert {prediction.backend for prediction in predictions} == {"onnx-int8"}


def test_the_manifest_says_what_was_measured_and_where_it_comes_from(home: Path) -> None:
    manifest = verify(home / "artifact")
    assert manifest.scores.keys() == {"validation_macro_recall", "devtest_macro_recall"}
    assert manifest.parity.keys() == {"agreement", "recall_loss", "speed"}
    assert (manifest.precision, manifest.max_tokens) == ("int8", 16)
    assert manifest.provenance["base"] == "bases/tiny"
    assert manifest.provenance["licence"] == "Apache-2.0"
    assert manifest.provenance["parameters"].isdigit()
    assert json.loads(manifest.provenance["fit"]) == {"plan": {"base": "bases/tiny", "max_tokens": 16}}


def test_the_report_covers_both_sets_and_the_gpu_weights(home: Path) -> None:
    report = json.loads((home / "artifact" / PARITY).read_text())
    assert report["sets"].keys() == {"validation", "devtest"}
    assert report["weights"]["n"] == report["pooled"]["n"] == 2 * report["sets"]["validation"]["n"]
    assert report["speed"]["pairs"] == 7
    assert report["failures"] == []


def test_gpu_weights_are_those_of_the_checkpoint(home: Path) -> None:
    made, given = load_file(home / "artifact" / WEIGHTS), load_file(home / "run" / "best" / "model.safetensors")
    assert made.keys() == given.keys()
    assert {str(tensor.dtype) for tensor in made.values()} == {"torch.bfloat16"}
    assert all(made[name].equal(tensor.bfloat16()) for name, tensor in given.items())


def test_no_folder_of_this_machine_is_in_the_artifact(home: Path) -> None:
    text = b"".join(contents(home / "artifact").values())
    assert str(home).encode() not in text
    assert b"/home/somebody" not in text


def test_fp32_without_gpu_weights_keeps_every_label(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "exact"
    checkpoint, data = str(home / "run" / "best"), str(home / "data")
    flags = ["--checkpoint", checkpoint, "--data", data, "--out", str(out), "--name", "exact"]
    assert main([*flags, "--quantisation", "fp32", "--weights", "none"]) == 0
    told = json.loads(capsys.readouterr().out)
    manifest = verify(out)
    assert told["model"] == manifest.model
    assert (manifest.precision, manifest.parity["agreement"], manifest.parity["recall_loss"]) == ("fp32", 1.0, 0.0)
    assert set(manifest.files) == {ONNX, TOKENIZER, PARITY}
    assert OnnxClassifier(out).classify(["a day"])[0].backend == "onnx-fp32"


def test_a_bad_quantisation_is_refused_and_the_target_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "served"
    export(home / "run" / "best", home / "data", out, "tiny", recipe(weights="none"))
    before = contents(out)
    monkeypatch.setattr(exporting, "quantise", invert)
    checkpoint, data = str(home / "run" / "best"), str(home / "data")
    assert main(["--checkpoint", checkpoint, "--data", data, "--out", str(out), "--weights", "none"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["pooled"]["agreement"]["value"] < 0.5
    assert "export: the label of fp32 on " in printed.err
    assert contents(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"served"}


def test_a_refused_first_export_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "quantise", invert)
    strict = recipe(weights="none", limits=Limits(speed=0.0))
    with pytest.raises(ExportRefused, match="Nothing was written") as refused:
        export(home / "run" / "best", home / "data", tmp_path / "new", "tiny", strict)
    assert refused.value.report.failures
    assert list(tmp_path.iterdir()) == []


def test_an_export_replaces_the_model_and_its_card(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "served"
    first = export(home / "run" / "best", home / "data", out, "tiny", recipe(weights="none"))
    (out / "README.md").write_text("the card of the first")
    second = export(write_base(tmp_path / "other", seed=7), home / "data", out, "tiny", recipe(weights="none"))
    assert first.version != second.version
    assert verify(out) == second
    assert not (out / "README.md").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"served", "other"}


def test_a_folder_that_is_no_model_is_not_overwritten(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="holds no model"):
        export(home / "run" / "best", home / "data", tmp_path, "tiny", recipe())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("part", ["train", "validation"])
def test_data_that_is_missing_is_named(home: Path, tmp_path: Path, part: str) -> None:
    data = write_data(tmp_path / "data", tuple({"train", "validation"} - {part}))
    with pytest.raises(ConfigError, match=rf"{part}\.parquet is not there"):
        export(home / "run" / "best", data, tmp_path / "new", "tiny", recipe())


def test_the_devtest_may_be_missing_and_the_test_set_is_not_read(home: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ("train", "validation"))
    (data / "tweeteval" / "test.parquet").write_bytes(b"whoever reads me fails")
    manifest = export(home / "run" / "best", data, tmp_path / "new", "tiny", recipe(weights="none"))
    assert manifest.scores.keys() == {"validation_macro_recall"}


def test_what_is_no_checkpoint_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "new")
    assert main(["--checkpoint", str(tmp_path / "none"), "--data", str(home / "data"), "--out", out]) == 1
    assert "holds no config.json" in capsys.readouterr().err


def test_other_classes_are_refused(home: Path, tmp_path: Path) -> None:
    checkpoint = write_base(tmp_path / "base")
    config = json.loads((checkpoint / CONFIG).read_text())
    (checkpoint / CONFIG).write_text(
        json.dumps(config | {"id2label": {"0": "positive", "1": "neutral", "2": "negative"}})
    )
    with pytest.raises(ConfigError, match="has the classes positive, neutral, negative"):
        export(checkpoint, home / "data", tmp_path / "new", "tiny", recipe())


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, PARITY])
def test_a_tampered_file_is_refused_whoever_loads_it(home: Path, tmp_path: Path, name: str) -> None:
    for path in (home / "artifact").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(contents(tmp_path)[name] + b" ")
    assert sha256(tmp_path / name) != verify(home / "artifact").files[name]
    with pytest.raises(ModelNotFound, match=f"{name} is not the file"):
        OnnxClassifier(tmp_path)


def test_paths_become_portable() -> None:
    assert portable({"a": {"teacher": "/x/y/runs/best"}, "n": 3, "b": "name"}) == {
        "a": {"teacher": "runs/best"},
        "n": 3,
        "b": "name",
    }
