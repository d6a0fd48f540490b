"""The named data sets: what is in them, their traps, and which of them may be learnt from.

    python -m pipelines.corpora --data DIR     # DIR holds tweeteval/, sentiment140/, events/, news/, human_rated/
    python -m pipelines.corpora                # TweetEval and Sentiment140 from the Hugging Face hub

prints a JSON line for each part: rows, classes, hash, and how many training rows were too near a held-out text. With
DIR: a minute or two on a laptop.

Posts that the product itself collected on X are in none of these and come in by one door, `feedback`, which keeps
them out of training unless it is told otherwise: the terms of X forbid training on what its API delivers.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from huggingface_hub import snapshot_download

from app.core.errors import AppError, ConfigError
from app.core.text import model_text
from app.core.types import CLASSES
from pipelines.dataset import (
    INDEX,
    NAMES,
    LabelledTexts,
    X,
    apart,
    as_text,
    balanced,
    barred,
    class_index,
    labelled,
    load_texts,
    read_columns,
    texts_sha256,
)
from pipelines.neighbours import repeated

log = logging.getLogger(__name__)

# (repository, configuration, revision) -> the folder of that configuration, with its Parquet files.
Download: TypeAlias = Callable[[str, str, str], Path]

TRAIN, VALIDATION, DEVTEST, TEST = "train", "validation", "devtest", "test"
# The evaluation sets by which a model may be chosen. The others are looked at once a release.
TO_CHOOSE_BY = ("tweeteval-validation", "semeval2016-devtest")

_POLARITY: Mapping[object, int] = {0: 0, 2: 1, 4: 2}
_DOUBLED_QUOTE = re.compile(r'\\?"{2,}|\\"')


@dataclass(frozen=True, slots=True)
class Corpus:
    """A data set by its parts. No text of `train` equals or nearly equals one of another part, or one of those it
    was told to keep clear of: `removed` says how many went for that. `note` says whose it is and on what terms.
    """

    name: str
    parts: Mapping[str, LabelledTexts]
    note: str
    removed: int = 0

    @property
    def sha256(self) -> str:
        """A hash of all parts and which is which."""
        return texts_sha256(f"{part}\t{texts.sha256}" for part, texts in self.parts.items())

    def joined(self, more: LabelledTexts) -> Corpus:
        """The corpus with `more` among its training texts; where a text is in both, its label in `more` counts."""
        own = dict(zip(self.parts[TRAIN].texts, self.parts[TRAIN].labels, strict=True))
        own |= dict(zip(more.texts, more.labels, strict=True))
        together = LabelledTexts(tuple(own), tuple(own.values()))
        train, removed = apart(together, *(texts.texts for part, texts in self.parts.items() if part != TRAIN))
        return Corpus(self.name, {**self.parts, TRAIN: train}, self.note, self.removed + removed)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Texts labelled by people, in their original form (slices and classifiers make of it what they need).

    `labels` are class indices; `sources` are "x" or "news"; `events` name what the texts are about, "" for nothing
    in particular. Repeated texts, mostly retweets, stay as published: published figures count them.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[int, ...]
    sources: tuple[str, ...]
    events: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def distinct(self) -> int:
        """How many different texts a model sees."""
        return len({model_text(text) for text in self.texts})

    @property
    def sha256(self) -> str:
        """A hash of every text with its label, source and event; equal rows in any order have an equal hash."""
        rows = zip(self.labels, self.sources, self.events, self.texts, strict=True)
        return texts_sha256("\t".join(map(str, row)) for row in rows)


def from_hub(repository: str, configuration: str, revision: str) -> Path:
    """Download the Parquet files of a data set's configuration from the Hugging Face hub, or find them in its cache."""
    try:
        folder = snapshot_download(
            repository, repo_type="dataset", revision=revision, allow_patterns=f"{configuration}/*.parquet"
        )
    except OSError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"the data set {repository} can't be had from the Hugging Face hub: {reason} Give a local folder instead"
        ) from error
    return Path(folder) / configuration


def tweeteval(folder: Path | None, *, download: Download = from_hub, held_out: Sequence[Sequence[str]] = ()) -> Corpus:
    """TweetEval sentiment: train, validation, test, and the SemEval-2016 devtest where `folder` has it.

    `folder` holds train.parquet, validation.parquet, test.parquet and perhaps semeval2016_devtest.parquet (columns
    text and label), or the files as the hub lays them out; None takes them from the hub. Every part goes through
    `undo_csv`. `held_out` are more texts to keep the training part clear of. Raises ConfigError for a part that is
    missing (but devtest) or does not read.
    """
    home = folder or download("cardiffnlp/tweet_eval", "sentiment", "main")
    files = {part: _shards(home, part) for part in (TRAIN, VALIDATION, TEST)}
    files[DEVTEST] = _shards(home, "semeval2016_devtest")
    parts = {
        part: _labelled(paths, INDEX, ("label",), undo_csv)
        for part, paths in files.items()
        if part != DEVTEST or paths[0].is_file()
    }
    note = (
        "TweetEval (Barbieri et al. 2020, Findings of EMNLP) from SemEval-2017 task 4 (Rosenthal, Farra, Nakov 2017); "
        "labelled by people; a research data set, the terms of X apply to the texts"
    )
    return _clear("tweeteval", parts, note, held_out)


def sentiment140(
    folder: Path | None,
    *,
    download: Download = from_hub,
    held_out: Sequence[Sequence[str]] = (),
    per_class: int | None = None,
) -> Corpus:
    """Sentiment140: train, as many negative as positive texts, and test.

    `folder` holds train_sample.parquet or train.parquet, and test.parquet (columns text and polarity or sentiment: 0,
    2 or 4), or the files as the hub lays them out; None takes them from the hub, 1.6 million rows. `per_class` is the
    most training texts of a class.

    Mind: the training labels are emoticons (since removed), so they are noisy and none is neutral; a model learns
    words from them, not the neutral class. The shared sample is no random one: its negative rows are the first of the
    full file, 10,000 of them with a date (and no positive row has one), so it shows no trend. The classes are
    balanced by content hash (`pipelines.dataset.balanced`). The test part is labelled by people, in three classes.
    """
    home = folder or download("stanfordnlp/sentiment140", "sentiment140", "refs/convert/parquet")
    train = _shards(home, "train_sample")
    files = {TRAIN: train if train[0].is_file() else _shards(home, TRAIN), TEST: _shards(home, TEST)}
    parts = {part: _labelled(paths, _POLARITY, ("polarity", "sentiment")) for part, paths in files.items()}
    note = (
        "Sentiment140 (Go, Bhayani, Huang 2009, Stanford CS224N report); training labels from emoticons, without a "
        "neutral class, balanced by content hash; given out for research, no licence text known"
    )
    corpus = _clear("sentiment140", parts, note, held_out)
    even = balanced(corpus.parts[TRAIN], per_class=per_class)
    return Corpus(corpus.name, {**corpus.parts, TRAIN: even}, note, corpus.removed)


def undo_csv(text: str) -> str:
    r"""Take the quoting of a CSV file off a text: doubled and backslashed quotes, and the field's own at either end.

    The source files of TweetEval's train and validation parts were CSV, that of its test part was not: this changes
    11,289 of 45,601 texts of train and 495 of 2,000 of validation, but 43 of 12,284 of test and 3 of 1,977 of devtest
    (quotes that enclose a whole text). Quotes inside a text stay. The literal
    ``\u2019`` and ``\u002c`` of the tweets of 2013 (5,104 of train, 206 of validation, none of test and devtest) are
    undone for every text of the product, by `app.core.text.clean`.
    """
    text = text.strip()
    for start, end in ((1, 1), (1, 0), (0, 1)):
        inner = text[start : len(text) - end]
        quoted = (not start or text.startswith('"')) and (not end or text.endswith('"'))
        if quoted and len(text) > start + end and '"' not in _DOUBLED_QUOTE.sub("", inner):
            text = inner
            break
    return _DOUBLED_QUOTE.sub('"', text)


def _shards(home: Path, part: str) -> list[Path]:
    """The files of a part: one file, or the hub's `train-00000-of-00001.parquet` or `train/0000.parquet`."""
    one = home / f"{part}.parquet"
    return (
        [one]
        if one.is_file()
        else sorted(home.glob(f"{part}-*.parquet")) or sorted(home.glob(f"{part}/*.parquet")) or [one]
    )


def _labelled(
    paths: Sequence[Path],
    classes: Mapping[object, int],
    label_names: Sequence[str],
    repair: Callable[[str], str] = str,
) -> LabelledTexts:
    texts: list[object] = []
    labels: list[object] = []
    for path in paths:
        columns = read_columns(path, ("text",), label_names)
        found = next((columns[name] for name in label_names if name in columns), None)
        if found is None:
            raise ConfigError(f"{path} has no column {' or '.join(label_names)}")
        texts += [repair(as_text(text, path)) for text in columns["text"]]
        labels += found
    return labelled(texts, labels, paths[0], classes)


def _clear(name: str, parts: Mapping[str, LabelledTexts], note: str, held_out: Sequence[Sequence[str]]) -> Corpus:
    own = [texts.texts for part, texts in parts.items() if part != TRAIN]
    train, removed = apart(parts[TRAIN], *own, *held_out)
    return Corpus(name, {**parts, TRAIN: train}, note, removed)


class _Human(NamedTuple):
    """Where a set that people labelled lies, and how."""

    path: str
    event: str = ""
    source: str = X
    label: str = "label"
    classes: Mapping[object, int] = NAMES


_HUMAN: Mapping[str, _Human] = {
    "tweeteval-validation": _Human("tweeteval/validation.parquet", classes=INDEX),
    "tweeteval-test": _Human("tweeteval/test.parquet", classes=INDEX),
    "semeval2016-devtest": _Human("tweeteval/semeval2016_devtest.parquet", classes=INDEX),
    "sentiment140-test": _Human("sentiment140/test.parquet", label="polarity", classes=_POLARITY),
    **{
        name: _Human(f"events/{name}.parquet", event=name)
        for name in (
            "us-airlines-2015",
            "gop-debate-2015",
            "apple-2014-12",
            "apple-2011-10",
            "google-2011-10",
            "microsoft-2011-10",
            "twitter-2011-10",
        )
    },
    "vader-tweets": _Human("human_rated/vader-tweets.parquet"),
    "nyt-editorial-snippets": _Human("human_rated/nyt-editorial-snippets.parquet", source="news"),
}
EVALUATION_SETS = tuple(_HUMAN)

_UNLABELLED = (
    "sentiment140/train_sample.parquet",
    "events/fifa-world-cup-2022-opening.parquet",
    "events/us-election-2024-windows.parquet",
    "news/headlines-2021-11_2022-06.parquet",
)


def evaluation_sets(folder: Path) -> dict[str, EvaluationSet]:
    """The sets that people labelled and no model is trained on, by name, in the order of `EVALUATION_SETS`.

    `folder` holds tweeteval/, sentiment140/, events/ and human_rated/. A set whose file is not there is left out and
    named in a warning. Rows without a label (judged irrelevant, mostly not English) are left out. Raises ConfigError
    for a file that does not read.
    """
    found = {}
    for name, human in _HUMAN.items():
        path = folder / human.path
        if not path.is_file():
            log.warning("%s is not there: no figures for %s", path, name)
            continue
        columns = read_columns(path, ("text", human.label))
        rows = [(t, label) for t, label in zip(columns["text"], columns[human.label], strict=True) if label is not None]
        found[name] = EvaluationSet(
            name,
            tuple(as_text(text, path) for text, _ in rows),
            tuple(class_index(label, human.classes, path) for _, label in rows),
            (human.source,) * len(rows),
            (human.event,) * len(rows),
        )
    return found


def unlabelled(folder: Path) -> tuple[str, ...]:
    """English texts for distillation and masked-language training, as the model reads them, each once.

    Sentiment140's training texts, the two recorded event streams that nobody labelled (published data sets, not what
    the product collects) and the news headlines, as far as `folder` has them; none that equals or nearly equals a
    text of an evaluation set there. Raises ConfigError if there is no such file.
    """
    paths = [folder / name for name in _UNLABELLED]
    for path in paths:
        if not path.is_file():
            log.warning("%s is not there: its texts are left out", path)
    texts = tuple(dict.fromkeys(text for path in paths if path.is_file() for text in load_texts(path)))
    if not texts:
        raise ConfigError(f"{folder} holds no unlabelled texts: expected one of {', '.join(_UNLABELLED)}")
    leaked = repeated(texts, *(held.texts for held in evaluation_sets(folder).values()))
    log.info("%d of %d unlabelled texts are too near an evaluation set: left out", len(leaked), len(texts))
    return tuple(text for row, text in enumerate(texts) if row not in leaked)


def feedback(path: Path, *, allow_x: bool = False) -> LabelledTexts:
    """Texts that users relabelled: a Parquet file with text, label (0 to 2 or a name) and source, and perhaps
    message_id and labelled_at.

    The last label of a message wins, by labelled_at where it is given, else by the order of the file; rows with one
    message_id are one message, and so are rows with one text. Raises ConfigError for posts from X, and for rows that
    do not say where they are from, unless `allow_x`.
    """
    columns = read_columns(path, ("text", "label"), ("source", "message_id", "labelled_at"))
    size = len(columns["text"])
    sources = columns.get("source", [None] * size)
    if not allow_x and (forbidden := sum(map(barred, sources))):
        raise ConfigError(
            f"{path} holds {forbidden} of {size} rows from X, or without a source: the terms of X forbid training on "
            "collected posts. Where you hold the right, say allow_x=True; else leave those rows out"
        )
    ids = columns.get("message_id", [None] * size)
    times = columns.get("labelled_at", [None] * size)
    latest: dict[object, int] = {}
    for row in sorted(range(size), key=lambda row: _moment(times[row])):
        key = ids[row] if ids[row] is not None else ("text", columns["text"][row])
        latest.pop(key, None)
        latest[key] = row
    rows = list(latest.values())
    texts, labels = [columns["text"][row] for row in rows], [columns["label"][row] for row in rows]
    return labelled(texts, labels, path, {**INDEX, **NAMES})


def _moment(labelled_at: Any) -> tuple[bool, Any]:
    """Sorts rows without a time before all others."""
    return (labelled_at is not None, labelled_at or 0)


def _line(kind: str, part: str, texts: LabelledTexts | EvaluationSet, **more: object) -> str:
    classes = {label.value: texts.labels.count(index) for index, label in enumerate(CLASSES)}
    return json.dumps(
        {kind: part, "rows": len(texts), "classes": classes, "sha256": texts.sha256, **more}, ensure_ascii=False
    )


def _describe(data: Path | None) -> None:
    """Print every part as it is known."""
    judged = evaluation_sets(data) if data else {}
    for name, held in judged.items():
        sys.stdout.write(_line("evaluation_set", name, held, distinct=held.distinct) + "\n")
    held_out = [held.texts for held in judged.values()]
    for load, home in ((tweeteval, "tweeteval"), (sentiment140, "sentiment140")):
        corpus = load(data / home if data else None, held_out=held_out)
        for part, texts in corpus.parts.items():
            more = {"removed": corpus.removed} if part == TRAIN else {}
            sys.stdout.write(_line("part", f"{corpus.name}/{part}", texts, **more) + "\n")
    if data:
        unjudged = unlabelled(data)
        sys.stdout.write(json.dumps({"unlabelled": len(unjudged), "sha256": texts_sha256(unjudged)}) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Describe the data sets; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.corpora", description="Describe the data sets.")
    parser.add_argument("--data", type=Path, help="folder with tweeteval/, sentiment140/ ...; else from the hub")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _describe(options.data)
    except AppError as error:
        sys.stderr.write(f"corpora: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
