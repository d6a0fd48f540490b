from __future__ import annotations

import copy
import itertools
import json
import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.artifact import ONNX, TOKENIZER
from app.adapters.onnx import OnnxClassifier
from app.adapters.tokens import CALL_COST, padded, softmax, token_batches
from app.core.errors import ModelNotFound
from app.core.types import CLASSES, Label

MODEL = Path(__file__).resolve().parents[2] / "models" / "default"

PLAIN = [
    ("This is terrible, I hate it and want my money back.", Label.NEGATIVE),
    ("Worst launch ever, broken and disappointing", Label.NEGATIVE),
    ("The meeting is on Tuesday at noon.", Label.NEUTRAL),
    ("The company will report its results on Monday.", Label.NEUTRAL),
    ("I love this watch, it is wonderful!", Label.POSITIVE),
    ("Fantastic! So happy with it, best day ever", Label.POSITIVE),
]
HARD = [
    "",
    " ",
    "\0",
    "\ud83d",
    "half a pair \udc00 in the middle",
    "\\ud83d\\ude00",
    "😀",
    "😀" * 5_000,
    "👨‍👩‍👧‍👦" * 3_000,
    "a" * 1_000_000,
    "word " * 200_000,
    "&amp;" * 100_000,
    "\u0301" * 10_000,
    "مرحبا بالعالم",
    "这是一个测试",
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
]


@pytest.fixture(scope="module")
def classifier() -> OnnxClassifier:
    return OnnxClassifier(MODEL)


@pytest.mark.parametrize(("text", "label"), PLAIN)
def test_plain_texts(classifier: OnnxClassifier, text: str, label: Label) -> None:
    (prediction,) = classifier.classify([text])
    assert prediction.label is label
    assert prediction.confidence > 0.7
    assert (prediction.model, prediction.backend) == (classifier.model, "onnx-int8")
    assert classifier.languages == {"en"}


@pytest.mark.parametrize("text", HARD, ids=lambda text: ascii(text[:16]))
def test_hard_texts_get_a_prediction_like_any_other(classifier: OnnxClassifier, text: str) -> None:
    (prediction,) = classifier.classify([text])
    assert math.isclose(sum(prediction.probabilities), 1.0)
    assert prediction.label is CLASSES[int(np.argmax(prediction.probabilities))]


def test_nothing_gives_nothing(classifier: OnnxClassifier) -> None:
    assert classifier.classify([]) == []


def test_order_is_kept_and_the_input_is_left_alone(classifier: OnnxClassifier) -> None:
    texts = [f"{text} {'very ' * (number % 7)}" for number in range(9) for text, _ in PLAIN]
    given_texts = copy.copy(texts)
    together = classifier.classify(texts)
    assert texts == given_texts
    assert [prediction.label for prediction in together] == [classifier.classify([text])[0].label for text in texts]


def test_equal_texts_get_equal_predictions(classifier: OnnxClassifier) -> None:
    first, other, second = classifier.classify(["What a day", "Something else entirely", "What a day"])
    assert first == second
    assert first != other


def test_names_and_links_do_not_matter(classifier: OnnxClassifier) -> None:
    first, second = classifier.classify(["@anna look https://a.example/1", "@bob look https://b.example/2"])
    assert first == second


def test_threads_may_share_it(classifier: OnnxClassifier) -> None:
    texts = [text for text, _ in PLAIN]
    expected = classifier.classify(texts)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(classifier.classify(texts))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@settings(max_examples=30)
@given(st.lists(st.text(max_size=80), max_size=8))
def test_any_text_gets_a_prediction(texts: list[str]) -> None:
    predictions = _shared().classify(texts)
    assert len(predictions) == len(texts)
    assert all(math.isclose(sum(prediction.probabilities), 1.0) for prediction in predictions)


_MADE: list[OnnxClassifier] = []


def _shared() -> OnnxClassifier:
    if not _MADE:
        _MADE.append(OnnxClassifier(MODEL))
    return _MADE[0]


@pytest.mark.parametrize("name", [ONNX, TOKENIZER])
def test_a_tampered_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelNotFound, match=name):
        OnnxClassifier(folder)


def test_the_artifact_holds_no_pickle() -> None:
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".onnx", ".safetensors", ".md", ".png", ".svg"}
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            assert json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        else:
            assert content[:1] != b"\x80", f"{path} begins like a pickle"
            assert content[:2] != b"PK", f"{path} begins like a torch file"


@given(st.lists(st.integers(1, 200), max_size=80), st.integers(1, 400))
def test_batches_hold_each_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = token_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget


@given(st.lists(st.integers(1, 30), max_size=7), st.integers(1, 900))
def test_no_other_cut_of_the_sorted_rows_is_cheaper(lengths: list[int], budget: int) -> None:
    batches = token_batches(lengths, budget)
    overhead, cheapest = budget * CALL_COST, math.inf
    for cuts in itertools.product((False, True), repeat=max(0, len(lengths) - 1)):
        runs: list[list[int]] = [[]]
        for length, cut in zip(sorted(lengths), (False, *cuts), strict=False):
            runs = [*runs, [length]] if cut else [*runs[:-1], [*runs[-1], length]]
        if all(len(run) < 2 or max(run) * len(run) <= budget for run in runs):
            cheapest = min(cheapest, sum(max(run) * len(run) + overhead for run in runs if run))
    cost = sum(max(lengths[row] for row in batch) * len(batch) + overhead for batch in batches)
    assert cost == pytest.approx(cheapest)


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=8))
def test_padding_is_masked_and_nothing_else(rows: list[list[int]]) -> None:
    ids, mask = padded(rows)
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert [ids[i][mask[i] == 1].tolist() for i in range(len(rows))] == rows
    assert not ids[mask == 0].any()


def test_softmax_of_large_logits_is_finite() -> None:
    made = softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32))
    assert made[0].tolist() == [1.0, 0.0, 0.0]
    assert made[1].tolist() == pytest.approx([1 / 3] * 3)
