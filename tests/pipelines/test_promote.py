from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.errors import AppError, ConfigError
from app.core.promotion import Policy
from pipelines import promote
from pipelines.promote import Candidate


class FakeRegistry(promote.Registry):
    """Answers of `pipelines.registry`."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []

    def _run(self, *arguments: str) -> str:
        self.commands.append(arguments)
        versions = [{"version": 4, "aliases": ["challenger"]}, {"version": 3, "aliases": ["champion"]}]
        return json.dumps(versions if arguments == ("list",) else {})


@pytest.mark.parametrize("wanted", ["challenger", "4"])
def test_a_name_of_the_registry_is_fetched_by_its_number(wanted: str, tmp_path: Path) -> None:
    registry = FakeRegistry()
    chosen = promote.candidate(wanted, tmp_path, registry)
    assert chosen == Candidate(tmp_path / "version-4", 4)
    assert registry.commands == [("list",), ("fetch", "4", str(tmp_path / "version-4"))]
    registry.promote(4)
    assert registry.commands[-1] == ("promote", "4")


def test_an_unknown_name_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody is neither a model folder nor in the registry, which has 4 chall"):
        promote.candidate("nobody", tmp_path, FakeRegistry())


def test_a_folder_is_verified_before_anything_is_deployed(tmp_path: Path) -> None:
    with pytest.raises(AppError):
        promote.candidate(str(tmp_path), tmp_path, FakeRegistry())
    assert promote.candidate("models/default", tmp_path, FakeRegistry()).version is None


def test_the_command_line_makes_the_policy() -> None:
    options = promote.parse_arguments(
        "--challenger x --min-pairs 9 --step-seconds 3 --timeout 77 --application other --replicas 2".split()
    )
    plan = promote.plan_of(options, Path("/x"))
    assert plan.policy == Policy(min_pairs=9, min_seconds=3.0)
    assert (plan.step_s, plan.application) == (77.0, "other")
    assert plan.arm["args"] == {"model_dir": "/x"}
    assert plan.arm["deployments"][0]["num_replicas"] == 2


def test_something_must_be_asked_for() -> None:
    with pytest.raises(SystemExit):
        promote.parse_arguments([])


def test_a_rollback_without_a_cluster_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(promote, "roll_back", _no_cluster)
    assert promote.main(["--rollback"]) == promote.ERROR_STATUS
    assert capsys.readouterr().err == "promote: Ray's dashboard does not answer\n"


def test_an_interrupted_rollback_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(promote, "roll_back", _interrupted)
    assert promote.main(["--rollback"]) == promote.ERROR_STATUS
    assert capsys.readouterr().err.endswith("python -m pipelines.promote --rollback\n")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _no_cluster(*_: object) -> None:
    raise ConfigError("Ray's dashboard does not answer")


def test_what_to_do_to_make_it_last() -> None:
    assert "model_dir: /m/new under the args of the application models" in promote.permanent(Candidate(Path("/m/new")))
