from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import ConfigError
from pipelines.fit import FitConfig, learning_rate_factor
from tests.fakes.tiny_model import texts, write_base
from tuning.report import read_journal, trials_of
from tuning.search import Request, Unfinished, search
from tuning.space import Profile, Value, parse
from tuning.trial import Material, prepare, sample
from tuning.tune import main, write_report

GOOD: dict[str, Value] = {"learning_rate": 8e-3}
BAD: dict[str, Value] = {"learning_rate": 1e-6}


def _profile(base: Path, *start: dict[str, Value], cpus: float = 1) -> Profile:
    """Four evaluations, after an epoch of a few steps each."""
    document: dict[str, Any] = {
        "base": str(base),
        "cpus": cpus,
        "fit": {"epochs": 4, "evaluations": 1, "batch_tokens": 32, "warmup": 0.0, "ema_decay": 0.0},
        "start": start,
        "dimensions": {
            "learning_rate": {"low": 1e-9, "high": 1, "scale": "log"},
            "weight_decay": {"low": 1e-4, "high": 0.1, "scale": "log"},
        },
    }
    return parse(document, "tiny")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def _material(profile: Profile) -> Material:
    return prepare(profile, texts(192), texts(192))


def _silent(line: str) -> None:
    pass


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_pbt_copies_the_checkpoint_of_the_winner_and_changes_the_learning_rate(
    ray_cluster: None, base: Path, tmp_path: Path
) -> None:
    profile = _profile(base, BAD, GOOD)
    material = _material(profile)
    request = Request(profile, "pbt", tmp_path / "out", trials=2)
    ended = search(request, material, say=_silent)
    loser, winner = trials_of(read_journal(request.out), ended)
    assert [len(trial.evaluations) for trial in (loser, winner)] == [4, 4]
    clone = loser.clones[0]
    assert (clone.source, clone.of, clone.iteration) == (winner.name, 1, 2)
    copied, after = winner.evaluations[0], loser.evaluations[1]
    # The same file to the byte: weights, optimiser and step; and the training went on from there.
    assert after.origin == copied.state != loser.evaluations[0].state
    assert after.began == copied.step
    assert after.step == copied.step + loser.evaluations[0].step
    chosen = float(after.settings["learning_rate"])
    assert chosen != copied.settings["learning_rate"]
    steps = round(after.step / after.done)
    assert after.rate == pytest.approx(chosen * learning_rate_factor(after.step - 1, steps, 0.0))

    written = write_report(request, material, ended, 1.0)
    settings = json.loads((request.out / "best.json").read_text())
    fields = {name: value for name, value in settings.items() if name not in {"base", "loss", "tau"}}
    assert FitConfig(**fields).epochs == 4
    assert written["settings"] == settings
    assert "00001 at 1" in (request.out / "report.md").read_text()
    assert [path.parent.name for path in request.out.glob("trials/*/checkpoint_*")].count(written["trial"]) > 0
    assert {path.parent.name for path in request.out.glob("trials/*/checkpoint_*")} == {written["trial"]}
    with pytest.raises(ConfigError, match="holds a finished search"):
        search(request, material, say=_silent)


def _interrupt_once(marker: Path) -> Callable[[str], None]:
    """What a user does who presses Ctrl-C when the second evaluation is shown."""

    def say(line: str) -> None:
        if "macro recall" not in line:
            return
        seen = marker.read_text() if marker.exists() else ""
        marker.write_text(seen + "x")
        if len(seen) == 1:
            signal.raise_signal(signal.SIGINT)

    return say


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_asha_goes_on_after_an_abort_and_stops_what_is_worse(ray_cluster: None, base: Path, tmp_path: Path) -> None:
    # Two CPUs a trial: one after the other, the good one first.
    profile = _profile(base, GOOD, BAD, BAD, cpus=2)
    material = _material(profile)
    request = Request(profile, "asha", tmp_path / "out", trials=3)
    with pytest.raises(Unfinished, match="0 of 3 trials ended"):
        search(request, material, say=_interrupt_once(tmp_path / "marker"))
    cut = [each["state"] for each in read_journal(request.out)]
    other = Request(profile, "pbt", request.out, trials=3)
    with pytest.raises(ConfigError, match="another scheduler"):
        search(other, material, say=_silent)

    ended = search(request, material, resume=True)
    good, *bad = trials_of(read_journal(request.out), ended)
    assert not good.stopped_early
    assert [each.iteration for each in good.evaluations] == [1, 2, 3, 4]
    assert [trial.stopped_early for trial in bad] == [True, True]
    resumed = good.evaluations[-1]
    assert resumed.origin in cut
    assert resumed.began >= good.evaluations[0].step
    assert good.clones == ()


def test_there_is_nothing_to_resume_in_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--resume", "--scheduler", "pbt"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("tune: ")
    assert not (tmp_path / "out").exists()


def test_a_wrong_profile_is_told_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path), "--profile", "desktop"]) == 1
    assert capsys.readouterr().err == "tune: desktop is no profile: say gpu, laptop or the path of a YAML file\n"


def test_pbt_needs_a_population(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials is 1: pbt needs at least 2"):
        Request(_profile(base), "pbt", tmp_path, trials=1)
    with pytest.raises(ConfigError, match="trials is 0"):
        Request(_profile(base), "asha", tmp_path, trials=0)


def test_a_sample_does_not_depend_on_the_order() -> None:
    whole = texts()
    turned = whole.take(reversed(range(len(whole))))
    assert sample(whole, 10) == sample(turned, 10)
    assert len(sample(whole, 10)) == 10
    assert len(sample(whole, None)) == len(whole)
