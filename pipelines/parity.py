"""How an artifact compares with full precision on the same texts: labels, scores, probabilities, speed.

Agreement and scores are pooled over the sets, so that they rest on as many texts as there are. Speed is the median of
paired ratios from one run in which both sides take turns on the same token rows; a claim holds when the lower end of
its 95 % interval does.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import onnxruntime

from app.adapters.onnx import TOKENS_PER_CALL
from app.adapters.tokens import Logits, softmax
from app.core.metrics import score
from app.core.prevalence import Share, share
from app.core.significance import Interval
from pipelines.dataset import LabelledTexts

_ROUNDS = 2000
_SEED = 20261123


class Scorer(Protocol):
    """What is compared: `app.adapters.tokens.TokenClassifier` is one."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""

    def logits(self, rows: Sequence[Sequence[int]]) -> Logits:
        """Logits of shape [rows, classes]."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an artifact must keep: at least this share of the labels, at most so many points of macro recall lost, at
    least so many times the speed.
    """

    agreement: float = 0.99
    recall_loss: float = 0.3
    speed: float = 1.8


@dataclass(frozen=True, slots=True)
class Timing:
    """How to time: the turns of each side, and the texts of one turn. Turns of about a second are long beside the
    clock and short beside what else the machine does, so that both sides of a pair meet the same load.
    """

    pairs: int = 31
    texts: int = 128


@dataclass(frozen=True, slots=True)
class Closeness:
    """One set, or all of them: the share of texts with the label of full precision (with its Wilson interval), both
    macro recalls, the loss in points (negative: a gain), and the largest and mean difference of a probability.
    """

    n: int
    agreement: Share
    full_macro_recall: float
    macro_recall: float
    recall_loss: float
    largest_difference: float
    mean_difference: float


@dataclass(frozen=True, slots=True)
class Speed:
    """`ratio`: how many times as fast as full precision, with its bootstrap interval; the rates are texts a second."""

    ratio: Interval
    full_rate: float
    rate: float
    pairs: int
    texts: int
    threads: int


@dataclass(frozen=True, slots=True)
class Parity:
    """The report. `weights` compares the GPU weights with full precision, in their own precision on the CPU."""

    pooled: Closeness
    sets: dict[str, Closeness]
    speed: Speed
    limits: Limits
    weights: Closeness | None
    conditions: dict[str, str]

    @property
    def failures(self) -> tuple[str, ...]:
        """What the artifact does not keep, in words; empty when it is good."""
        found = [*_too_far("", self.pooled, self.limits)]
        if self.weights is not None:
            found += _too_far("GPU weights: ", self.weights, self.limits)
        if self.speed.ratio.low < self.limits.speed:
            found.append(
                f"{self.speed.ratio.value:.2f} times the speed of fp32, at least {self.speed.ratio.low:.2f} with 95 % "
                f"confidence: it must be {self.limits.speed}"
            )
        return tuple(found)

    @property
    def summary(self) -> dict[str, float]:
        """The three figures that the manifest names."""
        return {
            "agreement": round(self.pooled.agreement.value, 4),
            "recall_loss": round(self.pooled.recall_loss, 2),
            "speed": round(self.speed.ratio.value, 2),
        }

    def to_json(self) -> str:
        """The report as JSON text, with the failures."""
        return json.dumps({**asdict(self), "failures": self.failures}, indent=2) + "\n"


def measure(
    full: Scorer,
    artifact: Scorer,
    sets: Mapping[str, LabelledTexts],
    *,
    threads: int,
    limits: Limits,
    timing: Timing,
    weights: Scorer | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Parity:
    """Compare on all texts of `sets` and time on some of them. `threads` is what both sides were loaded with.

    Raises ValueError when there is no text.
    """
    rows = {name: full.encode(texts.texts) for name, texts in sets.items()}
    labels = {name: texts.labels for name, texts in sets.items()}
    reference = {name: full.logits(found) for name, found in rows.items()}
    answers = {name: artifact.logits(found) for name, found in rows.items()}
    everything = [row for found in rows.values() for row in found]
    return Parity(
        pooled=_pooled(labels, reference, answers),
        sets={name: closeness(labels[name], reference[name], answers[name]) for name in sets},
        speed=race(full, artifact, everything, threads=threads, timing=timing, clock=clock),
        limits=limits,
        weights=None
        if weights is None
        else _pooled(labels, reference, {name: weights.logits(found) for name, found in rows.items()}),
        conditions=_conditions(),
    )


def closeness(labels: Sequence[int], full: Logits, found: Logits) -> Closeness:
    """Compare logits of shape [texts, classes] on texts with these class indices. Raises ValueError without texts."""
    first, second = full.argmax(axis=1), found.argmax(axis=1)
    full_scores, scores = score(labels, first.tolist()), score(labels, second.tolist())
    agreement = share(int((first == second).sum()), len(labels))
    if agreement is None:
        raise ValueError("there is no text to compare on")
    difference = np.abs(softmax(full) - softmax(found))
    return Closeness(
        n=len(labels),
        agreement=agreement,
        full_macro_recall=full_scores.macro_recall,
        macro_recall=scores.macro_recall,
        recall_loss=100 * (full_scores.macro_recall - scores.macro_recall),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
    )


def race(
    full: Scorer,
    artifact: Scorer,
    rows: Sequence[Sequence[int]],
    *,
    threads: int,
    timing: Timing,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Time both on the same rows, in turns, after one warm-up each; `timing.texts` rows spread over all of them."""
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, min(timing.texts, len(rows)), dtype=int)]

    def seconds(side: Scorer) -> float:
        started = clock()
        side.logits(chosen)
        return clock() - started

    seconds(full), seconds(artifact)
    turns = np.array([(seconds(full), seconds(artifact)) for _ in range(timing.pairs)])
    ratios = turns[:, 0] / turns[:, 1]
    drawn = np.random.default_rng(_SEED).choice(ratios, size=(_ROUNDS, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    full_rate, rate = len(chosen) / np.median(turns, axis=0)
    return Speed(
        ratio=Interval(float(np.median(ratios)), float(low), float(high)),
        full_rate=float(full_rate),
        rate=float(rate),
        pairs=timing.pairs,
        texts=len(chosen),
        threads=threads,
    )


def _pooled(labels: Mapping[str, Sequence[int]], full: Mapping[str, Logits], found: Mapping[str, Logits]) -> Closeness:
    everything = [label for name in full for label in labels[name]]
    return closeness(everything, np.concatenate([*full.values()]), np.concatenate([found[name] for name in full]))


def _too_far(what: str, found: Closeness, limits: Limits) -> list[str]:
    failures = []
    if found.agreement.value < limits.agreement:
        failures.append(
            f"{what}the label of fp32 on {found.agreement.value:.2%} of {found.n:,} texts: it must be "
            f"{limits.agreement:.0%}"
        )
    if found.recall_loss > limits.recall_loss:
        failures.append(
            f"{what}{found.recall_loss:.2f} points of macro recall lost: it must be at most {limits.recall_loss}"
        )
    return failures


def _conditions() -> dict[str, str]:
    """The machine and its state, for who reads the speed."""
    return {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "onnxruntime": onnxruntime.__version__,
        "tokens_per_call": str(TOKENS_PER_CALL),
        "python": platform.python_version(),
    }
