"""The backends by name: each says what ONNX Runtime says in full precision, or why it can't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import BertPreTrainedModel

from app.adapters import torch as torch_adapter
from app.adapters.artifact import verify
from app.adapters.backends import BACKENDS, Backend, load
from app.adapters.onnx import OnnxClassifier
from app.adapters.torch import TorchClassifier, make_model
from app.core.errors import ConfigError, ModelNotFound
from tests.fakes.tiny_artifact import write_artifact
from tests.fakes.tiny_model import texts

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor"),
]
TEXTS = [*texts(12).texts, "", "it is awful " * 400, "good", "Good 😀 @anna https://a.example/1", "good"]
OF_THE_CPU: list[Backend] = ["onnx", "openvino", "torch-cpu"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In full precision, with both kinds of weights."""
    folder = tmp_path_factory.mktemp("backends")
    write_artifact(folder, quantisation="fp32", weights="fp32")
    return folder / "artifact"


def made(artifact: Path, backend: Backend) -> Any:
    if backend == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    return load(artifact, backend, threads=1)


@pytest.fixture
def threads_of_torch() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_of_torch")
@pytest.mark.parametrize("backend", OF_THE_CPU)
def test_each_says_what_onnx_says(artifact: Path, backend: Backend) -> None:
    classifier, manifest = made(artifact, backend), verify(artifact)
    assert classifier.backend == {"torch-cpu": "torch-fp32"}.get(backend, f"{backend}-fp32")
    assert (classifier.model, classifier.languages) == (manifest.model, {"en"})
    expected = OnnxClassifier(artifact).classify(TEXTS)
    for one, other in zip(classifier.classify(TEXTS), expected, strict=True):
        assert one.label is other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert (one.model, one.backend) == (other.model, classifier.backend)


@pytest.mark.usefixtures("threads_of_torch")
@pytest.mark.parametrize("backend", OF_THE_CPU)
def test_each_keeps_the_contract(artifact: Path, backend: Backend) -> None:
    classifier = made(artifact, backend)
    given = list(TEXTS)
    found = classifier.classify(given)
    assert given == TEXTS
    assert classifier.classify([]) == classifier.score([]) == []
    assert [p.label for p in classifier.classify(given[::-1])] == [p.label for p in found[::-1]]
    assert found[-1] == found[TEXTS.index("good")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_model_is_said_to_be_none(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises((ModelNotFound, ConfigError), match=r"manifest\.json is not there|no GPU"):
        made(tmp_path, backend)


def test_another_name_is_no_backend(artifact: Path) -> None:
    with pytest.raises(ConfigError, match="'tensorrt' is no backend: choose one of onnx, openvino, torch-cpu, torch-c"):
        load(artifact, cast(Backend, "tensorrt"))


@pytest.mark.parametrize(("package", "backend"), [("torch", "torch-cpu"), ("transformers", "torch-cuda")])
def test_without_the_packages_it_names_the_extra(
    package: str, backend: Backend, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "app.adapters.torch")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"{backend} needs {package}.*pip install eventpulse\[train\]"):
        load(artifact, backend)


def test_an_error_in_our_own_import_is_not_hidden(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.adapters.torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"app\.adapters\.torch"):
        load(artifact, "torch-cpu")


def test_onnx_loads_neither_torch_nor_openvino(artifact: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.adapters.backends import load;"
        f"load(Path({str(artifact)!r})); print(*sorted({{'torch', 'transformers', 'openvino'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


@pytest.mark.usefixtures("threads_of_torch")
def test_torch_uses_the_threads_it_is_given(artifact: Path) -> None:
    torch.set_num_threads(2)
    load(artifact, "torch-cpu", threads=1)
    assert torch.get_num_threads() == 1
    TorchClassifier(artifact, device="cpu")
    assert torch.get_num_threads() == 1


def test_attention_is_fused(artifact: Path) -> None:
    assert make_model(artifact, torch.float32).config._attn_implementation == "sdpa"


def test_an_architecture_without_fused_attention_runs_all_the_same(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = TorchClassifier(artifact, device="cpu").classify(TEXTS)
    monkeypatch.setattr(BertPreTrainedModel, "_supports_sdpa", False)
    assert make_model(artifact, torch.float32).config._attn_implementation == "eager"
    found = TorchClassifier(artifact, device="cpu").classify(TEXTS)
    assert [each.label for each in found] == [each.label for each in expected]


def test_cuda_without_a_gpu_says_what_to_use(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_adapter.torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no GPU on this machine: use the backend onnx, openvino or torch-cpu"):
        load(artifact, "torch-cuda")


def test_a_gpu_too_many_is_refused(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_adapter.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch_adapter.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="no cuda:1: this machine has 1 of them"):
        TorchClassifier(artifact, device="cuda:1")


def test_a_device_that_is_none_is_refused(artifact: Path) -> None:
    with pytest.raises(ConfigError, match="'gpu' is no device of torch"):
        TorchClassifier(artifact, device="gpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_says_what_onnx_says(artifact: Path) -> None:
    expected = OnnxClassifier(artifact).classify(TEXTS)
    found = load(artifact, "torch-cuda").classify(TEXTS)
    assert [each.label for each in found] == [each.label for each in expected]
