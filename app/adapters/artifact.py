"""The one on-disk layout of a model, the same in `models/default`, in a registry and on a replica.

    manifest.json       name, version, classes, languages, token limit, measured scores, SHA-256 of the files below
    model.onnx          weights for the CPU, int8 unless the manifest says otherwise
    tokenizer.json      the tokenizer, in the format of the `tokenizers` library
    model.safetensors   weights for the GPU (optional)
    config.json         their architecture, as transformers names it (optional)
    parity.json         how the weights compare with full precision (optional)
    confusion.json      how its labels compare with people's, to correct shares by (optional; `app.adapters.confusion`)

Loading verifies every hash; nothing is ever unpickled. Any other file, like the card or its pictures, is written after
the export, has no hash and is never read here, so that a better card is no other model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import ModelNotFound
from app.core.types import CLASSES

MANIFEST = "manifest.json"
ONNX = "model.onnx"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
PARITY = "parity.json"
CONFUSION = "confusion.json"
_REQUIRED = (ONNX, TOKENIZER)
_OPTIONAL = (WEIGHTS, CONFIG, PARITY, CONFUSION)

Precision = Literal["int8", "fp32"]


class Manifest(BaseModel):
    """What a model folder says about itself.

    `precision` is that of the ONNX weights. `parity` sums up parity.json: agreement (share of texts with the label of
    full precision), recall_loss (macro recall, in points) and speed (times full precision).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    classes: tuple[str, ...]
    languages: tuple[str, ...]
    max_tokens: int
    precision: Precision = "int8"
    scores: dict[str, float]
    parity: dict[str, float] = Field(default_factory=dict)
    provenance: dict[str, str]
    files: dict[str, str]

    @property
    def model(self) -> str:
        """Name and version in one, as stored with each prediction."""
        return f"{self.name}-{self.version}"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(
    folder: Path,
    *,
    name: str,
    max_tokens: int,
    scores: Mapping[str, float],
    provenance: Mapping[str, str],
    precision: Precision = "int8",
    parity: Mapping[str, float] | None = None,
) -> Manifest:
    """Write the manifest of the files that lie in `folder`; the version is the start of the ONNX weights' hash."""
    present = [file for file in _OPTIONAL if (folder / file).is_file()]
    files = {file: sha256(folder / file) for file in (*_REQUIRED, *present)}
    manifest = Manifest(
        name=name,
        version=files[ONNX][:8],
        classes=tuple(label.value for label in CLASSES),
        languages=("en",),
        max_tokens=max_tokens,
        precision=precision,
        scores=dict(scores),
        parity=dict(parity or {}),
        provenance=dict(provenance),
        files=files,
    )
    _write(folder, manifest)
    return manifest


def take_in(folder: Path, name: str) -> Manifest:
    """Let the manifest name a file that was made after the export, or its new contents; the version stays."""
    manifest = read_manifest(folder)
    manifest = manifest.model_copy(update={"files": {**manifest.files, name: sha256(folder / name)}})
    _write(folder, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, without a look at the files it names. Raises ModelNotFound where it is none of ours."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelNotFound(f"{path} is not there: set EVENTPULSE_MODEL_DIR to a model folder")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelNotFound(f"{path} is not a model manifest: {error}") from error
    if manifest.classes != tuple(label.value for label in CLASSES):
        raise ModelNotFound(f"{path} is of a model with the classes {manifest.classes}")
    return manifest


def check_file(folder: Path, manifest: Manifest, name: str) -> None:
    """Raises ModelNotFound when a file that the manifest names is missing or altered."""
    if not (folder / name).is_file():
        raise ModelNotFound(f"{folder / name} is missing")
    if sha256(folder / name) != manifest.files[name]:
        raise ModelNotFound(f"{folder / name} is not the file its manifest names: SHA-256 differs")


def verify(folder: Path) -> Manifest:
    """Read the manifest and check every file against it.

    Raises ModelNotFound, naming the folder or file, when something is missing, altered or of other classes.
    """
    manifest = read_manifest(folder)
    if missing := set(_REQUIRED) - manifest.files.keys():
        raise ModelNotFound(f"{folder / MANIFEST} names no hash of {' and '.join(sorted(missing))}")
    for name in manifest.files:
        check_file(folder, manifest, name)
    return manifest


def _write(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n")
