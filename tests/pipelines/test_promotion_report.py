from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import promotion_report
from tests.fakes.promotions import Behaviour, Cluster, run


def test_a_line_for_each_look_says_where_it_is() -> None:
    cluster = Cluster()
    run(cluster)
    assert cluster.lines[0] == "deploying the application challenger ..."
    assert any(line.startswith("shadow after 2 s: ") and "are needed" in line for line in cluster.lines)
    assert any(line.startswith("100 % after ") and line.endswith(": advance") for line in cluster.lines)


def test_the_report_has_a_row_for_each_step_and_every_check(tmp_path: Path) -> None:
    outcome = run(Cluster(behaviour=Behaviour(fails=True, from_weight=25.0)))
    path = promotion_report.write_report(outcome, tmp_path / "new")
    text = path.read_text()
    assert text.startswith("# Promotion: rolled back\n")
    for told in ("| shadow | ", "| 5 % | ", "| 25 % | ", "roll back |", "- errors, bad: the challenger failed on"):
        assert told in text
    found = json.loads((tmp_path / "new" / "promotion.json").read_text())
    assert found["promoted"] is False
    assert [step["verdict"] for step in found["steps"]] == ["advance", "advance", "roll back"]
    assert found["steps"][0]["agreement"][0] == pytest.approx(0.95, abs=0.01)
    assert found["steps"][0]["challenger"]["p95_s"] == 0.02
    assert found["steps"][2]["routing"]["weights"] == {"champion": 75, "challenger": 25}


def test_a_report_without_a_step_is_still_one(tmp_path: Path) -> None:
    outcome = run(Cluster(starts_as=["DEPLOY_FAILED"]))
    assert "did not start: no such folder." in promotion_report.write_report(outcome, tmp_path).read_text()


def test_a_traceback_is_cut_to_what_failed_and_why() -> None:
    message = "Failed to start 3 times.\nTraceback:\n  File x\n\nModelNotFound: no manifest\n"
    outcome = run(Cluster(starts_as=["DEPLOY_FAILED"], message=message))
    assert outcome.reason == "the challenger did not start: Failed to start 3 times. ... ModelNotFound: no manifest"
