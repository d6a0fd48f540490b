from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.benchmarks import BENCHMARKS, RESULTS, Compared, folder_for, newest, read_results, write_results
from app.core.significance import Interval
from tests.fakes.benchmark import MADE_AT, some_benchmark


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = write_results(tmp_path / "new" / "folder", some_benchmark())
    assert read_results(path) == some_benchmark()
    assert [each.name for each in path.parent.iterdir()] == [RESULTS]


def test_the_newest_is_read(tmp_path: Path) -> None:
    for hours in (5, 0, 3):
        made_at = MADE_AT + timedelta(hours=hours)
        write_results(folder_for(tmp_path, made_at), some_benchmark().model_copy(update={"made_at": made_at}))
    found = newest(tmp_path)
    assert found is not None
    assert found.made_at == MADE_AT + timedelta(hours=5)


def test_without_a_benchmark_there_is_none(tmp_path: Path) -> None:
    assert newest(tmp_path / "nowhere") is None
    assert read_results(tmp_path / RESULTS) is None


@pytest.mark.parametrize("broken", ["", "{", '{"made_at": "yesterday"}', "[]"])
def test_what_can_not_be_read_is_passed_over(tmp_path: Path, broken: str) -> None:
    write_results(folder_for(tmp_path, MADE_AT), some_benchmark())
    later = tmp_path / BENCHMARKS / "20990101T000000Z"
    later.mkdir()
    (later / RESULTS).write_text(broken)
    (tmp_path / BENCHMARKS / "20990102T000000Z").mkdir()
    assert newest(tmp_path) == some_benchmark()


def test_a_field_of_a_later_release_does_no_harm(tmp_path: Path) -> None:
    path = write_results(tmp_path, some_benchmark())
    path.write_text(path.read_text().replace('"model":', '"weather": "fair", "model":', 1))
    assert read_results(path) == some_benchmark()


def test_folders_sort_by_time() -> None:
    early, late = datetime(2026, 9, 30, 23, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
    assert folder_for(Path(), early).name < folder_for(Path(), late).name


@pytest.mark.parametrize(
    ("low", "high", "target", "at_most", "holds"),
    [
        (0.95, 0.99, 0.95, False, True),
        (0.94, 0.99, 0.95, False, False),
        (1.0, 1.1, 1.1, True, True),
        (1.0, 1.2, 1.1, True, False),
        (1.0, 1.2, None, False, None),
    ],
)
def test_a_claim_holds_when_its_whole_interval_does(
    low: float, high: float, target: float | None, at_most: bool, holds: bool | None
) -> None:
    ratio = Interval((low + high) / 2, low, high)
    compared = Compared(
        scenario="batch", side="a", other="b", measure="rate", ratio=ratio, pairs=7, target=target, at_most=at_most
    )
    assert compared.holds is holds


def test_a_few_pairs_judge_nothing() -> None:
    few = some_benchmark().compared[0].model_copy(update={"pairs": 6})
    assert few.target is not None
    assert few.holds is None


def test_failures_of_all_sides_count() -> None:
    assert some_benchmark().failures == 3
