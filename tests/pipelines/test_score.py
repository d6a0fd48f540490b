from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from app.adapters.onnx import OnnxClassifier
from app.core.errors import ConfigError, ModelNotFound
from pipelines.score import (
    ADDED,
    EMPTY,
    MANIFEST,
    NO_TEXT,
    NOT_UTF8,
    Job,
    Score,
    check_columns,
    check_model,
    cpus_for,
    main,
    new_folder,
    parquet_files,
    parse_arguments,
    score,
    summary,
    texts_of,
)
from tests.fakes.tiny_artifact import write_artifact
from tests.fakes.tiny_model import texts

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In full precision: what a text gets does not depend on the texts beside it."""
    folder = tmp_path_factory.mktemp("score")
    write_artifact(folder, quantisation="fp32", weights="none")
    return folder / "artifact"


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return Job(tmp_path / "in.parquet", "text", tmp_path / "out", model, threads=1)


def not_utf8(content: bytes) -> pa.Array:
    """A string as Parquet files have it whose writer did not check."""
    return pa.array([content], pa.binary()).view(pa.string())


def test_the_actor_adds_columns_and_keeps_the_others(job: Job) -> None:
    table = pa.table({"id": [4, 5, 6, 7], "text": ["it is good", None, " \n", "it is bad"]})
    found = Score(job)(table)
    assert found.column_names == ["id", "text", *ADDED]
    assert found.select(["id", "text"]).equals(table)
    first, last = OnnxClassifier(job.model_dir, threads=1).classify(["it is good", "it is bad"])
    assert found["label"].to_pylist() == [first.label.value, None, None, last.label.value]
    assert found["reason"].to_pylist() == [None, NO_TEXT, EMPTY, None]
    assert found["model"].to_pylist() == [first.model, None, None, first.model]
    assert found["backend"].to_pylist() == ["onnx-fp32", None, None, "onnx-fp32"]
    assert [found[name][0].as_py() for name in ("negative", "neutral", "positive")] == list(first.probabilities)


def test_a_batch_without_texts_has_the_same_columns(job: Job) -> None:
    actor = Score(replace(job, prefix="predicted_"))
    full, none = (actor(pa.table({"text": pa.array([text], pa.string())})) for text in ("good", None))
    assert full.schema == none.schema
    assert full.column_names == ["text", *(f"predicted_{name}" for name in ADDED)]


def test_a_string_that_is_none_is_refused_alone() -> None:
    column = pa.chunked_array([not_utf8(b"caf\xe9"), pa.array(["good"])])
    assert texts_of(column) == ([None, "good"], [NOT_UTF8, None])


def test_categories_are_text_too() -> None:
    assert texts_of(pa.chunked_array([pa.array(["good", None]).dictionary_encode()])) == (
        ["good", None],
        [None, NO_TEXT],
    )


def test_files_of_a_folder_come_in_order_and_hidden_ones_not_at_all(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "c/d.parquet", ".hidden/e.parquet", "_f.parquet", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [str(Path(path).relative_to(tmp_path)) for path in parquet_files(tmp_path)]
    assert names == ["a.parquet", "b.parquet", "c/d.parquet"]
    assert parquet_files(tmp_path / "readme.md") == [str(tmp_path / "readme.md")]


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.parquet"):
        with pytest.raises(ConfigError, match=f"--input {path} is no Parquet file"):
            parquet_files(path)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"body": ["good"]}, "--text-column text is not in the input: it has body"),
        ({"text": [1]}, "--text-column text holds int64: expected text"),
        ({"text": ["good"], "label": [1]}, "has label already: name the added columns with --prefix"),
    ],
)
def test_columns_that_do_not_fit_are_named(columns: dict[str, list[object]], expected: str, job: Job) -> None:
    pq.write_table(pa.table(columns), job.source)
    with pytest.raises(ConfigError, match=expected):
        check_columns([str(job.source)], job)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.null(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_every_kind_of_text_is_taken(kind: pa.DataType, job: Job) -> None:
    pq.write_table(pa.table({"text": pa.array([None], kind), "label": [1]}), job.source)
    check_columns([str(job.source)], replace(job, prefix="predicted_"))


def test_what_is_no_parquet_is_refused(job: Job) -> None:
    job.source.write_text("text\ngood\n")
    with pytest.raises(ConfigError, match="can't be read as Parquet"):
        check_columns([str(job.source)], job)


def test_a_folder_that_holds_something_is_left_alone(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    job.out.mkdir()
    (job.out / "mine.txt").write_text("mine")
    arguments = ["--input", str(job.source), "--text-column", "text", "--out", str(job.out)]
    assert main(arguments) == 1
    assert f"--out {job.out} is there already and is never overwritten" in capsys.readouterr().err
    assert [path.name for path in job.out.iterdir()] == ["mine.txt"]


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with new_folder(out) as folder:
        (folder / "part").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "part"]


def test_a_failed_job_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "out") as folder:
        (folder / "part").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_of_two_jobs_for_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already"), new_folder(tmp_path / "out"):
        with new_folder(tmp_path / "out") as folder:
            (folder / "first").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "first"]


def test_counts_are_those_of_the_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": ["neutral", None], "reason": [None, EMPTY]}), tmp_path / "1.parquet")
    pq.write_table(
        pa.table({"label": ["neutral", "positive"], "reason": pa.nulls(2, pa.string())}), tmp_path / "2.parquet"
    )
    assert summary(tmp_path, "") == {
        "rows": 4,
        "scored": 3,
        "labels": {"negative": 0, "neutral": 2, "positive": 1},
        "refused": 1,
        "reasons": {EMPTY: 1},
    }


def test_arguments_have_the_defaults_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVENTPULSE_MODEL_DIR", str(tmp_path))
    needed = ["--input", "in", "--text-column", "text", "--out", "out"]
    job = parse_arguments(needed)
    assert (job.model_dir, job.backend, job.concurrency, job.threads) == (tmp_path, "onnx", 1, 2)
    assert job.source == Path("in").resolve()  # actors work in another folder
    with pytest.raises(SystemExit):
        parse_arguments([*needed, "--concurrency", "0"])


@pytest.mark.parametrize(
    ("free", "concurrency", "threads", "expected"),
    [(2, 1, 2, 1.0), (2, 2, 2, 0.5), (1.2, 1, 2, 0.2), (1.1, 1, 2, 0.1), (16, 4, 2, 2.0), (16, 4, 8, 3.0)],
)
def test_a_cpu_is_left_to_read_and_write(
    free: float, concurrency: int, threads: int, expected: float, job: Job
) -> None:
    assert replace(job, concurrency=concurrency, threads=threads).cpus(free) == expected


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.score._ROWS", 128)
    monkeypatch.setattr("pipelines.score._ROWS_PER_FILE", 500)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray_cluster", "small_files")
def test_ray_gives_the_labels_that_one_process_gives(job: Job) -> None:
    some = [f"{text} {'day ' * (i % 11)}" for i, text in enumerate(texts(3_000).texts)]
    asked: list[str | None] = [*some[:1_500], None, "", *some[1_500:], "  "]
    folder = job.source.parent / "in"
    folder.mkdir()
    table = pa.table({"id": range(len(asked)), "text": asked, "tags": [["a", str(i)] for i in range(len(asked))]})
    pq.write_table(table.slice(0, 2_000), folder / "1.parquet", row_group_size=300)
    pq.write_table(table.slice(2_000), folder / "2.parquet", row_group_size=300)

    manifest = score(replace(job, source=folder, concurrency=2))

    parts = sorted(job.out.glob("*.parquet"))
    assert 4 <= len(parts) <= 6  # of 3,003 rows
    written = pa.concat_tables([pq.read_table(path) for path in parts])
    assert written.select(table.column_names).to_pylist() == table.to_pylist()
    expected = OnnxClassifier(job.model_dir, threads=1).classify(some)
    assert [label for label in written["label"].to_pylist() if label] == [each.label.value for each in expected]
    assert [written["reason"][i].as_py() for i in (1_500, 1_501, 3_002)] == [NO_TEXT, EMPTY, EMPTY]

    assert manifest == json.loads((job.out / MANIFEST).read_text())
    assert (manifest["rows"], manifest["scored"], manifest["refused"]) == (3_003, 3_000, 3)
    assert manifest["reasons"] == {NO_TEXT: 1, EMPTY: 2}
    assert sum(manifest["labels"].values()) == 3_000
    assert (manifest["model"], manifest["backend"]) == (expected[0].model, "onnx-fp32")
    assert manifest["texts_per_s"] > 0
    assert pq.read_table(job.out).num_rows == 3_003  # the manifest is in nobody's way
    with pytest.raises(ConfigError, match="never overwritten"):
        score(replace(job, source=folder))


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray_cluster")
def test_what_is_missing_is_said_before_anything_runs(job: Job, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good"]}), job.source)
    with pytest.raises(ConfigError, match="the cluster has 0 GPUs and --concurrency 1 needs as many"):
        score(replace(job, backend="torch-cuda"))
    with pytest.raises(ModelNotFound, match=r"holds no config\.json and no model\.safetensors"):
        check_model(replace(job, backend="torch-cpu"), 1.0)
    with pytest.raises(ModelNotFound, match=r"manifest\.json is not there"):
        score(replace(job, model_dir=tmp_path))
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), job.source)
    with pytest.raises(ConfigError, match="holds no rows"):
        score(job)
    assert not job.out.exists()
    assert not list(tmp_path.glob(".out*"))


@pytest.fixture
def served(ray_cluster: None) -> Iterator[Callable[[float], None]]:
    """Sets CPUs aside, as applications do that are served by the same cluster."""
    groups = []

    def take(cpus: float) -> None:
        group = ray.util.placement_group([{"CPU": cpus}])
        assert group.wait(60)
        groups.append(group)

    yield take
    for group in groups:
        ray.util.remove_placement_group(group)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_beside_what_is_served_it_takes_what_is_left(job: Job, served: Callable[[float], None]) -> None:
    served(0.8)
    pq.write_table(pa.table({"text": ["it is good", "it is bad"]}), job.source)
    assert score(job)["scored"] == 2
    served(0.2)
    # The last job's actors may still be ending, so that less than the one CPU is free; too little it is in any case.
    with pytest.raises(ConfigError, match=r"[01](\.\d)? of the cluster's 2 CPUs are free and .* needs 1\.1"):
        cpus_for(job, patience_s=0)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray_cluster")
def test_the_command_prints_its_manifest(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"text": ["it is good", None], "label": [2, 2]}), job.source)
    arguments = ["--input", str(job.source), "--text-column", "text", "--out", str(job.out)]
    arguments += ["--model-dir", str(job.model_dir), "--prefix", "predicted_", "--threads", "1"]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (printed["rows"], printed["refused"], printed["input"]) == (2, 1, str(job.source))
    written = pq.read_table(job.out)
    assert written["label"].to_pylist() == [2, 2]
    assert written["predicted_label"].null_count == 1
