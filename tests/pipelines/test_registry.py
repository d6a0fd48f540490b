from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.adapters.artifact import verify
from pipelines.registry import main
from tests.fakes.mlflow_files import model_folder, state

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")  # MLflow's


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPULSE_STATE_DIR", str(state(tmp_path).state_dir))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([str(each) for each in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_from_a_folder_to_the_champion_that_is_served_and_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(capsys, "list") == []
    one, two = model_folder(tmp_path / "one", "one"), model_folder(tmp_path / "two", "two")
    first = run(capsys, "register", one, "--tag", "gate=passed", "--tag", "why=a=b")
    assert (first["version"], first["aliases"], first["tags"]) == (1, ["challenger"], {"gate": "passed", "why": "a=b"})
    run(capsys, "promote", "challenger")
    run(capsys, "register", two, "--run", first["run_id"])
    assert run(capsys, "promote", 2)["aliases"] == ["champion"]
    assert run(capsys, "rollback")["version"] == 1
    fetched = run(capsys, "fetch", "champion", tmp_path / "served")
    assert fetched == {"model": verify(one).model, "EVENTPULSE_MODEL_DIR": str(tmp_path / "served")}
    assert verify(tmp_path / "served") == verify(one)
    assert [(each["version"], each["aliases"]) for each in run(capsys, "list")] == [(2, []), (1, ["champion"])]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "champion", "served"], "fetch: the registry at .* has no model 'champion'"),
        (["register", "nowhere"], "register: nowhere/manifest.json is not there"),
        (["rollback"], "rollback: .*previous-champion"),
    ],
)
def test_a_failure_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert re.match(said, captured.err)


@pytest.mark.parametrize("tag", ["gate", "=passed"])
def test_a_tag_without_name_or_value_is_refused(capsys: pytest.CaptureFixture[str], tag: str) -> None:
    with pytest.raises(SystemExit):
        main(["register", "folder", "--tag", tag])
    assert "is not KEY=VALUE" in capsys.readouterr().err


def test_a_registry_that_does_not_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPULSE_MLFLOW_URL", "http://127.0.0.1:9")
    assert main(["list"]) == 1
    assert capsys.readouterr().err.startswith("list: EVENTPULSE_MLFLOW_URL: http://127.0.0.1:9 does not answer")
