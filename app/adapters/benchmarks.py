"""What the serving benchmark found, and where the newest results lie: a folder in the state folder for each run.

    <state>/benchmarks/20261123T170500Z/results.json

`pipelines.benchmark` writes them; the dashboard and the API read the newest.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.significance import Interval

BENCHMARKS = "benchmarks"
RESULTS = "results.json"
LEAST_PAIRS = 7
"""Fewer pairs than this have no interval to judge by."""

_log = logging.getLogger(__name__)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Side(_Record):
    """One way to classify that took part.

    `memory_mb` is proportional (PSS), of everything the side needs to run; `core_memory_mb` is the part of it that
    only answers. `cost_batch` and `cost_single` are the price of a million messages, in batches and one by one with
    the most callers. `differs` is the largest difference of a probability to the reference side, `agrees` the share
    of texts with the same label. What was not measured is None.
    """

    name: str
    title: str
    kind: Literal["http", "process"]
    backend: str = ""
    memory_mb: float | None = None
    core_memory_mb: float | None = None
    startup_s: float | None = None
    cost_batch: float | None = None
    cost_single: float | None = None
    macro_recall: float | None = None
    differs: float | None = None
    agrees: float | None = None


class Measured(_Record):
    """A side in a scenario: medians over its turns. `rate` is texts a second; latencies are milliseconds a request."""

    scenario: str
    side: str
    callers: int
    texts_per_request: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    requests: int
    failures: dict[str, int] = Field(default_factory=dict)


class Compared(_Record):
    """A side over another one: the median of the paired ratios of `measure`, with its 95 % interval.

    With a `target` and at least LEAST_PAIRS pairs the claim holds when the whole interval keeps it: from it upwards, or
    downwards where `at_most`.
    """

    scenario: str
    side: str
    other: str
    measure: Literal["rate", "p50"]
    ratio: Interval
    pairs: int
    target: float | None = None
    at_most: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept; None where there is none, or too few pairs to tell."""
        if self.target is None or self.pairs < LEAST_PAIRS:
            return None
        return self.ratio.high <= self.target if self.at_most else self.ratio.low >= self.target


class Conditions(_Record):
    """What it was measured on and how. `load` is the load average a minute: before, and the highest during the run."""

    commit: str
    hardware: str
    threads: int
    pairs: int
    seconds: float
    texts: str
    labelled: str = ""
    price_per_hour: float
    load: tuple[float, float]
    quick: bool = False


class Benchmark(_Record):
    """One run. `hop_ms` is what one caller waits longer over HTTP than in process, at the median, with its interval."""

    made_at: datetime
    model: str
    conditions: Conditions
    scenarios: dict[str, str]
    sides: tuple[Side, ...]
    measured: tuple[Measured, ...]
    compared: tuple[Compared, ...]
    left_out: dict[str, str] = Field(default_factory=dict)
    hop_ms: Interval | None = None
    repeats_identical: bool | None = None

    @property
    def failures(self) -> int:
        """Requests that were not answered with 200 and predictions, of all sides."""
        return sum(sum(each.failures.values()) for each in self.measured)

    def title(self, side: str) -> str:
        """A side as people call it."""
        return next((each.title for each in self.sides if each.name == side), side)

    def of(self, scenario: str, side: str) -> Measured | None:
        """What a side did in a scenario; None if it did not take part."""
        return next((each for each in self.measured if (each.scenario, each.side) == (scenario, side)), None)


def folder_for(state_dir: Path, made_at: datetime) -> Path:
    """Where a run of that time (UTC) puts its results."""
    return state_dir / BENCHMARKS / f"{made_at:%Y%m%dT%H%M%SZ}"


def write_results(folder: Path, found: Benchmark) -> Path:
    """Write the results into the folder, whole or not at all; gives the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS
    draft = path.with_suffix(".part")
    draft.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)
    return path


def read_results(path: Path) -> Benchmark | None:
    """The results in a file; None, with a line in the log, when it is not there or can't be read as such."""
    try:
        return Benchmark.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.warning("%s can't be read as the results of a benchmark: %s", path, error)
        return None


def newest(state_dir: Path) -> Benchmark | None:
    """The newest results that can be read; None when there are none."""
    files = sorted((state_dir / BENCHMARKS).glob(f"*/{RESULTS}"), reverse=True)
    return next((found for path in files if (found := read_results(path)) is not None), None)
