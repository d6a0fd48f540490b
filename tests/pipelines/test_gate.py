from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from app.adapters.artifact import verify
from app.adapters.classifiers import Classifier
from app.core.errors import ConfigError
from app.core.gate import Limits
from app.core.types import Prediction
from pipelines import evaluate, gate
from pipelines.classify import classify_here
from pipelines.contestants import Contestant
from pipelines.corpora import EvaluationSet
from pipelines.evaluate import Plan
from pipelines.results import TEST_SET
from tests.fakes.evaluation import WordClassifier, artifact_folder, labelled_set

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EASY = Limits(floor_kinds=(), ece_ceiling=1.0)


class Clock:
    """Stands still until a classifier moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Ticks(Clock):
    """Is a second later each time it is asked."""

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Slow(WordClassifier):
    """Takes so many seconds for a call."""

    def __init__(self, name: str, clock: Clock, seconds: Iterator[float]) -> None:
        super().__init__(name)
        self._clock, self._each = clock, seconds

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        self._clock.now += next(self._each)
        return super().classify(texts)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and artifact folders whose weights say which fake they stand for: keen, or blind to "dull"."""
    sets = {name: labelled_set(name, 300, event=name) for name in (TEST_SET, "one", "vader-tweets")}

    def evaluation_sets(folder: Path) -> dict[str, EvaluationSet]:
        return sets

    def artifact(folder: Path, *, threads: int) -> Contestant:
        name = verify(folder).model
        knows_dull = "blind" not in (folder / "model.onnx").read_text()
        make: Callable[[], Classifier] = partial(WordClassifier, name, knows_dull=knows_dull)
        return Contestant(name, "model", make, fingerprint=name)

    monkeypatch.setattr(evaluate, "evaluation_sets", evaluation_sets)
    monkeypatch.setattr(gate, "artifact", artifact)
    monkeypatch.setattr(evaluate, "write_report", lambda evaluation, folder: None)  # pictures take a second each
    for weights in ("keen", "keener", "blind", "blinder"):
        artifact_folder(tmp_path / weights, weights)
    return tmp_path


def compare(data: Path, challenger: str, champion: str | None, *, test: bool = False) -> gate.Verdict:
    return gate.compare(
        data / challenger,
        data / champion if champion else None,
        data,
        data / "out",
        plan=Plan(test=test, rounds=200, looks=data / "looks.jsonl"),
        limits=EASY,
        ask=classify_here,
        clock=Ticks(),
        now=NOW,
    )


def test_a_better_model_passes(data: Path) -> None:
    verdict = compare(data, "keen", "blind")
    assert verdict.passed
    assert verdict.decision.checks[0].text.startswith("better: mean macro recall 1.0000 against 0.8333")
    assert verdict.evidence.overall.difference.low > 0.1
    assert (verdict.evidence.mcnemar.only_first, verdict.evidence.mcnemar.only_second) == (0, 100)


def test_a_worse_model_is_refused_and_the_parts_are_named(data: Path) -> None:
    verdict = compare(data, "blind", "keen")
    assert not verdict.passed
    failed = {check.name: check.text for check in verdict.decision.checks if not check.passed}
    assert set(failed) == {"macro recall", "sets", "slices", "calibration"}
    assert "vader-tweets -0.1667" in failed["sets"]
    assert "emoji: without -0." in failed["slices"]
    assert [each.name for each in verdict.evidence.slices if each.name.startswith("event")] == []


def test_an_equal_model_passes(data: Path) -> None:
    verdict = compare(data, "keener", "keen")
    assert verdict.passed
    assert verdict.evidence.latency is not None
    assert verdict.evidence.latency.value == 1.0


def test_a_first_model_is_held_against_vader_where_vader_was_not_tuned(data: Path) -> None:
    verdict = compare(data, "keen", None)
    assert verdict.passed
    assert (verdict.first, verdict.evidence.champion, verdict.evidence.latency) == (True, "vader", None)
    assert verdict.evidence.overall.n == 300
    assert [each.name for each in verdict.evidence.sets] == ["one", "vader-tweets"]


def test_the_verdict_is_written(data: Path) -> None:
    verdict = compare(data, "blind", "keen")
    written = json.loads((data / "out" / "gate.json").read_text())
    assert written["passed"] is False
    assert written["reasons"] == list(verdict.decision.reasons)
    assert written["limits"]["recall_margin"] == EASY.recall_margin
    assert set(written["data"]) == {"one", "vader-tweets"}
    page = (data / "out" / "gate.md").read_text()
    assert page.startswith("# Gate: refused\n")
    assert all(reason in page for reason in verdict.decision.reasons)
    assert (data / "out" / "evaluation.json").is_file()


def test_the_frozen_test_set_is_only_used_with_leave_and_each_look_is_logged(data: Path) -> None:
    compare(data, "keen", "blind")
    assert not (data / "looks.jsonl").exists()
    verdict = compare(data, "keen", "blind", test=True)
    assert TEST_SET in verdict.data
    assert len((data / "looks.jsonl").read_text().splitlines()) == 2


def test_a_model_is_not_compared_with_itself(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"both hold tiny-.*: there is nothing to compare"):
        compare(data, "keen", "keen")


def test_latency_is_the_median_of_pairs_taken_in_turn() -> None:
    clock = Clock()
    # One warming call each, then seven; an outlier does not move the median.
    challenger = Slow("c", clock, iter([9.0, 3.0, 3.0, 3.0, 90.0, 3.0, 3.0, 3.0]))
    champion = Slow("o", clock, iter([9.0, *[2.0] * 7]))
    ratio = gate.latency_ratio(challenger, champion, ["a"], 1, clock=clock)
    assert ratio.value == 1.5
    assert ratio.low <= 1.5 <= ratio.high


def test_timed_texts_are_spread_over_the_sets() -> None:
    texts = gate.timed_texts([labelled_set("one", 2_000), labelled_set("two", 1_000)])
    assert len(texts) == 256
    assert {text.split()[0] for text in texts} == {"one", "two"}
    assert len(gate.timed_texts([labelled_set("one", 3)])) == 3


@pytest.mark.parametrize(("pair", "status"), [(("keen", "blind"), 0), (("blind", "keen"), 2), (("keen", "keen"), 1)])
def test_the_exit_status_says_it(
    data: Path,
    pair: tuple[str, str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gate.ray, "init", lambda **options: None)

    monkeypatch.setattr(gate, "compare", partial(gate.compare, ask=classify_here, clock=Ticks()))
    arguments = ["--challenger", str(data / pair[0]), "--champion", str(data / pair[1])]
    assert gate.main([*arguments, "--data", str(data), "--out", str(data / "out")]) == status
    printed = capsys.readouterr()
    if status == 1:
        assert printed.err.startswith("gate: ")
    else:
        assert json.loads(printed.out)["passed"] is (status == 0)
        assert bool(json.loads(printed.out)["reasons"]) is (status == 2)
