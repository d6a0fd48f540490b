"""What an evaluation found, as it is written to `evaluation.json`: one versioned schema for reports, cards and gates.

Scores and shares are in 0..1. Class tuples follow `app.core.types.CLASSES`. No text of a data set is in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.core.errors import ConfigError

EVALUATION = "evaluation.json"
TEST_SET = "tweeteval-test"


class Frozen(BaseModel):
    """A record that is never changed and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Frozen):
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Bin(Frozen):
    """The texts with a confidence in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class CalibrationResult(Frozen):
    """See `app.core.metrics.Calibration`."""

    ece: Estimate
    ece_equal_mass: float
    brier: float
    nll: float
    curve: tuple[Bin, ...]


class SliceResult(Frozen):
    """A part of a set. `classes` is how many of the classes occur in it: the mean is over those."""

    dimension: str
    value: str
    n: int
    classes: int
    macro_recall: Estimate
    accuracy: float


class SetResult(Frozen):
    """One classifier on one set. `calibration` is None for a classifier whose outputs are no probabilities."""

    name: str
    n: int
    accuracy: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: CalibrationResult | None
    slices: tuple[SliceResult, ...]


class Failure(Frozen):
    """A behavioural test that failed; `text` (and `changed`, its counterpart) are sentences of this project."""

    text: str
    changed: str | None
    expected: str
    got: str


class BehaviourResult(Frozen):
    """One kind of behavioural test, with a few of its failures."""

    kind: str
    rule: str
    n: int
    passed: int
    examples: tuple[Failure, ...]

    @property
    def rate(self) -> float:
        """The part that passed."""
        return self.passed / self.n


class ClassifierResult(Frozen):
    """All that was found about one classifier; `texts_per_s` is without loading, on whatever else the machine did."""

    model: str
    backend: str
    role: Literal["model", "baseline"]
    texts_per_s: float
    sets: tuple[SetResult, ...]
    behaviour: tuple[BehaviourResult, ...]

    def on(self, name: str) -> SetResult | None:
        """The result on the set of that name."""
        return next((each for each in self.sets if each.name == name), None)


class SetFacts(Frozen):
    """A set that was scored: its hash and its labels by class."""

    name: str
    sha256: str
    labels: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of texts."""
        return sum(self.labels)


class Evaluation(Frozen):
    """A whole evaluation. `limit` is the most texts of a set, None for all.

    `test_look` says whether the frozen test set was scored.
    """

    schema_version: Literal[1] = 1
    made_at: str
    commit: str | None
    hardware: str
    seed: int
    rounds: int
    limit: int | None
    test_look: bool
    data: tuple[SetFacts, ...]
    results: tuple[ClassifierResult, ...]

    def model(self, name: str) -> ClassifierResult | None:
        """The result of the classifier of that name."""
        return next((each for each in self.results if each.model == name), None)


def file_name(model: str) -> str:
    """The name of a model as a file may bear it."""
    return re.sub(r"[^\w.-]", "_", model)


def write_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write `evaluation.json` into a folder that exists; gives its path."""
    path = folder / EVALUATION
    path.write_text(evaluation.model_dump_json(indent=1) + "\n")
    return path


def read_evaluation(path: Path) -> Evaluation:
    """Read an `evaluation.json`, given itself or its folder. Raises ConfigError, naming the file."""
    file = path / EVALUATION if path.is_dir() else path
    try:
        return Evaluation.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} can't be read: run pipelines.evaluate first ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{file} is no evaluation of schema 1: {error.errors()[0]['msg']}") from error
