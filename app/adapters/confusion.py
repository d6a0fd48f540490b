"""What a model folder knows of its model's errors: `confusion.json`, and where to look for it.

The file holds facts, how often each label was given to texts of each class, set by set; `pipelines.confusion` writes
it. A folder without one is a model whose shares stay uncorrected.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.adapters.artifact import CONFUSION, MANIFEST, Manifest, check_file, read_manifest, take_in
from app.core.adjusted_counts import ConfusionMatrix, Errors
from app.core.errors import ModelNotFound

_log = logging.getLogger(__name__)

_Row = tuple[int, int, int]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledSet(_Frozen):
    """A set that people labelled, with its hash. `counts`: the row is what people say, the column what the model said,
    both in the order of `app.core.types.CLASSES`.
    """

    name: str
    sha256: str
    counts: tuple[_Row, _Row, _Row]


class ConfusionFile(_Frozen):
    """The contents of confusion.json. `weight` is how many texts of a class each set counts for on other material."""

    schema_version: Literal[1] = 1
    model: str
    made_at: str
    commit: str | None
    weight: float = Field(gt=0)
    sets: tuple[LabelledSet, ...] = Field(min_length=1)

    @property
    def errors(self) -> Errors:
        """As the correction takes it."""
        return Errors(tuple(ConfusionMatrix(self.model, each.name, each.counts) for each in self.sets), self.weight)


def write_confusion(folder: Path, found: ConfusionFile) -> Manifest:
    """Put the file into a model folder and its manifest. Raises ModelNotFound when the folder holds another model."""
    manifest = read_manifest(folder)
    if manifest.model != found.model:
        raise ModelNotFound(f"{folder} holds {manifest.model}, and the matrices are of {found.model}")
    (folder / CONFUSION).write_text(found.model_dump_json(indent=1) + "\n")
    return take_in(folder, CONFUSION)


def read_confusion(folder: Path) -> ConfusionFile | None:
    """What the folder knows of its model's errors; None where its manifest names no such file.

    Raises ModelNotFound when the file is missing, altered, or not about that model.
    """
    manifest = read_manifest(folder)
    if CONFUSION not in manifest.files:
        return None
    check_file(folder, manifest, CONFUSION)
    try:
        found = ConfusionFile.model_validate_json((folder / CONFUSION).read_bytes())
    except ValidationError as error:
        raise ModelNotFound(f"{folder / CONFUSION} holds no confusion matrices: {error.errors()[0]['msg']}") from error
    if found.model != manifest.model:
        raise ModelNotFound(f"{folder / CONFUSION} is about {found.model}, not {manifest.model}")
    return found


class KnownErrors:
    """The errors of the models in some folders: `folders` are model folders, or folders of such.

    What was found once is remembered: the matrices of a model version that is in service do not change.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._found: dict[str, Errors] = {}

    def of(self, model: str) -> Errors | None:
        """What is known of a model version; None for nothing. A folder that does not verify is logged and left out."""
        if model not in self._found:
            found = next((each for folder in self._candidates() if (each := self._read(folder, model))), None)
            if found is None:
                return None
            self._found[model] = found
        return self._found[model]

    def _candidates(self) -> Iterator[Path]:
        for folder in self._folders:
            yield folder
            if folder.is_dir():
                yield from sorted(path for path in folder.iterdir() if path.is_dir())

    @staticmethod
    def _read(folder: Path, model: str) -> Errors | None:
        if not (folder / MANIFEST).is_file():
            return None
        try:
            if read_manifest(folder).model != model or (found := read_confusion(folder)) is None:
                return None
        except ModelNotFound as error:
            _log.warning("no shares are corrected by %s: %s", folder, error)
            return None
        return found.errors
