from __future__ import annotations

from pathlib import Path

from pipelines.benchmarking.pictures import write_pictures
from pipelines.benchmarking.report import report
from tests.fakes.benchmark import HOSTILE, some_benchmark


def test_the_report_says_what_was_promised_and_what_came() -> None:
    said = report(some_benchmark(), [("throughput.png", "Requests a second")])
    kept = "| 256 texts a request, one caller | ONNX Runtime | texts/s | 0.97 (0.96 to 0.98) | ≥ 0.95 | yes |"
    missed = "| one text a request, 1 caller | FastAPI | p50 latency | 1.07 (1.02 to 1.13) | ≤ 1.1 | **no** |"
    assert {kept, missed, "![Requests a second](throughput.png)"} <= set(said.splitlines())
    assert "Load average 0.5 before,\n2.5 at most" in said
    assert "**3 requests failed; the table names them.**" in said
    assert "2 x HTTP 503, 1 x no answer: OSError" in said
    assert "Left out: openvino: openvino is not installed." in said
    assert "A quick look" not in said


def test_costs_memory_and_agreement_are_in_the_table() -> None:
    rows = report(some_benchmark()).splitlines()
    assert "| EventPulse | onnx-int8 | 900 | – | – | – | – | – | – |" in rows
    assert "| FastAPI |  | – | – | 0.0625 | – | – | 0.0010 | 99.8 % |" in rows


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    said = report(some_benchmark(scenarios={"batch": HOSTILE}))
    assert "\\| **bold**" in said


def test_pictures_are_drawn_where_single_texts_were_measured(tmp_path: Path) -> None:
    written = write_pictures(some_benchmark(), tmp_path)
    assert [file for file, _ in written] == ["throughput.png", "latency.png"]
    for file, _ in written:
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG")
    assert write_pictures(some_benchmark(measured=()), tmp_path) == ()
