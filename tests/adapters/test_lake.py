from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.adapters.lake import MANIFEST, Run, complete_runs

NOW = datetime(2026, 11, 23, 12, 30, 15, 250_000, tzinfo=UTC)


def _write(run: Run, name: str, numbers: list[int]) -> None:
    pq.write_table(pa.table({"n": pa.array(numbers, pa.int64())}), run.data / name)


def test_a_run_is_there_when_it_is_finished(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, "launch", NOW)
    _write(run, "part-0.parquet", [1, 2])
    assert complete_runs(tmp_path, "launch") == []
    run.finish({"rows": 2})
    assert complete_runs(tmp_path, "launch") == [run]
    assert json.loads((run.folder / MANIFEST).read_text()) == {"rows": 2}


def test_a_manifest_that_was_cut_off_declares_nothing(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, "launch", NOW)
    with pytest.raises(TypeError):
        run.finish({"rows": object()})
    (run.folder / f"{MANIFEST}.partial").write_text("{")
    assert complete_runs(tmp_path, "launch") == []


def test_runs_come_oldest_first_and_by_event(tmp_path: Path) -> None:
    for event in ("launch", "other"):
        for minutes in (5, 0, 10):
            Run.begin(tmp_path, event, NOW + timedelta(minutes=minutes)).finish({})
    found = complete_runs(tmp_path, "launch")
    assert len(found) == 3
    assert found == sorted(found, key=lambda run: run.folder.name)
    assert all("event=launch" in str(run.folder) for run in found)
    assert complete_runs(tmp_path, "unknown") == []


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    Run.begin(tmp_path, "launch", NOW)
    with pytest.raises(FileExistsError):
        Run.begin(tmp_path, "launch", NOW)


def test_rows_come_in_the_files_order_a_few_at_once(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, "launch", NOW)
    assert list(run.batches(2)) == []
    _write(run, "part-1.parquet", [4, 5])
    _write(run, "part-0.parquet", [1, 2, 3])
    _write(run, "part-2.parquet", [])
    batches = list(run.batches(2))
    assert [row["n"] for batch in batches for row in batch] == [1, 2, 3, 4, 5]
    assert all(1 <= len(batch) <= 2 for batch in batches)
