"""Sides as they are: child processes with a tiny model, asked a handful of texts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fastapi.testclient import TestClient

from app.adapters.artifact import CONFIG, WEIGHTS, Manifest
from app.core.errors import ConfigError
from app.settings import Settings
from pipelines.benchmarking import eventpulse
from pipelines.benchmarking.children import Child, ChildEnded, end_orphans, environment, pss_mb
from pipelines.benchmarking.inprocess import USUAL_BATCH, UsualOnnx
from pipelines.benchmarking.peers import build, missing, onnx
from pipelines.benchmarking.scenarios import Scenario
from pipelines.benchmarking.sides import Generator, LeftOut, ProcessSide, peer
from tests.fakes.tiny_artifact import write_artifact

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor"),
]
BASE = ["a good day", "it is a bad monday", "noon"]
WORK = Scenario("batch", "words", ("x",), per_request=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("model")
    return folder / "artifact", write_artifact(folder)


@pytest.fixture
def generator(tmp_path: Path) -> Iterator[Generator]:
    made = Generator(BASE, tmp_path)
    yield made
    made.close()


def test_a_peer_and_a_raw_side_say_the_same(model: tuple[Path, Manifest], generator: Generator, tmp_path: Path) -> None:
    folder, _ = model
    server = peer("onnx", generator, folder, 1, tmp_path)
    raw = ProcessSide("raw-best", BASE, folder, 1, tmp_path)
    try:
        for side in (server, raw):
            turn = side.turn(WORK, 1_000_000, 0.0, 6)
            assert (turn.texts, len(turn.latencies_s), turn.failures) == (6, 3, {})
            assert side.startup_s is not None
            assert side.memory_mb()[0] > 1
        for ours, theirs in zip(server.ask(BASE), raw.ask(BASE), strict=True):
            assert ours == pytest.approx(theirs, abs=0.01)
    finally:
        server.close()
        raw.close()
    assert server.memory_mb()[0] == 0.0


def test_a_side_that_can_not_be_loaded_is_left_out_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match="is not there"):
        ProcessSide("raw-best", BASE, tmp_path / "nowhere", 1, tmp_path)


def test_the_pipeline_of_hugging_face_needs_weights(tmp_path: Path) -> None:
    write_artifact(tmp_path, weights="none")
    assert missing(tmp_path / "artifact") == f"the model folder holds no {CONFIG} and no {WEIGHTS}"


def test_a_second_peer_is_the_pipeline_of_hugging_face(
    model: tuple[Path, Manifest], generator: Generator, tmp_path: Path
) -> None:
    server = peer("transformers", generator, model[0], 1, tmp_path)
    raw = ProcessSide("raw-best", BASE, model[0], 1, tmp_path)
    try:
        for ours, theirs in zip(server.ask(BASE), raw.ask(BASE), strict=True):
            assert ours == pytest.approx(theirs, abs=0.05)
    finally:
        server.close()
        raw.close()


def test_the_usual_way_gives_the_same_labels_in_order(model: tuple[Path, Manifest]) -> None:
    texts = [f"{BASE[number % 3]} {'day ' * (number % 5)}" for number in range(2 * USUAL_BATCH + 3)]
    usual = UsualOnnx(model[0], threads=1).classify(texts)
    ask = onnx(model[0], 1)
    for text, prediction in list(zip(texts, usual, strict=True))[::7]:
        assert ask(text) == pytest.approx(prediction.probabilities, abs=0.05)


def test_a_peer_answers_one_text_and_many() -> None:
    client = TestClient(build(lambda text: (0.2, 0.7, 0.1) if text == "a" else (0.5, 0.2, 0.3)))
    one = client.post("/v1/classify", json={"text": "a"}).json()["predictions"]
    many = client.post("/v1/classify", json={"texts": ["a", "b"]}).json()["predictions"]
    assert [each["label"] for each in many] == ["neutral", "negative"]
    assert one == many[:1]
    assert list(one[0]["probabilities"]) == ["negative", "neutral", "positive"]


def test_a_child_that_ends_says_its_last_words(tmp_path: Path) -> None:
    child = Child("pipelines.benchmarking.peers", ["--peer", "nobody"], environment(1), tmp_path / "log")
    with pytest.raises(ChildEnded, match="invalid choice"):
        child.hear()
    child.close()
    child.close()
    assert not child.running
    assert child.processes() == []


def test_children_know_nothing_of_a_cluster_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    found = environment(3, {"MORE": "1"})
    assert "RAY_ADDRESS" not in found
    assert (found["OMP_NUM_THREADS"], found["MORE"]) == ("3", "1")
    assert str(Path(sys.executable).parent) in found["PATH"]


def test_memory_is_that_of_processes() -> None:
    assert pss_mb([psutil.Process()]) > 1
    assert pss_mb([]) == 0.0


def test_no_eventpulse_at_the_url(generator: Generator) -> None:
    with pytest.raises(ConfigError, match="start EventPulse there"):
        eventpulse.running("http://127.0.0.1:1", generator, Settings(_env_file=None))


def test_what_a_child_leaves_behind_is_ended_by_its_mark_alone(tmp_path: Path) -> None:
    marks = ["mine", "other"]
    sleepers = [
        subprocess.Popen(["sleep", "60"], env={"EVENTPULSE_STATE_DIR": str(tmp_path / mark), "PATH": os.defpath})
        for mark in marks
    ]
    try:
        end_orphans("EVENTPULSE_STATE_DIR", str(tmp_path / "mine"))
        sleepers[0].wait(timeout=10)
        assert sleepers[1].poll() is None
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
