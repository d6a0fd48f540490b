from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.errors import ConfigError
from pipelines import evaluate as module
from pipelines.classify import Answers, classify_here
from pipelines.contestants import Contestant, artifact, baselines
from pipelines.corpora import EvaluationSet
from pipelines.evaluate import Plan, chosen_sets, evaluate, main, parse_arguments, plan_of
from pipelines.results import TEST_SET, Evaluation, read_evaluation
from tests.fakes.evaluation import artifact_folder, contestant, labelled_set

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
SETS = (labelled_set("one"), labelled_set("two", 30))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report: its pictures take a second each."""
    monkeypatch.setattr(module, "write_report", lambda evaluation, folder: None)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the frozen test set and two others."""
    found = {name: labelled_set(name, 40) for name in (TEST_SET, "one", "two")}

    def evaluation_sets(folder: Path) -> dict[str, EvaluationSet]:
        return found if folder == tmp_path else {}

    monkeypatch.setattr(module, "evaluation_sets", evaluation_sets)
    return tmp_path


def run(out: Path, *contestants: Contestant, plan: Plan, sets: tuple[EvaluationSet, ...] = SETS) -> Evaluation:
    return evaluate(contestants, sets, out, plan, NOW, ask=classify_here).evaluation


def plan(folder: Path, *, test: bool = False) -> Plan:
    return Plan(test=test, rounds=50, looks=folder / "looks.jsonl")


def test_the_frozen_test_set_is_left_out(data: Path) -> None:
    assert [each.name for each in chosen_sets(data, Plan())] == ["one", "two"]


def test_a_release_look_has_it(data: Path) -> None:
    assert [each.name for each in chosen_sets(data, Plan(test=True))] == [TEST_SET, "one", "two"]


def test_sets_by_name_and_only_their_first_texts(data: Path) -> None:
    (found,) = chosen_sets(data, Plan(names=("two",), limit=7))
    assert (found.name, len(found.texts), len(found.labels)) == ("two", 7, 7)
    assert (len(found.sources), len(found.events)) == (7, 7)


@pytest.mark.parametrize(
    ("names", "said"), [((TEST_SET,), "frozen test set"), (("three",), "no set called three: there are tweeteval-test")]
)
def test_sets_that_may_not_be_had_are_named(data: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        chosen_sets(data, Plan(names=names))


def test_a_folder_without_sets_is_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match="no labelled set"):
        chosen_sets(data / "elsewhere", Plan())


def test_everything_is_written_and_reads_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run(out, contestant(), contestant("words-2", knows_dull=False), plan=plan(tmp_path))
    assert read_evaluation(out) == found == read_evaluation(out / "evaluation.json")
    assert [(each.name, each.n, each.labels) for each in found.data] == [
        ("one", 90, (30, 30, 30)),
        ("two", 30, (10,) * 3),
    ]
    better, worse = found.results
    assert better.sets[0].macro_recall.value == 1.0
    assert worse.sets[0].macro_recall.value == pytest.approx((0.5 + 1 + 1) / 3)
    assert (found.test_look, found.limit, found.made_at) == (False, None, "2026-11-23T12:00:00+00:00")
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "report.md", "pictures", "predictions"}
    assert len(list((out / "predictions").iterdir())) == 2


def test_results_hold_no_text_of_a_set(tmp_path: Path) -> None:
    run(tmp_path, contestant(), plan=plan(tmp_path))
    written = [path.read_text() for path in (tmp_path / "evaluation.json", tmp_path / "report.md")]
    assert [text for text in SETS[0].texts for page in written if text in page] == []


def test_a_text_in_two_sets_is_classified_once(plain: None, tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(make: object, texts: Iterable[str]) -> Answers:
        asked.extend(dict.fromkeys(texts))
        return classify_here(contestant().make, texts)

    again = labelled_set("one", 30)
    evaluate([contestant()], (SETS[0], again), tmp_path, plan(tmp_path), NOW, ask=ask)
    assert sum(text == again.texts[0] for text in asked) == 1


def test_earlier_answers_of_the_same_files_are_used_again(plain: None, tmp_path: Path) -> None:
    first = run(tmp_path / "first", contestant(fingerprint="f"), plan=plan(tmp_path), sets=SETS[:1])
    asked: list[str] = []

    def ask(make: object, texts: Iterable[str]) -> Answers:
        asked.extend(texts)
        return classify_here(contestant().make, asked)

    second = evaluate(
        [contestant(fingerprint="f")],
        SETS,
        tmp_path / "second",
        plan(tmp_path),
        NOW,
        ask=ask,
        earlier=tmp_path / "first",
    )
    assert sorted(asked) == sorted(SETS[1].texts)
    assert second.evaluation.results[0].sets[0] == first.results[0].sets[0]
    assert second.evaluation.results[0].behaviour == first.results[0].behaviour


def test_each_release_look_is_a_line(plain: None, tmp_path: Path) -> None:
    frozen = (labelled_set(TEST_SET), *SETS)
    for _ in range(2):
        run(tmp_path / "out", contestant(), plan=plan(tmp_path, test=True), sets=frozen)
    first, second = map(json.loads, (tmp_path / "looks.jsonl").read_text().splitlines())
    assert first == second
    assert (first["model"], first["set"], first["n"], first["macro_recall"]) == ("words-1", TEST_SET, 90, 1.0)
    assert first["sha256"] == frozen[0].sha256


def test_no_look_writes_no_line(plain: None, tmp_path: Path) -> None:
    run(tmp_path / "out", contestant(), plan=plan(tmp_path))
    assert not (tmp_path / "looks.jsonl").exists()


def test_one_model_twice_is_refused(plain: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="words-1 takes part twice"):
        run(tmp_path, contestant(), contestant(), plan=plan(tmp_path))


def test_another_schema_is_refused(plain: None, tmp_path: Path) -> None:
    run(tmp_path, contestant(), plan=plan(tmp_path))
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))
    with pytest.raises(ConfigError, match=r"evaluation\.json is no evaluation of schema 1"):
        read_evaluation(tmp_path)
    with pytest.raises(ConfigError, match=r"can't be read: run pipelines\.evaluate first"):
        read_evaluation(tmp_path / "none")


def test_equal_files_have_equal_fingerprints(tmp_path: Path) -> None:
    one, copy, other = (artifact_folder(tmp_path / name, name[0]) for name in ("a1", "a2", "b"))
    assert artifact(one).fingerprint == artifact(copy).fingerprint != artifact(other).fingerprint


def test_baselines_need_something_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.parquet is not there: the baselines learn from it"):
        baselines(tmp_path)


@pytest.mark.parametrize("text", ["one,two", " one , two ,", None])
def test_names_on_the_command_line(text: str | None) -> None:
    given = ["--data", "d", "--out", "o", *(["--sets", text] if text else [])]
    assert plan_of(parse_arguments(given)).names == (("one", "two") if text else None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "nothing to evaluate: give --model FOLDER"), (["--model", "nowhere"], "nowhere/manifest.json is not there")],
)
def test_a_wrong_call_is_one_line(
    data: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.ray, "init", lambda **options: None)
    assert main([*arguments, "--data", str(data), "--out", str(data / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("evaluate: ")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_the_packaged_model_is_evaluated(ray_cluster: None, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "out"
    arguments = ["--model", str(ROOT / "models" / "default"), "--data", str(data), "--out", str(out), "--rounds", "50"]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)["macro_recall"]
    (model,) = read_evaluation(out).results
    assert printed == {model.model: {each.name: round(each.macro_recall.value, 4) for each in model.sets}}
    assert model.texts_per_s > 0
    assert min(printed[model.model].values()) > 0.5
