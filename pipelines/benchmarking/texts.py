"""The texts that the benchmark rests on, and labelled ones for the quality."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import ConfigError
from app.core.text import model_text
from pipelines.benchmarking.children import ROOT
from pipelines.dataset import INDEX, as_text, class_index, read_columns

SAMPLE = ROOT / "samples" / "lumen-watch-launch.jsonl"
_LABELLED = Path("tweeteval") / "validation.parquet"
_UNSEEN = Path("tweeteval") / "semeval2016_devtest.parquet"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with their class indices; empty where there is no data. `words` say what they are."""

    texts: Sequence[str] = ()
    labels: Sequence[int] = ()
    words: str = ""


def base_texts(file: Path | None, data: Path | None, most: int) -> tuple[list[str], str]:
    """Different texts that turns are made of, and what they are in words: of `file`, or `data`, or the sample.

    Raises ConfigError when a file can't be read or holds no text.
    """
    if file is not None:
        files = [file]
    elif data is not None:
        files = [*([data / _UNSEEN] if (data / _UNSEEN).is_file() else []), data / _LABELLED]
    else:
        files = [SAMPLE]
    chosen = distinct([text for path in files for text in read_texts(path)], most)
    if not chosen:
        raise ConfigError(f"{files[0]} holds no text")
    names = " and ".join(path.name for path in files)
    return chosen, f"{len(chosen):,} different texts of {names}, with a new number behind each in every turn"


def labelled_texts(data: Path | None, most: int | None) -> Labelled:
    """The validation part of TweetEval below `data`, never a test set; nothing without `data`. Raises ConfigError."""
    if data is None:
        return Labelled()
    path = data / _LABELLED
    columns = read_columns(path, ["text", "label"])
    texts = [as_text(text, path) for text in columns["text"][:most]]
    labels = [class_index(label, INDEX, path) for label in columns["label"][:most]]
    return Labelled(texts, labels, f"{len(labels):,} texts of TweetEval's validation part")


def read_texts(path: Path) -> list[str]:
    """The texts of a Parquet file (column text), of JSON lines (field text), or of the lines of any other file.

    Raises ConfigError, naming the file, when it is not there or holds something else.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not there: give a file of texts with --texts")
    try:
        if path.suffix == ".parquet":
            found: list[object] = list(read_columns(path, ["text"])["text"])
        elif path.suffix == ".jsonl":
            found = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line]
        else:
            found = list(path.read_text(encoding="utf-8").splitlines())
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} can't be read: expected JSON lines with the field text") from error
    return [as_text(each, path) for each in found]


def distinct(texts: Sequence[str], most: int) -> list[str]:
    """The first texts that the model tells apart, and that have something to read; at most so many."""
    kept: dict[str, str] = {}
    for text in texts:
        kept.setdefault(model_text(text), text)
    return [text for read, text in kept.items() if read][:most]
