"""Texts to learn from: read from Parquet, cleaned the way the model meets them, split and kept apart by content.

Nothing here knows the name of a data set (`pipelines.corpora` does) or draws a random number: the same rows give the
same parts, in whatever order they come and on whatever machine.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.core.errors import ConfigError
from app.core.language import is_scorable, resolve_language
from app.core.text import content_hash, model_text
from app.core.types import CLASSES
from pipelines.neighbours import basis, groups, repeated

# How the column `label` may name a class.
INDEX: Mapping[object, int] = {index: index for index in range(len(CLASSES))}
NAMES: Mapping[object, int] = {label.value: index for index, label in enumerate(CLASSES)}

X = "x"
"""The source of posts from X."""

_ENGLISH = frozenset({"en"})


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts as the model reads them and their class indices, in the order of `app.core.types.CLASSES`."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sha256(self) -> str:
        """A hash of every text and label; equal data in any order has an equal hash."""
        return texts_sha256(f"{label}\t{text}" for text, label in zip(self.texts, self.labels, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many texts each class has."""
        return tuple(self.labels.count(index) for index in range(len(CLASSES)))

    def take(self, rows: Iterable[int]) -> LabelledTexts:
        """These rows, in the order given."""
        chosen = tuple(rows)
        return LabelledTexts(tuple(self.texts[row] for row in chosen), tuple(self.labels[row] for row in chosen))


def barred(source: object) -> bool:
    """Whether a text of that source may not be learnt from unless its holder says so: X, or nobody knows."""
    return source in (None, "", X)


def texts_sha256(texts: Iterable[str]) -> str:
    """A hash of texts that is equal for the same texts in any order."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()


def read_columns(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Columns of a Parquet file by name, all of one length. An optional column that is not there is left out.

    Raises ConfigError, naming the file, when it is not there, is no Parquet or lacks a required column.
    """
    needed = " and ".join(required)
    if not path.is_file():
        raise ConfigError(f"{path} is not there: give a Parquet file with the columns {needed}")
    try:
        present = frozenset(pq.read_schema(path).names)
        if missing := [name for name in required if name not in present]:
            raise ConfigError(
                f"{path} can't be read as Parquet with the columns {needed}: it lacks {', '.join(missing)}"
            )
        table = pq.read_table(path, columns=[name for name in (*required, *optional) if name in present])
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path} can't be read as Parquet with the columns {needed}: {error}") from error
    return {name: table[name].to_pylist() for name in table.column_names}


def class_index(label: object, classes: Mapping[object, int], origin: Path) -> int:
    """The class that a label of the file `origin` means; ConfigError for one that is not in `classes`."""
    if label not in classes:
        raise ConfigError(f"{origin} holds the label {label!r}: expected {', '.join(map(str, classes))}")
    return classes[label]


def labelled(
    texts: Sequence[object], labels: Sequence[object], origin: Path, classes: Mapping[object, int] = INDEX
) -> LabelledTexts:
    """Clean the texts of the file `origin`; repeated ones are kept once, with their last label.

    Raises ConfigError, naming the file, for a label that is not in `classes` and a text that is none.
    """
    rows: dict[str, int] = {}
    for text, label in zip(texts, labels, strict=True):
        index = class_index(label, classes, origin)
        rows[model_text(as_text(text, origin))] = index
    return LabelledTexts(tuple(rows), tuple(rows.values()))


def as_text(value: object, origin: Path) -> str:
    """The value, if it is a text; ConfigError, naming the file `origin`, if not."""
    if not isinstance(value, str):
        raise ConfigError(f"{origin} holds the text {value!r}: expected a string")
    return value


def load_labelled(path: Path, *, limit: int | None = None) -> LabelledTexts:
    """Read the columns `text` and `label` (0 negative, 1 neutral, 2 positive) of a Parquet file.

    Repeated texts are kept once, with their last label. Raises ConfigError, naming the file, when it is not there,
    lacks a column or holds a label that is not a class or a text that is none.
    """
    columns = read_columns(path, ("text", "label"))
    texts = labelled(columns["text"], columns["label"], path)
    return texts.take(range(len(texts))[:limit])


def load_texts(path: Path) -> tuple[str, ...]:
    """The English texts of a Parquet file with a column `text`, as the model reads them, each once.

    A column `lang` is believed where it names a language; elsewhere the language is guessed (0.2 ms a text). Texts
    are the same if their content hash is: of a text and its retweets the first stays. Raises ConfigError as
    `load_labelled` does.
    """
    columns = read_columns(path, ("text",), ("lang",))
    declared = columns.get("lang", [None] * len(columns["text"]))
    kept: dict[str, str] = {}
    for value, lang in zip(columns["text"], declared, strict=True):
        text = model_text(as_text(value, path))
        key = content_hash(basis(text))
        if text and key not in kept and is_scorable(resolve_language(lang, text), _ENGLISH, text):
            kept[key] = text
    return tuple(kept.values())


def split(texts: LabelledTexts, parts: Mapping[str, float], *, salt: str = "") -> dict[str, LabelledTexts]:
    """Divide texts into parts by their content, about in the shares given, which sum to 1.

    Near-duplicates form groups (`pipelines.neighbours.groups`: chains count). A group goes, whole, where its member
    with the lowest content hash goes; that depends on the hash, the shares and the salt alone. Hence, whatever is
    in `texts`:

    - a row is in exactly one part, and no near-duplicates are in different parts;
    - the order of the rows, the machine and the process change nothing;
    - a row added that repeats none of the others moves none of them.

    Not guaranteed: a row added that nearly equals others joins their groups into one, which may then move, whole.
    So a test set that must stay as it is is written down once and kept clear of later rows with `apart`. A change of
    `app.core.text` may move rows too. Raises ConfigError for shares that are not above 0 or don't sum to 1.
    """
    if not parts or min(parts.values()) <= 0 or not math.isclose(sum(parts.values()), 1):
        raise ConfigError(f"the parts {dict(parts)} are no split: give shares above 0 that sum to 1")
    hashes = [content_hash(basis(text)) for text in texts.texts]
    leaders = groups(texts.texts)
    lowest: dict[int, str] = {}
    for leader, hashed in zip(leaders, hashes, strict=True):
        lowest[leader] = min(hashed, lowest.get(leader, hashed))
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, leader in enumerate(leaders):
        rows[_part_of(lowest[leader], parts, salt)].append(row)
    return {name: texts.take(rows[name]) for name in parts}


def _part_of(hashed: str, parts: Mapping[str, float], salt: str) -> str:
    digest = hashlib.blake2b(f"{salt}\n{hashed}".encode(), digest_size=8).digest()
    point = int.from_bytes(digest) / 2**64
    names = list(parts)
    for name in names[:-1]:
        point -= parts[name]
        if point < 0:
            return name
    return names[-1]


def apart(train: LabelledTexts, *held_out: Sequence[str]) -> tuple[LabelledTexts, int]:
    """`train` without the rows that equal or nearly equal a text of `held_out`, and how many rows went.

    The held-out texts may be originals or model texts.
    """
    leaked = repeated(train.texts, *held_out)
    return train.take(row for row in range(len(train)) if row not in leaked), len(leaked)


def by_hash(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts in the order of their content hashes: any first part is a fair sample that new texts hardly change."""
    return tuple(sorted(texts, key=_place))


def _place(text: str) -> tuple[str, str]:
    return content_hash(basis(text)), text


def balanced(texts: LabelledTexts, *, per_class: int | None = None) -> LabelledTexts:
    """Equally many texts of each class that there is: as many as the rarest has, and `per_class` at the most.

    Those with the lowest content hashes are kept, in the order of the hashes: a sample that new rows hardly change,
    with its classes mixed, so that any first part of it is a fair sample too.
    """
    order = sorted(range(len(texts)), key=lambda row: _place(texts.texts[row]))
    present = [count for count in texts.counts if count]
    size = min([*present, per_class]) if per_class is not None else min(present, default=0)
    taken = [0] * len(CLASSES)
    rows = []
    for row in order:
        label = texts.labels[row]
        if taken[label] < size:
            taken[label] += 1
            rows.append(row)
    return texts.take(rows)
