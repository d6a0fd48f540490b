from __future__ import annotations

import json
import math
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from app.adapters.mlflow_client import Mlflow
from app.core.errors import ConfigError, NotFound, StoreError
from app.settings import Settings
from pipelines.tracking import Tracker, code_version, environment, flatten
from tests.fakes.mlflow_files import state

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")  # MLflow's


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return state(tmp_path)


@pytest.fixture
def tracker(settings: Settings) -> Tracker:
    return Tracker(settings.mlflow, settings.mlflow_artifacts)


@pytest.fixture
def client(settings: Settings) -> Any:
    """MLflow's own view of what was recorded."""
    return Mlflow(settings.mlflow, settings.mlflow_artifacts).client


def test_a_run_keeps_what_it_was_told(tracker: Tracker, client: Any) -> None:
    with tracker.start(
        "fit", {"epochs": 3, "seed": 7, "loss": {"tau": 0.5}}, data={"train": "ab" * 32}, tags={"kind": "try"}
    ) as run:
        assert client.get_run(run.id).info.status == "RUNNING"
        run.set_tags({"note": "later"})
    found = client.get_run(run.id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "fit")
    assert found.data.params == {"epochs": "3", "seed": "7", "loss.tau": "0.5", "data.train": "ab" * 32}
    assert found.data.tags.items() >= {"kind": "try", "note": "later"}.items()
    assert found.data.tags.keys() >= {"git.commit", "git.dirty", *environment()}


def test_curves(tracker: Tracker, client: Any) -> None:
    with tracker.start("fit", {}) as run:
        run.log_metrics({"loss": 1.5, "recall": 0.5}, step=1)
        run.log_metrics({"loss": math.nan}, step=2)
        run.log_curve("rate", ((step, step / 10) for step in range(1001)))
    assert [(each.step, each.value) for each in client.get_metric_history(run.id, "recall")] == [(1, 0.5)]
    assert [each.step for each in client.get_metric_history(run.id, "loss")] == [1, 2]
    rates = sorted((each.step, each.value) for each in client.get_metric_history(run.id, "rate"))
    assert rates == [(step, step / 10) for step in range(1001)]


def test_more_parameters_than_go_at_once(tracker: Tracker, client: Any) -> None:
    with tracker.start("fit", {f"p{i}": i for i in range(101)}) as run:
        pass
    assert client.get_run(run.id).data.params == {f"p{i}": str(i) for i in range(101)}


def test_files_and_pictures(tracker: Tracker, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "scores.md").write_text("| recall |\n")
    with tracker.start("fit", {}) as run:
        run.log_figure(Figure(), "pictures/confusion.png")
        run.log_file(tmp_path / "scores.md", "reports")
        run.log_text("negative", "notes/one.txt")
        run.log_json({"share": [0.5, None]}, "shares.json")
    kept = {path.name: path for path in settings.mlflow_artifacts.rglob("*") if path.is_file()}
    assert kept.keys() == {"confusion.png", "scores.md", "one.txt", "shares.json"}
    assert kept["confusion.png"].read_bytes().startswith(b"\x89PNG")
    assert kept["scores.md"].parent.name == "reports"
    assert json.loads(kept["shares.json"].read_text()) == {"share": [0.5, None]}


def test_a_failure_is_marked_and_goes_on(tracker: Tracker, client: Any) -> None:
    with pytest.raises(ValueError, match="no such class"), tracker.start("fit", {}) as run:
        raise ValueError("no such class\nand more")
    found = client.get_run(run.id)
    assert (found.info.status, found.data.tags["error"]) == ("FAILED", "ValueError: no such class")


def test_an_interruption_is_no_failure(tracker: Tracker, client: Any) -> None:
    with pytest.raises(KeyboardInterrupt), tracker.start("fit", {}) as run:
        raise KeyboardInterrupt
    assert client.get_run(run.id).info.status == "KILLED"


def test_an_end_that_cannot_be_written_does_not_hide_the_cause(tracker: Tracker, client: Any) -> None:
    with pytest.raises(ValueError, match="the cause") as raised, tracker.start("fit", {}) as run:
        client.delete_run(run.id)
        raise ValueError("the cause")
    assert run.id in raised.value.__notes__[0]
    with pytest.raises(StoreError), tracker.start("fit", {}) as run:
        client.delete_run(run.id)


def test_a_resumed_run_goes_on(tracker: Tracker, client: Any) -> None:
    with pytest.raises(ValueError, match="cut"), tracker.start("fit", {"rate": 0.1, "seed": 7}) as first:
        first.log_metrics({"loss": 2.0}, step=1)
        raise ValueError("cut")
    with tracker.start("fit", {"rate": 0.2, "seed": 7, "new": 1}, resume_id=first.id) as second:
        second.log_metrics({"loss": 1.0}, step=2)
        assert client.get_run(first.id).info.status == "RUNNING"
    found = client.get_run(first.id)
    assert (second.id, found.info.status) == (first.id, "FINISHED")
    assert [(each.step, each.value) for each in client.get_metric_history(first.id, "loss")] == [(1, 2.0), (2, 1.0)]
    assert found.data.params == {"rate": "0.1", "seed": "7", "new": "1"}
    assert found.data.tags.items() >= {"resumed": "1", "resumed.rate": "0.2"}.items()
    assert "error" not in found.data.tags


def test_a_run_to_resume_that_is_not_there(tracker: Tracker) -> None:
    with pytest.raises(NotFound, match="0" * 32):
        tracker.start("fit", {}, resume_id="0" * 32)


def test_two_runs_at_once_do_not_meet(tracker: Tracker, client: Any) -> None:
    with tracker.start("one", {"a": 1}) as one, tracker.start("two", {"a": 2}) as two:
        one.log_metrics({"loss": 1.0})
        two.log_metrics({"loss": 2.0})
    assert [client.get_run(run.id).data.metrics["loss"] for run in (one, two)] == [1.0, 2.0]


def test_a_tracker_travels(tracker: Tracker) -> None:
    assert pickle.loads(pickle.dumps(tracker)) == tracker


def test_a_tracker_of_nowhere_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EVENTPULSE_MLFLOW_URL"):
        Tracker("http://127.0.0.1:9", tmp_path).start("fit", {})


def test_flatten_examples() -> None:
    values = {"a": {"b": 1, "c": {"d": None}}, "e": (1, 2), "f": True, "g": Path("x")}
    assert flatten(values) == {"a.b": "1", "a.c.d": "None", "e": "[1, 2]", "f": "True", "g": "x"}


names = st.text(alphabet="abc", min_size=1, max_size=3)
trees = st.recursive(st.integers(), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(names, trees, max_size=3))
def test_flatten_keeps_every_leaf(values: dict[str, Any]) -> None:
    def leaves(tree: Any) -> int:
        return sum(map(leaves, tree.values())) if isinstance(tree, dict) else 1

    flat = flatten(values)
    assert len(flat) == leaves(values)
    for path, text in flat.items():
        found: Any = values
        for name in path.split("."):
            found = found[name]
        assert str(found) == text


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    unknown = {"git.commit": "unknown", "git.dirty": "unknown"}
    assert code_version(tmp_path) == unknown
    _git(tmp_path, "init", "-q")
    assert code_version(tmp_path) == unknown, "no commit yet"
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert code_version(tmp_path) == {"git.commit": commit, "git.dirty": "false"}
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "new.py").touch()
    assert code_version(tmp_path) == {"git.commit": commit, "git.dirty": "true"}
    assert code_version(tmp_path / "inside") == unknown, "the repository around an installed package is not its source"


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(code_version(tmp_path).values()) == {"unknown"}
    assert environment()["env.gpu"] == "none"


def test_the_graphics_cards_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A100'\necho 'NVIDIA A100'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert environment()["env.gpu"] == "2 x NVIDIA A100"
