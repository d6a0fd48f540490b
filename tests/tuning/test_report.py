from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from app.core.errors import AppError
from pipelines.fit import FitConfig
from tests.tuning.lines import line
from tuning.picture import draw
from tuning.report import Clone, best_of, markdown, read_journal, settings_for_training, summary, trials_of
from tuning.space import load

WINNER = [line("00000", i, 0.5 + i / 20, state=f"w{i}") for i in (1, 2, 3, 4)]
# Bad at first; then it takes over what the winner had after two evaluations.
LOSER = [
    line("00001", 1, 0.4, state="l1", rate=1e-6),
    line("00001", 2, 0.41, state="l2", rate=1e-6),
    line("00001", 3, 0.66, state="l3", origin="w2", rate=1.2e-4),
    line("00001", 4, 0.69, state="l4", origin="w2", rate=1.2e-4),
]
STOPPED = [line("00002", 1, 0.3, state="s1")]
ALONE = {"00000": False}
TRIALS = trials_of([*LOSER, *WINNER, *STOPPED], {"00001": False, "00000": False, "00002": False})


def test_a_clone_is_known_by_the_state_it_began_with() -> None:
    assert [trial.name for trial in TRIALS] == ["00000", "00001", "00002"]
    assert [trial.clones for trial in TRIALS] == [(), (Clone(3, "00000", 2),), ()]


def test_going_on_with_ones_own_checkpoint_is_no_clone() -> None:
    paused = [line("00000", 1, 0.5, state="a1"), line("00000", 2, 0.6, state="a2", origin="a1")]
    (trial,) = trials_of(paused, ALONE)
    assert trial.clones == ()


def test_an_evaluation_that_was_repeated_after_an_abort_counts_once() -> None:
    lines = [
        line("00000", 1, 0.5, state="a1"),
        line("00000", 2, 0.6, state="a2"),
        line("00000", 2, 0.61, state="b2", origin="a1"),
    ]
    (trial,) = trials_of(lines, ALONE)
    assert [(each.iteration, each.score) for each in trial.evaluations] == [(1, 0.5), (2, 0.61)]


def test_only_the_scheduler_stops_early() -> None:
    assert [trial.stopped_early for trial in TRIALS] == [False, False, True]
    (failed,) = trials_of(STOPPED, {"00002": True})
    assert failed.failed
    assert not failed.stopped_early


def test_the_best_settings_are_those_of_the_best_evaluation() -> None:
    best = best_of(TRIALS)
    assert (best.trial.name, best.evaluation.iteration, best.evaluation.score) == ("00000", 4, 0.7)
    settings = settings_for_training(load("laptop"), best.evaluation)
    assert {"base", "loss", "tau"} <= settings.keys()
    assert settings.keys() - {"base", "loss", "tau"} == asdict(FitConfig()).keys()
    assert (settings["learning_rate"], settings["tau"], settings["epochs"]) == (1e-4, 0.25, 1)


def test_the_schedule_of_a_clone_is_told() -> None:
    found = json.loads(json.dumps(summary(TRIALS, {"scheduler": "pbt"})))
    loser = found["trials"][1]
    assert [each["settings"]["learning_rate"] for each in loser["evaluations"]] == [1e-6, 1e-6, 1.2e-4, 1.2e-4]
    assert loser["cloned_from"] == [{"iteration": 3, "source": "00000", "of": 2}]
    assert found["best"] == {"trial": "00000", "iteration": 4, "macro_recall": 0.7}


def test_the_table_has_the_best_on_top() -> None:
    rows = [row for row in markdown(TRIALS, {"scheduler": "pbt"}, "trials.png").splitlines() if row.startswith("|")]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| **00000**", "| 00001", "| 00002"]
    assert "00000 at 2" in rows[3]
    assert "stopped early" in rows[4]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(TRIALS, tmp_path / "trials.png")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_trials_come_from_the_journal(tmp_path: Path) -> None:
    assert read_journal(tmp_path) == []
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*WINNER, *STOPPED]))
    winner, failed = trials_of(read_journal(tmp_path), {"00000": False, "00001": True})
    assert len(winner.evaluations) == 4
    assert (failed.evaluations, failed.best, failed.failed) == ((), None, True)
    assert "failed" in markdown([winner, failed], {}, "trials.png")


def test_without_an_evaluation_there_is_no_best() -> None:
    with pytest.raises(AppError, match="no trial came as far"):
        best_of(trials_of([], ALONE))
