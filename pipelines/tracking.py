"""What is kept of a run: parameters, curves, pictures, and what it ran on, in MLflow.

    tracker = Tracker(settings.mlflow, settings.mlflow_artifacts)
    with tracker.start("fit", asdict(config), data={"train": train.sha256}) as run:
        run.log_metrics({"validation/macro_recall": 0.71}, step=1)

To look at the records of the default database: `mlflow ui --backend-store-uri sqlite:///var/mlflow.db`.
Nothing is global: two runs in one process do not meet.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from app.adapters.mlflow_client import EXPERIMENT, Mlflow
from app.core.errors import AppError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES: Final = ("torch", "transformers", "tokenizers", "ray", "onnxruntime", "numpy")
UNKNOWN: Final = "unknown"

_ROOT: Final = Path(__file__).resolve().parent.parent
_PARAMETERS_AT_ONCE: Final = 100
_METRICS_AT_ONCE: Final = 1000
_COMMAND_S: Final = 10

T = TypeVar("T")


class Run:
    """A run being recorded, as `Tracker.start` gives it; leaving its `with` block ends it.

    It ends FINISHED, FAILED when an exception left the block (the tag `error` says which), or KILLED when it was
    interrupted. The exception goes on. Methods raise StoreError when MLflow refuses.
    """

    def __init__(self, mlflow: Mlflow, run_id: str) -> None:
        self.id = run_id
        self._mlflow = mlflow

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Figures of one step; the same name at many steps is a curve."""
        self._log([(name, value, step) for name, value in metrics.items()])

    def log_curve(self, name: str, points: Iterable[tuple[int, float]]) -> None:
        """A whole curve at once: (step, value) pairs."""
        self._log([(name, value, step) for step, value in points])

    def log_figure(self, figure: Figure, path: str) -> None:
        """A picture; `path` is its name among the run's files, such as `pictures/confusion.png`."""
        with self._mlflow.failures():
            self._mlflow.client.log_figure(self.id, figure, path)

    def log_file(self, file: Path, folder: str | None = None) -> None:
        """A file of this machine, into a folder of the run's files."""
        with self._mlflow.failures():
            self._mlflow.client.log_artifact(self.id, str(file), folder)

    def log_text(self, text: str, path: str) -> None:
        """A text as a file of the run."""
        with self._mlflow.failures():
            self._mlflow.client.log_text(self.id, text, path)

    def log_json(self, value: object, path: str) -> None:
        """A value as a JSON file of the run."""
        self.log_text(json.dumps(value, indent=2) + "\n", path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or replace tags."""
        with self._mlflow.failures():
            for name, value in tags.items():
                self._mlflow.client.set_tag(self.id, name, value)

    def _log(self, points: Sequence[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._mlflow.entities.Metric(name, float(value), now, step) for name, value, step in points]
        with self._mlflow.failures():
            for part in _parts(metrics, _METRICS_AT_ONCE):
                self._mlflow.client.log_batch(self.id, metrics=part)

    def _end(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        if kind is not None:
            self.set_tags({"error": f"{kind.__name__}: {error}".partition("\n")[0]})
        with self._mlflow.failures():
            self._mlflow.client.set_terminated(self.id, status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(kind, error)
        except AppError as refused:
            if error is None:
                raise
            # What ended the run matters more than that it could not be written down.
            error.add_note(f"the run {self.id} could not be marked as ended: {refused}")


@dataclass(frozen=True, slots=True)
class Tracker:
    """Starts runs at an MLflow URL. It is only an address until then, so it may travel to another process."""

    url: str
    artifacts: Path
    experiment: str = EXPERIMENT

    def start(
        self,
        name: str,
        parameters: Mapping[str, Any],
        *,
        data: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        resume_id: str | None = None,
    ) -> Run:
        """Begin a run called `name`, or go on with `resume_id`; use it as a context manager.

        `parameters` may be nested and should hold the seed; `data` is the hash of each data set. The commit and the
        environment are added as tags, and `tags` go before them: a job tells its workers' `environment()` this way.
        A run that goes on keeps the parameters it began with; those given otherwise become tags `resumed.<name>`.

        Raises ConfigError when nothing answers at the URL, NotFound for an unknown `resume_id`.
        """
        mlflow = Mlflow(self.url, self.artifacts)
        given = flatten({**parameters, "data": dict(data or {})})
        about = code_version(_ROOT) | environment() | dict(tags or {})
        if about["git.commit"] != UNKNOWN:
            # The name by which MLflow's pages show it.
            about["mlflow.source.git.commit"] = about["git.commit"]
        with mlflow.failures():
            if resume_id is None:
                found = mlflow.client.create_run(mlflow.experiment(self.experiment), run_name=name)
            else:
                found = mlflow.client.get_run(resume_id)
                mlflow.client.update_run(resume_id, status="RUNNING")
                if "error" in found.data.tags:
                    mlflow.client.delete_tag(resume_id, "error")
                about["resumed"] = str(int(found.data.tags.get("resumed", "0")) + 1)
            known = found.data.params
            about |= {f"resumed.{key}": value for key, value in given.items() if known.get(key, value) != value}
            new = [mlflow.entities.Param(key, value) for key, value in given.items() if key not in known]
            for part in _parts(new, _PARAMETERS_AT_ONCE):
                mlflow.client.log_batch(found.info.run_id, params=part)
        run = Run(mlflow, found.info.run_id)
        run.set_tags(about)
        return run


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of texts: {"a": {"b": 1}} is {"a.b": "1"}. Lists become JSON."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = json.dumps(value) if isinstance(value, list | tuple) else str(value)
    return flat


def code_version(root: Path) -> dict[str, str]:
    """The commit checked out in `root` and whether files differ from it; "unknown" where that is no work tree.

    So it is in the working folder of a Ray job, and in an installed package: the commit of whatever repository lies
    around it would be a wrong answer.
    """
    found = _output("git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD").splitlines()
    if len(found) != 2 or Path(found[0]).resolve() != root.resolve():
        return {"git.commit": UNKNOWN, "git.dirty": UNKNOWN}
    changed = _output("git", "-C", str(root), "status", "--porcelain")
    return {"git.commit": found[1], "git.dirty": str(bool(changed)).lower()}


def environment() -> dict[str, str]:
    """What this process runs on: Python, packages, platform, CPUs, GPUs."""
    cards = Counter(_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines())
    return {
        "env.python": platform.python_version(),
        **{f"env.{package}": _version(package) for package in PACKAGES},
        "env.platform": platform.platform(),
        "env.cpus": str(os.cpu_count()),
        "env.gpu": ", ".join(f"{number} x {name}" for name, number in sorted(cards.items())) or "none",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _output(program: str, *arguments: str) -> str:
    """What a program prints; nothing when it is absent, refuses or hangs."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=True, timeout=_COMMAND_S)
    except (subprocess.SubprocessError, OSError):
        return ""
    return done.stdout.strip()


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))
