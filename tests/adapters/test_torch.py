from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.adapters.artifact import CONFIG, WEIGHTS, verify, write_manifest
from app.adapters.onnx import OnnxClassifier
from app.adapters.torch import TorchClassifier
from app.core.errors import ModelNotFound
from tests.fakes.tiny_artifact import write_artifact
from tests.fakes.tiny_model import texts

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor"),
]
TEXTS = [*texts().texts, "", "it is awful " * 400, "good"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing in it is rounded: what torch and ONNX say may differ in the last digits only."""
    folder = tmp_path_factory.mktemp("torch")
    write_artifact(folder, quantisation="fp32", weights="fp32")
    return folder / "artifact"


@pytest.fixture
def copy(artifact: Path, tmp_path: Path) -> Path:
    """An artifact to damage."""
    return Path(shutil.copytree(artifact, tmp_path / "copy"))


def sign(folder: Path) -> None:
    """A manifest that fits what lies in the folder, as somebody would write who knows the layout."""
    write_manifest(folder, name="tiny", max_tokens=64, scores={}, provenance={})


def test_it_says_what_onnx_says(artifact: Path) -> None:
    by_torch, by_onnx = TorchClassifier(artifact, device="cpu"), OnnxClassifier(artifact)
    assert (by_torch.model, by_torch.languages) == (by_onnx.model, by_onnx.languages)
    for one, other in zip(by_torch.classify(TEXTS), by_onnx.classify(TEXTS), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert (one.label, one.model) == (other.label, other.model)
        assert (one.backend, other.backend) == ("torch-fp32", "onnx-fp32")


def test_bf16_weights_compute_in_bf16(copy: Path) -> None:
    exact = TorchClassifier(copy, device="cpu").classify(TEXTS)
    save_file({name: tensor.bfloat16() for name, tensor in load_file(copy / WEIGHTS).items()}, copy / WEIGHTS)
    sign(copy)
    rounded = TorchClassifier(copy, device="cpu").classify(TEXTS)
    assert {prediction.backend for prediction in rounded} == {"torch-bf16"}
    for one, other in zip(rounded, exact, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)


@pytest.mark.parametrize("tokens_per_call", [40, 100_000])
def test_batches_change_nothing(artifact: Path, tokens_per_call: int) -> None:
    expected = TorchClassifier(artifact, device="cpu").classify(TEXTS)
    found = TorchClassifier(artifact, device="cpu", tokens_per_call=tokens_per_call).classify(TEXTS)
    assert [prediction.label for prediction in found] == [prediction.label for prediction in expected]


def test_nothing_gives_nothing(artifact: Path) -> None:
    assert TorchClassifier(artifact, device="cpu").classify([]) == []


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_an_artifact_for_the_cpu_alone_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    sign(copy)
    with pytest.raises(ModelNotFound, match=f"holds no {name}"):
        TorchClassifier(copy, device="cpu")


def test_an_unsigned_file_is_not_read(copy: Path) -> None:
    weights = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).unlink()
    sign(copy)
    (copy / WEIGHTS).write_bytes(weights)
    assert WEIGHTS not in verify(copy).files
    with pytest.raises(ModelNotFound, match=f"holds no {WEIGHTS}"):
        TorchClassifier(copy, device="cpu")


def test_tampered_weights_are_refused(copy: Path) -> None:
    content = bytearray((copy / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (copy / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelNotFound, match="SHA-256 differs"):
        TorchClassifier(copy, device="cpu")


def test_weights_of_another_architecture_are_refused(copy: Path) -> None:
    config = json.loads((copy / CONFIG).read_text())
    (copy / CONFIG).write_text(json.dumps(config | {"intermediate_size": 48}))
    sign(copy)
    with pytest.raises(ModelNotFound, match=r"does not fit config\.json"):
        TorchClassifier(copy, device="cpu")


def test_other_precisions_are_refused(copy: Path) -> None:
    save_file({"weight": torch.zeros(2, dtype=torch.int8)}, copy / WEIGHTS)
    sign(copy)
    with pytest.raises(ModelNotFound, match=r"holds torch\.int8: expected bf16 or fp32"):
        TorchClassifier(copy, device="cpu")
