from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

import pytest

from app.adapters.artifact import ONNX, write_manifest
from app.adapters.onnx import OnnxClassifier
from app.adapters.openvino import OpenVinoClassifier
from app.core.errors import ConfigError, ModelNotFound

MODEL = Path(__file__).resolve().parents[2] / "models" / "default"
TEXTS = [
    "This is terrible, I hate it and want my money back.",
    "Worst launch ever, broken and disappointing",
    "The meeting is on Tuesday at noon.",
    "The company will report its results on Monday.",
    "I love this watch, it is wonderful!",
    "Fantastic! So happy with it, best day ever",
    "",
    "word " * 2_000,
    "😀" * 500,
]


def test_without_openvino_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"pip install eventpulse\[openvino\]"):
        OpenVinoClassifier(MODEL)


@pytest.fixture(scope="module")
def classifier() -> OpenVinoClassifier:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    return OpenVinoClassifier(MODEL, threads=1)


def test_int8_weights_give_the_labels_of_onnx_runtime(classifier: OpenVinoClassifier) -> None:
    found, expected = classifier.classify(TEXTS), OnnxClassifier(MODEL, threads=1).classify(TEXTS)
    assert [each.label for each in found] == [each.label for each in expected]
    assert {(each.model, each.backend) for each in found} == {(classifier.model, "openvino-int8")}


def test_threads_may_share_it(classifier: OpenVinoClassifier) -> None:
    parts = [TEXTS[i % 6 : i % 6 + 2] for i in range(6)]
    expected = [[each.label for each in classifier.classify(part)] for part in parts]
    found: dict[int, list[object]] = {}

    def ask(number: int) -> None:
        found[number] = [each.label for each in classifier.classify(parts[number])]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(parts))] == expected


@pytest.mark.usefixtures("classifier")
def test_a_graph_that_it_cannot_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODEL, tmp_path / "model"))
    (folder / ONNX).write_bytes(b"no graph")
    write_manifest(folder, name="none", max_tokens=64, scores={}, provenance={})
    with pytest.raises(
        ModelNotFound, match=r"can't read the int8 graph .*--quantisation fp32, or use the backend onnx"
    ):
        OpenVinoClassifier(folder)
