"""A model called without a server, in a process of its own: what HTTP, routing and queueing are measured against.

    python -m pipelines.benchmarking.inprocess --side raw-best --model models/default --threads 2

One JSON object a line in, one a line out. The first line gives the base texts, {"texts": [...]}, and is answered by
what was loaded; then {"turn": {...}} of a `Calls` is answered by its turn and {"ask": [...]} by probabilities.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
import onnxruntime as ort

from app.adapters.artifact import ONNX
from app.adapters.backends import load
from app.adapters.onnx import OnnxClassifier
from app.adapters.tokens import Logits, padded
from app.core.errors import AppError
from app.core.types import CLASSES, Prediction
from pipelines.benchmarking.statistics import Turn
from pipelines.benchmarking.stream import numbered

USUAL_BATCH = 32


class Texts(Protocol):
    """Anything that classifies texts."""

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order."""


class UsualOnnx(OnnxClassifier):
    """ONNX Runtime called the usual way: in the order of arrival, 32 texts a call, padded to the longest of them.

    All threads work on one call, and all options but their number are those that ONNX Runtime comes with.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        super().__init__(folder, threads=threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])

    def logits(self, rows: Sequence[Sequence[int]]) -> Logits:
        """Logits of shape [rows, classes], in the order of the token rows."""
        logits = np.zeros((len(rows), len(CLASSES)), dtype=np.float32)
        for start in range(0, len(rows), USUAL_BATCH):
            logits[start : start + USUAL_BATCH] = self._run(*padded(rows[start : start + USUAL_BATCH]))
        return logits


def _vader(folder: Path, threads: int) -> Texts:
    # It brings scikit-learn, which the others are measured without.
    from pipelines.baselines import Vader

    return Vader()


SIDES: dict[str, Callable[[Path, int], Texts]] = {
    "raw-best": lambda folder, threads: OnnxClassifier(folder, threads=threads),
    "raw-usual": lambda folder, threads: UsualOnnx(folder, threads=threads),
    "openvino": lambda folder, threads: load(folder, "openvino", threads=threads),
    "torch-cpu": lambda folder, threads: load(folder, "torch-cpu", threads=threads),
    "vader": _vader,
}


@dataclass(frozen=True, slots=True)
class Calls:
    """One turn: calls of `per_call` texts, numbered from `start`, until both `seconds` and `texts` have passed."""

    start: int
    per_call: int
    seconds: float
    texts: int = 0


def take_turn(classifier: Texts, calls: Calls, base: Sequence[str]) -> Turn:
    """Call the classifier; a latency is that of one call."""
    texts = numbered(base, calls.start)
    latencies: list[float] = []
    done = 0
    begun = time.perf_counter()
    while done < calls.texts or time.perf_counter() - begun < calls.seconds:
        chosen = list(islice(texts, calls.per_call))
        called = time.perf_counter()
        classifier.classify(chosen)
        latencies.append(time.perf_counter() - called)
        done += len(chosen)
    return Turn(done, time.perf_counter() - begun, tuple(latencies))


def serve(side: str, folder: Path, threads: int, out: TextIO) -> int:
    """Load the side and answer line by line until the input ends; gives the exit status."""

    def say(answer: object) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    base: list[str] = json.loads(sys.stdin.readline())["texts"]
    try:
        classifier = SIDES[side](folder, threads)
        backend = classifier.classify(base[:1])[0].backend
    except (AppError, ImportError, NotImplementedError) as error:
        say({"left_out": str(error) or type(error).__name__})
        return 1
    say({"backend": backend})
    for line in sys.stdin:
        order = json.loads(line)
        if "turn" in order:
            say(asdict(take_turn(classifier, Calls(**order["turn"]), base)))
        else:
            say([prediction.probabilities for prediction in classifier.classify(order["ask"])])
    return 0


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.benchmarking.inprocess", description="A side in process."
    )
    parser.add_argument("--side", choices=sorted(SIDES), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args(arguments)
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is no answer
        return serve(options.side, options.model, options.threads, out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
