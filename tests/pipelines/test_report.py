from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.errors import ConfigError, ModelNotFound
from pipelines import card, report
from pipelines.classify import classify_here
from pipelines.contestants import artifact, vader
from pipelines.evaluate import Plan, evaluate
from pipelines.pictures import write_pictures
from pipelines.results import TEST_SET, Evaluation, write_evaluation
from tests.fakes.evaluation import artifact_folder, contestant, labelled_set

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's artifact folder, and beside it an evaluation with and one without the frozen test set."""
    base = tmp_path_factory.mktemp("report")
    model = artifact(artifact_folder(base / "model"))
    words = replace(model, make=contestant(model.name, knows_dull=False).make)
    for name, sets in (("plain", ("one",)), ("look", (TEST_SET, "one"))):
        labelled = tuple(labelled_set(each) for each in sets)
        evaluate((words, vader()), labelled, base / name, Plan(rounds=50, looks=base / "looks"), NOW, ask=classify_here)
    return base


def evaluation(folder: Path, name: str = "plain") -> Evaluation:
    return report.read_evaluation(folder / name)


def rows(page: str, start: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith(f"| {start}")]


def test_every_table_has_as_many_cells_in_each_row(folder: Path) -> None:
    for page in ((folder / "look" / "report.md").read_text(), _card(folder, "look")):
        for block in re.findall(r"(?:^\|.*\|\n)+", page, flags=re.MULTILINE):
            lines = block.splitlines()
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines[0]
            assert len(lines) > 2


def test_the_report_shows_each_set_with_intervals_and_the_best_in_bold(folder: Path) -> None:
    row = rows((folder / "plain" / "report.md").read_text(), "one | 90")[0]
    cells = re.findall(r"(\*\*)?(0\.\d{3}) \(0\.\d{3} to 0\.\d{3}\)", row)
    assert next(value for _, value in cells) == "0.833"
    assert [value for bold, value in cells if bold] == [max(value for _, value in cells)]


def test_pictures_that_are_shown_are_there(folder: Path) -> None:
    for name, number in (("plain", 3), ("look", 4)):
        page = (folder / name / "report.md").read_text()
        shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
        assert len(shown) == len(set(shown)) == number
        assert all((folder / name / path).read_bytes().startswith(b"\x89PNG") for path in shown)


def test_the_ladder_is_only_there_with_the_frozen_test_set(folder: Path) -> None:
    plain, look = ((folder / name / "report.md").read_text() for name in ("plain", "look"))
    assert "BERTweet" not in plain
    assert "was left out" in plain
    ladder = [line for line in look.splitlines() if "BERTweet" in line or "**tiny-" in line]
    assert len(ladder) == 2
    assert "this evaluation" in ladder[0]
    assert len(re.findall(r"^\| \**vader", look, flags=re.MULTILINE | re.IGNORECASE)) == 1


def test_a_quick_look_says_so(folder: Path) -> None:
    quick = evaluation(folder).model_copy(update={"limit": 40})
    assert "only the first 40 texts" in report.report(quick)
    assert "first 40 texts" in card.card(artifact_manifest(folder), quick, SIZES)


def test_the_report_is_made_anew_from_its_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_evaluation(evaluation(folder), tmp_path)
    assert report.main(["--evaluation", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_text() == (folder / "plain" / "report.md").read_text()
    assert capsys.readouterr().out == f"{tmp_path / 'report.md'}\n"


def test_pictures_are_drawn_alike_each_time(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pictures(evaluation(folder), tmp_path / name)
    one, other = (sorted((tmp_path / name / "pictures").iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_folder_without_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--evaluation", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("report: ")


SIZES = {"model.onnx": 7, "tokenizer.json": 2}


def artifact_manifest(folder: Path) -> card.Manifest:
    return card.verify(folder / "model")


def _card(folder: Path, name: str = "plain") -> str:
    return card.card(artifact_manifest(folder), evaluation(folder, name), SIZES)


def test_the_cards_figures_are_those_of_the_evaluation(folder: Path) -> None:
    found = evaluation(folder).results[0].sets[0]
    page = _card(folder)
    assert f"| one | 90 | {found.macro_recall.value:.3f} ({found.macro_recall.low:.3f} to" in page
    assert "| licence | Apache-2.0 |" in page
    assert page.count("Not recorded.") == 2
    assert "The frozen test set was not scored." in page
    assert "Lowest recall of a class: 0.50, negative on one." in page
    assert len([row for row in rows(page, "one | 90") if "0.833" in row]) == 2


def test_the_card_tells_the_records_without_curves_and_matrices(folder: Path) -> None:
    fit = {"config": {"seed": 7, "base": None}, "prior": [0.2, 0.8], "histories": {"a": [{"loss": 1}]}, "m": [[1, 2]]}
    page = card.card(artifact_manifest(folder), evaluation(folder), SIZES, fit, {"agreement": 0.993})
    assert "| config.seed | `7` |" in page
    assert "| prior | `[0.2, 0.8]` |" in page
    assert "| agreement | `0.993` |" in page
    assert [word for word in ("config.base", "histories", "| m |", "Not recorded") if word in page] == []


def test_the_card_is_written_into_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model" / "parity.json").write_text('{"label_agreement": 0.995}')
    (folder / "fit.json").write_text('{"seed": 11}')
    arguments = ["--model", str(folder / "model"), "--evaluation", str(folder / "plain")]
    assert card.main([*arguments, "--fit", str(folder / "fit.json")]) == 0
    page = (folder / "model" / "README.md").read_text()
    assert "| label_agreement | `0.995` |" in page
    assert "| seed | `11` |" in page
    assert capsys.readouterr().out == f"{folder / 'model' / 'README.md'}\n"


def test_an_evaluation_of_another_model_makes_no_card(folder: Path, tmp_path: Path) -> None:
    other = artifact_folder(tmp_path / "other", "other weights")
    with pytest.raises(ConfigError, match=r"the evaluation is of tiny-.*, vader, not of tiny-"):
        card.write_card(other, evaluation(folder))
    with pytest.raises(ModelNotFound):
        card.write_card(tmp_path, evaluation(folder))


@pytest.mark.parametrize(("content", "said"), [("no", "can't be read as JSON"), ("[]", "holds no JSON object")])
def test_a_record_that_is_none_is_one_line(
    folder: Path, tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fit.json").write_text(content)
    arguments = ["--model", str(folder / "model"), "--evaluation", str(folder / "plain")]
    assert card.main([*arguments, "--fit", str(tmp_path / "fit.json")]) == 1
    assert said in capsys.readouterr().err
