"""The model registry: versions of the artifact layout in MLflow, and the aliases that say what each one is.

    challenger          the version registered last, to be compared with the champion
    champion            the version to serve
    previous-champion   what a rollback goes back to

There is one registered model for the whole product, MODEL, whatever base its versions were made from: aliases belong
to a registered model, and a challenger of another base must be able to stand against the champion.

A version is the folder that serving loads, byte for byte: plain files of a run, without a flavour of MLflow's and so
without its pickles. Its tags hold the SHA-256 of the manifest, which pins the weights, and of the whole folder. Both
are checked on the way back, and nothing is ever unpickled. Serving does not import this module: it loads a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from app.adapters.artifact import MANIFEST, Manifest, sha256, verify
from app.adapters.mlflow_client import EXPERIMENT, Mlflow
from app.core.errors import InvalidInput, ModelNotFound, NotFound

MODEL: Final = "eventpulse-sentiment"
CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
PREVIOUS: Final = "previous-champion"

SUFFIXES: Final = frozenset({".json", ".md", ".onnx", ".png", ".safetensors", ".svg", ".txt"})
"""What a model folder may hold: weights that are only data, and text and pictures about them."""

_MODEL_TAG: Final = "model"
_MANIFEST_TAG: Final = "manifest_sha256"
_FOLDER_TAG: Final = "folder_sha256"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of MODEL: its number, and what its manifest and its tags say."""

    version: int
    model: str
    aliases: tuple[str, ...]
    manifest_sha256: str
    folder_sha256: str
    run_id: str
    source: str
    created_at: datetime
    tags: Mapping[str, str]


class Registry:
    """The registry at `url`; with a database URL its files lie in the folder `artifacts`.

    Raises ConfigError when nothing answers at the URL, StoreError when MLflow refuses.
    """

    def __init__(self, url: str, artifacts: Path) -> None:
        self._mlflow = Mlflow(url, artifacts)
        self._client = self._mlflow.client

    def register(
        self, folder: Path, *, run_id: str | None = None, tags: Mapping[str, str] | None = None
    ) -> RegisteredVersion:
        """Keep a model folder as a new version, and make it the challenger unless it is the champion.

        The files go to the run that made them, or to a run of their own without `run_id`. The same folder again is the
        same version, with the run it has, and its files are written anew. `tags` say more about the version, for
        example the gate's verdict.

        Raises ModelNotFound when the folder does not verify, InvalidInput when it holds another kind of file,
        NotFound for an unknown run.
        """
        manifest = verify(folder)
        _refuse_other_files(folder)
        contents = folder_sha256(folder)
        known = next((each for each in self.versions() if each.folder_sha256 == contents), None)
        told = dict(tags or {}) | {
            _MODEL_TAG: manifest.model,
            _MANIFEST_TAG: sha256(folder / MANIFEST),
            _FOLDER_TAG: contents,
        }
        with self._mlflow.failures():
            run = known.run_id if known else run_id or self._own_run(manifest)
            source = self._upload(folder, run, contents)
            number = self._tag(known.version, told) if known else self._create(run, source, told)
            if known is None or CHAMPION not in known.aliases:
                self._client.set_registered_model_alias(MODEL, CHALLENGER, str(number))
        return self.resolve(number)

    def fetch(self, wanted: str | int, target: Path) -> Manifest:
        """Put the version of that alias or number into the folder `target`, ready for EVENTPULSE_MODEL_DIR.

        The files are loaded beside `target`, verified, and only then renamed to it. A model folder that is there is
        replaced (for a moment there is none), or left as it is when it is the same.

        Raises ModelNotFound for a version that is not there or whose files are not those that were registered,
        InvalidInput when `target` is something else than a model folder.
        """
        found = self.resolve(wanted)
        target = target.absolute()
        if (target / MANIFEST).is_file():
            if folder_sha256(target) == found.folder_sha256:
                return verify(target)
        elif target.exists():
            raise InvalidInput(f"{target} is there and is no model folder: name another one", field="target")
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            folder = self._download(found, Path(scratch))
            if folder_sha256(folder) != found.folder_sha256:
                raise ModelNotFound(f"version {found.version} was altered in {found.source}: register the model again")
            manifest = verify(folder)
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            folder.rename(target)
        return manifest

    def promote(self, wanted: str | int) -> RegisteredVersion:
        """Make that version, or the one of that alias, the champion; the one before it becomes `previous-champion`."""
        chosen = self.resolve(wanted)
        aliases = self._aliases()
        with self._mlflow.failures():
            if (before := aliases.get(CHAMPION)) not in (None, chosen.version):
                # First, so that a crash between the two leaves a champion and a way back.
                self._client.set_registered_model_alias(MODEL, PREVIOUS, str(before))
            self._client.set_registered_model_alias(MODEL, CHAMPION, str(chosen.version))
            if aliases.get(CHALLENGER) == chosen.version:
                self._client.delete_registered_model_alias(MODEL, CHALLENGER)
        return self.resolve(chosen.version)

    def rollback(self) -> RegisteredVersion:
        """Make the previous champion the champion again.

        It goes one step back, and raises ModelNotFound where there is no step to go.
        """
        before = self.resolve(PREVIOUS)
        with self._mlflow.failures():
            self._client.set_registered_model_alias(MODEL, CHAMPION, str(before.version))
            self._client.delete_registered_model_alias(MODEL, PREVIOUS)
        return self.resolve(before.version)

    def resolve(self, wanted: str | int) -> RegisteredVersion:
        """The version of an alias or number. Raises ModelNotFound, naming what there is."""
        versions = self.versions()
        for each in versions:
            if str(wanted) in {str(each.version), *each.aliases}:
                return each
        there = ", ".join(" ".join([f"version {each.version}", *each.aliases]) for each in versions)
        raise ModelNotFound(
            f"the registry at {self._mlflow.url} has no model {wanted!r}: "
            f"{f'it has {there}' if there else 'it is empty, register a model folder first'}"
        )

    def versions(self) -> list[RegisteredVersion]:
        """Every version, the newest first."""
        aliases = self._aliases()
        with self._mlflow.failures():
            found = self._client.search_model_versions(f"name = '{MODEL}'")
        versions = [_version(each, aliases) for each in found]
        return sorted(versions, key=lambda each: each.version, reverse=True)

    def _aliases(self) -> dict[str, int]:
        with self._mlflow.failures():
            models = self._client.search_registered_models(f"name = '{MODEL}'")
        return {alias: int(version) for model in models for alias, version in model.aliases.items()}

    def _own_run(self, manifest: Manifest) -> str:
        experiment = self._mlflow.experiment(EXPERIMENT)
        run_id = str(self._client.create_run(experiment, run_name=f"register {manifest.model}").info.run_id)
        self._client.set_terminated(run_id)
        return run_id

    def _upload(self, folder: Path, run_id: str, contents: str) -> str:
        """Gives the URI of the files. A server takes as a version only what lies below the run that it names."""
        root = self._client.get_run(run_id).info.artifact_uri
        # One place for each content: a second folder of the same run must not write over the first.
        place = f"models/{contents[:16]}"
        self._client.log_artifacts(run_id, str(folder), artifact_path=place)
        return f"{root}/{place}"

    def _create(self, run_id: str, source: str, tags: Mapping[str, str]) -> int:
        if not self._client.search_registered_models(f"name = '{MODEL}'"):
            self._client.create_registered_model(MODEL, description="EventPulse's sentiment model")
        return int(self._client.create_model_version(MODEL, source, run_id=run_id, tags=dict(tags)).version)

    def _tag(self, version: int, tags: Mapping[str, str]) -> int:
        for key, value in tags.items():
            self._client.set_model_version_tag(MODEL, str(version), key, value)
        return version

    def _download(self, version: RegisteredVersion, scratch: Path) -> Path:
        try:
            with self._mlflow.failures():
                root = self._client.get_run(version.run_id).info.artifact_uri
                place = version.source.removeprefix(f"{root}/")
                return Path(self._client.download_artifacts(version.run_id, place, str(scratch)))
        except NotFound as error:
            raise ModelNotFound(
                f"the files of version {version.version} are gone from {version.source}: register the model again"
            ) from error


def folder_sha256(folder: Path) -> str:
    """One hash of every file below a folder and of its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _refuse_other_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.suffix not in SUFFIXES):
            raise InvalidInput(
                f"{path} does not belong into a model folder: the registry takes {', '.join(sorted(SUFFIXES))} files",
                field="folder",
            )


def _version(found: Any, aliases: Mapping[str, int]) -> RegisteredVersion:
    tags = dict(found.tags)
    return RegisteredVersion(
        version=int(found.version),
        model=tags.pop(_MODEL_TAG, ""),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == int(found.version))),
        manifest_sha256=tags.pop(_MANIFEST_TAG, ""),
        folder_sha256=tags.pop(_FOLDER_TAG, ""),
        run_id=found.run_id or "",
        source=found.source,
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=tags,
    )
