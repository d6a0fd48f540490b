"""Who takes part in an evaluation: model folders and baselines, each as a recipe that a worker can follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from app.adapters.artifact import CONFUSION, verify
from app.adapters.classifiers import TextClassifier
from app.adapters.onnx import OnnxClassifier
from app.core.errors import ConfigError
from pipelines.baselines import Majority, TfidfLinear, Vader
from pipelines.dataset import load_labelled

TRAIN = Path("tweeteval") / "train.parquet"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A classifier that is made where it runs: `make` travels to the worker, the loaded model never does.

    `probabilistic` is False when its outputs are a scale and no probabilities. `fingerprint` is equal only for equal
    files; None where answers must not be used again.
    """

    name: str
    role: Literal["model", "baseline"]
    make: Callable[[], TextClassifier]
    probabilistic: bool = True
    fingerprint: str | None = None


def artifact(folder: Path, *, threads: int = 2) -> Contestant:
    """The model in an artifact folder. Raises ModelNotFound when it does not verify."""
    manifest = verify(folder)
    # What an evaluation found out about a model is no part of what answers.
    files = json.dumps({name: found for name, found in manifest.files.items() if name != CONFUSION}, sort_keys=True)
    make = partial(OnnxClassifier, folder.resolve(), threads=threads)
    return Contestant(manifest.model, "model", make, fingerprint=hashlib.sha256(files.encode()).hexdigest())


def vader() -> Contestant:
    """The word list that needs no training."""
    return Contestant(Vader.model, "baseline", Vader, probabilistic=False)


def baselines(data: Path) -> tuple[Contestant, ...]:
    """Majority, VADER and the linear model, trained on the TweetEval part of the data folder where they learn.

    Raises ConfigError when that is not there.
    """
    train = data.resolve() / TRAIN
    if not train.is_file():
        raise ConfigError(f"{train} is not there: the baselines learn from it; leave out --baselines or mend --data")
    return (
        Contestant(Majority.model, "baseline", partial(_majority, train)),
        vader(),
        Contestant(TfidfLinear.model, "baseline", partial(_tfidf_linear, train)),
    )


def _majority(train: Path) -> TextClassifier:
    return Majority(load_labelled(train).labels)


def _tfidf_linear(train: Path) -> TextClassifier:
    return TfidfLinear(load_labelled(train))
