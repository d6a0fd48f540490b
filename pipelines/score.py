"""Score a Parquet file or folder with the model: a Ray Data job.

    ray job submit --working-dir . -- python -m pipelines.score --input /data/in --text-column text --out /data/out
    python -m pipelines.score --input posts.parquet --text-column text --out var/scored          # on a laptop

OUT gets Parquet in the order of the input: its columns, and label, negative, neutral, positive, model, backend and
reason. A row whose text is missing or empty has no label, and a reason. `_manifest.json`, which is also printed, sums
up. OUT appears when the job is done, or not at all; what lies there is never overwritten. In a Ray job give folders as
absolute paths, on a volume that every node has: a job runs in a copy of the working folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.data.block import BlockAccessor
from ray.data.datasource import BlockBasedFileDatasink

from app.adapters.artifact import verify
from app.adapters.backends import BACKENDS, Backend, load
from app.core.errors import AppError, ConfigError
from app.core.types import CLASSES, Prediction
from app.settings import Settings

MANIFEST = "_manifest.json"  # readers of Parquet folders pass over names that begin so
NO_TEXT, EMPTY, NOT_UTF8 = "no text", "empty text", "not valid UTF-8"
ADDED = ("label", *(each.value for each in CLASSES), "model", "backend", "reason")

# Rows of one call: enough of them that texts of like length find each other. A GPU takes more at a time.
_ROWS, _ROWS_GPU = 1_024, 8_192
_ROWS_PER_FILE = 65_536
# CPUs that Ray sets aside: for a task that reads, cuts or writes, and at least for an actor. What serves takes its own.
_READING, _LEAST = 1.0, 0.1
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to score, and with what. `prefix` goes before the name of each added column."""

    source: Path
    text_column: str
    out: Path
    model_dir: Path
    backend: Backend = "onnx"
    concurrency: int = 1
    threads: int = 2
    prefix: str = ""

    @property
    def on_gpu(self) -> bool:
        """Whether each actor needs a GPU of its own."""
        return self.backend == "torch-cuda"

    @property
    def gpus(self) -> float:
        """What Ray sets aside for an actor."""
        return 1.0 if self.on_gpu else 0.0

    @property
    def rows(self) -> int:
        """Rows of one call of the model."""
        return _ROWS_GPU if self.on_gpu else _ROWS

    def cpus(self, free: float) -> float:
        """What Ray sets aside for an actor where so many CPUs are free: one of them is left to read and write."""
        share = round((free - _READING) / self.concurrency, 4)
        whole = float(int(share)) if share >= 1.0 else max(_LEAST, int(round(share * 10, 3)) / 10)  # as Ray counts them
        return min(float(self.threads), whole)


class Score:
    """The actor: holds the model and adds its answers to the rows."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._classifier = load(job.model_dir, job.backend, threads=job.threads)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The rows as they are, with the added columns."""
        texts, reasons = texts_of(batch.column(self._job.text_column))
        answers = iter(self._classifier.classify([text for text in texts if text is not None]))
        found = [None if text is None else next(answers) for text in texts]
        for name, values in zip(ADDED, added(found, reasons), strict=True):
            batch = batch.append_column(self._job.prefix + name, values)
        return batch


class Files(BlockBasedFileDatasink):
    """Parquet with the rows as they come: Ray's own `write_parquet` shuffles those of a file now and then.

    It hands them to threads of Arrow without asking for their order.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), file_format="parquet", min_rows_per_file=_ROWS_PER_FILE)

    def write_block_to_file(self, block: BlockAccessor, file: pa.NativeFile) -> None:
        """Called by Ray with what goes into one file."""
        pq.write_table(block.to_arrow(), file)


def texts_of(column: pa.ChunkedArray) -> tuple[list[str | None], list[str | None]]:
    """The texts to score, and for each that is none the reason."""
    texts: list[str | None] = []
    reasons: list[str | None] = []
    for scalar in column:
        try:
            text, reason = scalar.as_py(), None
        except UnicodeDecodeError:  # Parquet does not check what it calls a string
            text, reason = None, NOT_UTF8
        else:
            reason = NO_TEXT if text is None else None if text.strip() else EMPTY
        texts.append(None if reason else text)
        reasons.append(reason)
    return texts, reasons


def added(found: Sequence[Prediction | None], reasons: Sequence[str | None]) -> list[pa.Array]:
    """The columns of `ADDED`, of the same types whatever the rows are."""
    return [
        pa.array([each and each.label.value for each in found], pa.string()),
        *(pa.array([each and each.probabilities[i] for each in found], pa.float64()) for i in range(len(CLASSES))),
        pa.array([each and each.model for each in found], pa.string()),
        pa.array([each and each.backend for each in found], pa.string()),
        pa.array(reasons, pa.string()),
    ]


def parquet_files(source: Path) -> list[str]:
    """The file, or the folder's Parquet files in the order of their paths; hidden ones are passed over."""
    if source.is_file():
        return [str(source.resolve())]
    paths = sorted(source.resolve().rglob("*.parquet")) if source.is_dir() else []
    found = [str(path) for path in paths if not _hidden(path.relative_to(source.resolve()))]
    if not found:
        raise ConfigError(f"--input {source} is no Parquet file and no folder with any")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def check_columns(files: Sequence[str], job: Job) -> None:
    """Raises ConfigError when the texts can't be read from there, or a column to add is there already."""
    try:
        schema = pads.dataset(list(files), format="parquet").schema
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"--input {job.source} can't be read as Parquet: {error}") from error
    if job.text_column not in schema.names:
        raise ConfigError(f"--text-column {job.text_column} is not in the input: it has {', '.join(schema.names)}")
    kind = schema.field(job.text_column).type
    if not _is_text(kind):
        raise ConfigError(f"--text-column {job.text_column} holds {kind}: expected text")
    if there := [job.prefix + name for name in ADDED if job.prefix + name in schema.names]:
        raise ConfigError(f"the input has {', '.join(there)} already: name the added columns with --prefix predicted_")


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(
        test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    )


def cpus_for(job: Job, patience_s: float = _PATIENCE_S) -> float:
    """What Ray sets aside for an actor on the cluster as it is now, or soon, when another job has just ended.

    Raises ConfigError when too few CPUs are free or GPUs there: Ray would wait for them without a word.
    """
    total: Callable[[], dict[str, float]] = ray.cluster_resources  # which Ray leaves untyped
    available: Callable[[], dict[str, float]] = ray.available_resources
    gpus, cpus = int(total().get("GPU", 0)), total().get("CPU", 0.0)
    if job.on_gpu and gpus < job.concurrency:
        raise ConfigError(
            f"the cluster has {gpus} GPUs and --concurrency {job.concurrency} needs as many: ask for fewer, or use"
            " --backend onnx, openvino or torch-cpu"
        )
    need = round(_READING + job.concurrency * _LEAST, 1)
    give_up = time.monotonic() + patience_s
    while (free := round(available().get("CPU", 0.0), 1)) < need:
        if time.monotonic() >= give_up:
            raise ConfigError(
                f"{free:g} of the cluster's {cpus:g} CPUs are free and --concurrency {job.concurrency} needs {need:g}:"
                " wait for other jobs to end, or add a node"
            )
        time.sleep(0.5)
    return job.cpus(free)


def check_model(job: Job, cpus: float) -> str:
    """Load the model once where the actors will, so that what is missing there is said at once; gives its backend.

    Raises AppError as `load` does.
    """
    try:
        task = ray.remote(_backend_of).options(num_cpus=cpus, num_gpus=job.gpus)
        return str(ray.get(task.remote(job)))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, AppError):
            raise error.cause from None
        raise


def _backend_of(job: Job) -> str:
    return load(job.model_dir, job.backend, threads=job.threads).backend


def scored(files: Sequence[str], job: Job, cpus: float) -> Dataset:
    """The input with the added columns, in order; nothing runs yet."""
    rows = ray.data.read_parquet(list(files))
    rows.context.execution_options.preserve_order = True
    # A block goes to one actor, and Ray's own blocks are large enough to hold a million posts.
    return rows.repartition(target_num_rows_per_block=job.rows).map_batches(
        Score,
        fn_constructor_args=(job,),
        batch_size=job.rows,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=job.concurrency),
        num_cpus=cpus,
        num_gpus=job.gpus,
    )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes `out` at the end, unless an error was raised: then it goes.

    Raises ConfigError when `out` is a file or a folder that is not empty, also when it became one in the meantime.
    """
    refuse_used(out)
    scratch = out.parent / f".{out.name}-{uuid.uuid4().hex[:8]}"
    scratch.mkdir(parents=True)
    try:
        yield scratch
        refuse_used(out)
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse_used(out: Path) -> None:
    """Raises ConfigError when something is there already."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise ConfigError(f"--out {out} is there already and is never overwritten: name another folder")


def summary(folder: Path, prefix: str) -> dict[str, Any]:
    """Counts of what was written."""
    labels: Counter[str | None] = Counter()
    reasons: Counter[str | None] = Counter()
    written = pads.dataset(sorted(map(str, folder.glob("*.parquet"))), format="parquet")
    for batch in written.to_batches(columns=[f"{prefix}label", f"{prefix}reason"]):
        labels.update(batch.column(0).to_pylist())
        reasons.update(batch.column(1).to_pylist())
    refused = {reason: count for reason, count in sorted(reasons.items(), key=str) if reason is not None}
    return {
        "rows": labels.total(),
        "scored": labels.total() - labels[None],
        "labels": {label.value: labels[label.value] for label in CLASSES},
        "refused": labels[None],
        "reasons": refused,
    }


def score(job: Job) -> dict[str, Any]:
    """Run the job on the Ray that is there; gives the manifest. Raises AppError.

    `seconds` is the whole job: loading the model, starting the actors, reading and writing are in it.
    """
    started = time.monotonic()
    refuse_used(job.out)
    manifest = verify(job.model_dir)
    files = parquet_files(job.source)
    check_columns(files, job)
    rows = pads.dataset(files, format="parquet").count_rows()
    if rows == 0:
        raise ConfigError(f"--input {job.source} holds no rows")
    cpus = cpus_for(job)
    backend = check_model(job, cpus)
    with new_folder(job.out) as folder:
        scored(files, job, cpus).write_datasink(Files(folder))
        found = summary(folder, job.prefix)
        if found["rows"] != rows:
            raise AppError(f"{found['rows']} rows were written of {rows}: was the input changed meanwhile?")
        seconds = time.monotonic() - started
        result = {
            "out": str(job.out),
            "input": str(job.source),
            "text_column": job.text_column,
            **found,
            "model": manifest.model,
            "backend": backend,
            "concurrency": job.concurrency,
            "seconds": round(seconds, 3),
            "texts_per_s": round(found["scored"] / seconds, 1),
        }
        (folder / MANIFEST).write_text(json.dumps(result, indent=2) + "\n")
    return result


def positive(text: str) -> int:
    """A whole number from 1."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def parse_arguments(arguments: Sequence[str]) -> Job:
    """The command line, as the module docstring shows it; what is not given comes from the settings."""
    settings = Settings()
    parser = argparse.ArgumentParser(prog="python -m pipelines.score", description="Score texts in Parquet.")
    parser.add_argument("--input", type=Path, required=True, help="Parquet file, or folder of them")
    parser.add_argument("--text-column", default="text", help="column with the texts; default: text")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the scored rows")
    parser.add_argument(
        "--model-dir", type=Path, default=settings.model_dir, help="model folder (default: %(default)s)"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="onnx", help="what computes it (default: %(default)s)")
    parser.add_argument("--concurrency", type=positive, default=1, help="models at work at once (default: %(default)s)")
    parser.add_argument("--threads", type=positive, default=settings.model_threads, help="CPU threads of each model")
    parser.add_argument("--prefix", default="", help="goes before the names of the added columns")
    options = parser.parse_args(arguments)
    return Job(
        source=options.input.resolve(),
        text_column=options.text_column,
        out=options.out.resolve(),
        model_dir=options.model_dir.resolve(),
        backend=options.backend,
        concurrency=options.concurrency,
        threads=options.threads,
        prefix=options.prefix,
    )


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status."""
    job = parse_arguments(arguments)
    try:
        refuse_used(job.out)
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        print(json.dumps(score(job)))
    except AppError as error:
        sys.stderr.write(f"score: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
