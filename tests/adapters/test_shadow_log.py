from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.adapters.shadow_log import Row, ShadowLog, disagreements, shadow_folder
from app.core.types import Label, Prediction


def said(label: Label, *chances: float, arm: str = "champion") -> Prediction:
    return Prediction(label, (chances[0], chances[1], chances[2]), "v1", "onnx", arm)


def row(key: str, gap: float, *, at: float = 0.0) -> Row:
    answer = said(Label.POSITIVE, 0.0, 0.0, 1.0)
    return at, key, answer, said(Label.NEGATIVE, gap, 0.0, 1 - gap, arm="challenger")


def write(folder: Path, rows: list[Row], age_s: float = 0) -> None:
    before = set(folder.glob("*.parquet"))
    log = ShadowLog(folder)
    log.append(rows)
    log.flush()
    for path in set(folder.glob("*.parquet")) - before:
        os.utime(path, (1e9 - age_s, 1e9 - age_s))


def test_where_nothing_was_logged_nobody_disagrees(tmp_path: Path) -> None:
    assert disagreements(shadow_folder(tmp_path)) == {}


def test_only_other_labels_are_disagreements_and_they_say_how_far(tmp_path: Path) -> None:
    folder = shadow_folder(tmp_path)
    alike = (0.0, "same", said(Label.POSITIVE, 0.0, 0.0, 1.0), said(Label.POSITIVE, 0.4, 0.0, 0.6))
    write(folder, [row("a", 0.75), alike])
    assert disagreements(folder) == {"a": pytest.approx(0.75)}


def test_the_latest_comes_first_and_counts(tmp_path: Path) -> None:
    folder = shadow_folder(tmp_path)
    write(folder, [row("a", 0.6), row("b", 0.7)], age_s=60)
    write(folder, [row("b", 0.9, at=1.0)])
    found = disagreements(folder)
    assert list(found) == ["b", "a"]
    assert found == {"b": pytest.approx(0.9), "a": pytest.approx(0.6)}


def test_only_the_newest_files_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.shadow_log._FILES_LOOKED_AT", 2)
    folder = shadow_folder(tmp_path)
    for age in range(4):
        write(folder, [row(f"aged {age}", 0.6)], age_s=age)
    assert list(disagreements(folder)) == ["aged 0", "aged 1"]
