from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.artifact import verify
from app.adapters.confusion import read_confusion
from app.core.errors import ConfigError
from pipelines.classify import classify_here
from pipelines.confusion import add_confusion, confusion_of, main
from pipelines.contestants import artifact
from pipelines.evaluate import Plan, answers_of, evaluation_of, result_of
from pipelines.results import TEST_SET, Evaluation, write_evaluation
from tests.fakes.evaluation import artifact_folder, contestant, labelled_set

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def evaluated(model: str, *names: str) -> Evaluation:
    """An evaluation of a classifier of that name, which does not know that dull is bad."""
    sets = [labelled_set(name) for name in names]
    who = contestant(model, knows_dull=False)
    texts = [text for each in sets for text in each.texts]
    answers = answers_of(who, texts, classify_here, None)
    plan = Plan(rounds=20)
    return evaluation_of([result_of(who, answers, sets, (), plan)], sets, plan, NOW)


def test_every_set_but_the_frozen_one_counts() -> None:
    found = confusion_of("words-1", evaluated("words-1", "one", TEST_SET, "two"))
    assert [each.name for each in found.sets] == ["one", "two"]
    assert found.sets[0].counts == ((15, 15, 0), (0, 30, 0), (0, 0, 30))
    assert found.sets[0].sha256 == labelled_set("one").sha256
    assert (found.model, found.made_at) == ("words-1", "2026-11-23T12:00:00+00:00")
    assert found.weight == 10  # two sets do not say how far sets differ


def test_another_model_or_the_frozen_set_alone_are_refused() -> None:
    with pytest.raises(ConfigError, match="the evaluation is of words-1, not of words-2"):
        confusion_of("words-2", evaluated("words-1", "one"))
    with pytest.raises(ConfigError, match="no set of words-1 but the frozen test set"):
        confusion_of("words-1", evaluated("words-1", TEST_SET))


def test_the_folder_keeps_its_version_and_verifies(tmp_path: Path) -> None:
    folder = artifact_folder(tmp_path / "model")
    model = artifact(folder).name
    before = artifact(folder)
    found = add_confusion(folder, evaluated(model, "one"))
    assert verify(folder).model == model
    assert read_confusion(folder) == found
    assert artifact(folder).fingerprint == before.fingerprint  # earlier answers are still its own


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = artifact_folder(tmp_path / "model")
    write_evaluation(evaluated(artifact(folder).name, "one", "two"), tmp_path)
    assert main(["--model", str(folder), "--evaluation", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["sets"] == ["one", "two"]
    assert main(["--model", str(folder), "--evaluation", str(tmp_path / "nothing")]) == 1
    assert "run pipelines.evaluate first" in capsys.readouterr().err
