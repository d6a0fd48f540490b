from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from app.core.errors import ConfigError
from app.core.types import CLASSES
from pipelines.batches import tokenize
from pipelines.calibrate import Calibration
from pipelines.corpora import tweeteval
from pipelines.fit import FitConfig
from pipelines.objectives import Sentiment, hard
from pipelines.train import Plan, Sources, finish, main, parse_arguments, sample, sentiment_targets, settings_of
from tests.fakes.tiny_model import texts, write_base

TEXTS = texts()
FILLER = ("noon", "a monday", "it is noon", "day noon day", "is it monday")


def _write(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data sets whose parts share no text."""
    rows = list(zip(TEXTS.texts, TEXTS.labels, strict=True))
    parts = {"train": rows[:24], "validation": rows[24:36], "test": rows[36:42], "semeval2016_devtest": rows[42:]}
    for part, chosen in parts.items():
        _write(
            tmp_path / "data" / "tweeteval" / f"{part}.parquet",
            text=[text for text, _ in chosen],
            label=[label for _, label in chosen],
        )
    return tmp_path / "data"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base")


def test_every_setting_is_a_flag_and_flags_go_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    file.write_text(json.dumps({"learning_rate": 3e-4, "loss": "adjusted", "tau": 0.25, "epochs": 5}))
    flags = ["--out", "runs/x", "--settings", str(file), "--epochs", "2", "--teacher-weight", "0.9", "--seed", "7"]
    plan, config = settings_of(parse_arguments(flags))
    assert plan == Plan(loss="adjusted", tau=0.25, teacher_weight=0.9)
    assert config == FitConfig(learning_rate=3e-4, epochs=2, seed=7)


def test_without_flags_the_defaults_hold() -> None:
    assert settings_of(parse_arguments(["--out", "runs/x"])) == (Plan(), FitConfig())


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"learning_rat": 1}', "learning_rat"), ("[", "is no file of settings"), ('{"epochs": 0}', "epochs is 0")],
)
def test_a_settings_file_that_is_none_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "best.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        settings_of(parse_arguments(["--out", "runs/x", "--settings", str(file)]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"teacher_weight": 1.5}, "teacher_weight is 1.5"),
        ({"unlabelled": 10}, "no teacher"),
        ({"loss": "adjusted"}, "tau must be given"),
    ],
)
def test_a_plan_that_can_not_be_followed_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan(**given)


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--teacher-weight", "2"]) == 1
    assert capsys.readouterr().err == "train: teacher_weight is 2.0: it must be between 0 and 1\n"


def test_a_sample_is_the_same_one_each_time() -> None:
    assert sample(TEXTS, 0) == TEXTS
    small, large = sample(TEXTS, 5), sample(TEXTS, 9)
    assert len(small) == 5
    assert set(small.texts) <= set(large.texts)
    assert sample(TEXTS, 5) == small


def test_feedback_joins_the_training_texts_and_no_others(data: Path, tmp_path: Path) -> None:
    corpus = tweeteval(data / "tweeteval")
    known, held = corpus.parts["train"].texts[0], corpus.parts["validation"].texts[0]
    changed = 2 - corpus.parts["train"].labels[0]
    path = tmp_path / "feedback.parquet"
    _write(path, text=[known, "bad bad noon", held], label=[changed, 0, 2], source=["newsapi"] * 3)
    joined = Sources(data, feedback=path).tweeteval().parts["train"]
    labels = dict(zip(joined.texts, joined.labels, strict=True))
    assert labels[known] == changed
    assert labels["bad bad noon"] == 0
    assert held not in labels
    assert Sources(data, feedback=path).tweeteval().sha256 != corpus.sha256


def test_a_teacher_labels_the_unlabelled_and_tempers_the_labels(data: Path, base: Path, tmp_path: Path) -> None:
    _write(data / "news" / "headlines-2021-11_2022-06.parquet", text=list(FILLER), lang=["en"] * len(FILLER))
    labelled = tweeteval(data / "tweeteval").parts["train"]
    plan = Plan(teacher=str(base), teacher_weight=0.25, unlabelled=2)
    targets = sentiment_targets(plan, Sources(data), labelled, tmp_path / "out")
    assert len(targets.texts) == len(labelled) + 2
    assert np.allclose(targets.probabilities.sum(axis=1), 1, atol=1e-4)
    own = targets.probabilities[np.arange(len(labelled)), list(labelled.labels)]
    assert (own > 0.75).all()
    assert set(targets.texts[len(labelled) :]) <= set(FILLER)


def test_the_checkpoint_that_is_left_is_calibrated(data: Path, base: Path, tmp_path: Path) -> None:
    corpus = tweeteval(data / "tweeteval")
    targets = hard(corpus.parts["train"])
    raw = Sentiment(str(base), targets, corpus.parts["validation"]).logits(torch.device("cpu"))
    calibration, scores = finish(base, targets, corpus, Plan(base=str(base), tau=1.0), tmp_path / "out")
    assert calibration.tau == 1.0
    assert set(scores) == {"validation", "devtest"}
    made = Sentiment(str(tmp_path / "out" / "best"), targets, corpus.parts["validation"])
    assert np.allclose(made.logits(torch.device("cpu")), calibration.apply(raw), atol=0.02)
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "out" / "best"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "classifier.weight" in changed
    assert changed <= {"classifier.weight", "classifier.bias"}


def test_a_loss_that_is_corrected_needs_no_offsets(data: Path, base: Path, tmp_path: Path) -> None:
    corpus = tweeteval(data / "tweeteval")
    plan = Plan(base=str(base), loss="adjusted", tau=1.0)
    calibration, _ = finish(base, hard(corpus.parts["train"]), corpus, plan, tmp_path / "out")
    assert calibration == Calibration(calibration.temperature, 0.0, (0.0,) * len(CLASSES))


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_all_stages_follow_each_other_and_a_second_call_finds_them_done(
    ray_cluster: None, data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(data / "news" / "headlines-2021-11_2022-06.parquet", text=list(FILLER), lang=["en"] * len(FILLER))
    _write(
        data / "sentiment140" / "train_sample.parquet",
        text=["awful awful monday", "it is bad bad", "great great noon", "good good is it"],
        polarity=[0, 0, 4, 4],
    )
    _write(data / "sentiment140" / "test.parquet", text=["a bad noon is it"], polarity=[0])
    monkeypatch.setenv("EVENTPULSE_STATE_DIR", str(tmp_path / "state"))
    out = tmp_path / "runs" / "small"
    flags = ["--data", str(data), "--out", str(out), "--base", str(base), "--no-judge", "--threads", "1"]
    flags += ["--language", "4", "--emoticons", "2", "--epochs", "2", "--batch-tokens", "64", "--evaluations", "1"]
    assert main(flags) == 0
    summary = json.loads((out / "fit.json").read_text())
    assert list(summary["histories"]) == ["language", "emoticons", "sentiment"]
    assert set(summary["data"]) == {"tweeteval", "language", "emoticons", "sentiment"}
    assert len(tokenize(["a day"], Sentiment(str(out / "best"), hard(TEXTS), TEXTS).tokenizer, 32)) == 1
    weights = (out / "best" / "model.safetensors").read_bytes()
    assert main(flags) == 0
    again = json.loads((out / "fit.json").read_text())
    assert again["run"] == summary["run"]
    assert again["validation"] == summary["validation"]
    assert (out / "best" / "model.safetensors").read_bytes() == weights
