from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.adapters.artifact import MANIFEST, Manifest
from app.adapters.benchmarks import folder_for, write_results
from app.adapters.confusion import LabelledSet
from app.dashboard.models import Models, benchmark, model, score_name
from app.dashboard.mount import dashboard_app
from tests.dashboard.rig import Rig
from tests.fakes.benchmark import HOSTILE, MADE_AT, some_benchmark

MODEL = Manifest(
    name="tiny",
    version="0a1b2c3d",
    classes=("negative", "neutral", "positive"),
    languages=("en",),
    max_tokens=128,
    scores={"validation_macro_recall": 0.7396, "macro_f1": 0.5},
    parity={"agreement": 0.9945, "recall_loss": -0.17, "speed": 2.17},
    provenance={"made_at": "2026-01-02"},
    files={},
)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub("</?bdi>", "", html)))


def test_the_model_says_what_it_is_and_how_good() -> None:
    said = words(model(MODEL))
    for part in ("tiny classifies the messages", "0a1b2c3d", "int8 weights", "English, up to 128 tokens", "2026-01-02"):
        assert part in said
    assert "Macro recall, validation 0.740" in said
    assert "Same label 99.5 % of texts" in said
    assert "Macro recall 0.17 points higher" in said


def test_a_model_that_says_nothing_of_full_precision() -> None:
    assert "does not say" in model(MODEL.model_copy(update={"parity": {}}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("validation_macro_recall", "Macro recall, validation"),
        ("macro_f1", "Macro F1"),
        ("semeval2016_devtest_accuracy", "Accuracy, semeval2016 devtest"),
        ("something_else", "Something else"),
    ],
)
def test_scores_have_words(name: str, said: str) -> None:
    assert score_name(name) == said


def test_without_a_benchmark_the_page_says_how_to_run_one() -> None:
    said = benchmark(None)
    assert "No benchmark has been run yet." in said
    assert "python -m pipelines.benchmark --url" in said


def test_a_benchmark_shows_its_figures_and_conditions() -> None:
    said = words(benchmark(some_benchmark()))
    assert "1,234 texts a second in batches ; 1 of 2 targets kept" in said
    assert "0.97 (0.96–0.98) at least 0.95 yes" in said
    assert "1.07 (1.02–1.13) at most 1.1 no" in said
    assert "3 requests failed" in said
    assert "2 HTTP 503, 1 no answer: OSError" in said
    assert "load average 0.5 before, 2.5 at most" in said
    assert "A lone caller waits 1.5 ms (1.2–1.8) longer" in said or "1.5 ms (1.25" in said
    assert "Left out: openvino: openvino is not installed." in said
    assert "A quick look" not in said


def test_a_quick_benchmark_is_called_one() -> None:
    found = some_benchmark()
    quick = found.model_copy(update={"conditions": found.conditions.model_copy(update={"quick": True})})
    assert "no figure to quote" in benchmark(quick)


def test_nothing_from_a_file_is_markup() -> None:
    found = some_benchmark(model=HOSTILE, left_out={HOSTILE: HOSTILE}, scenarios={"batch": HOSTILE})
    found = found.model_copy(update={"conditions": found.conditions.model_copy(update={"hardware": HOSTILE})})
    hostile = MODEL.model_copy(
        update={"name": HOSTILE, "scores": {HOSTILE: 0.5}, "provenance": {"base": HOSTILE}, "languages": (HOSTILE,)}
    )
    html = benchmark(found) + model(hostile)
    assert "<img" not in html
    assert "&lt;img" in html


def test_the_page_is_read_anew_each_time(tmp_path: Path) -> None:
    page = Models(tmp_path / "model", tmp_path / "state")
    assert "No model." in page.html()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / MANIFEST).write_text("{")
    assert "No model." in page.html()
    (tmp_path / "model" / MANIFEST).write_text(MODEL.model_dump_json())
    assert "No benchmark has been run yet." in page.html()
    write_results(folder_for(tmp_path / "state", MADE_AT), some_benchmark())
    assert "1,234 texts a second" in page.html()


def test_the_dashboard_has_the_page(rig: Rig) -> None:
    async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
        return dashboard_app(rig.service, rig.clock, rig.settings)

    gradio = next(route for route in asyncio.run(made()).routes if hasattr(getattr(route, "app", None), "get_blocks"))
    pages = [(path, name) for path, name, *_ in gradio.app.get_blocks().pages]
    assert ("models", "Models") in pages


def test_quality_is_told_by_set_with_intervals_and_what_it_rests_on() -> None:
    small = LabelledSet(name="<b>small", sha256="", counts=((3, 1, 0), (0, 0, 0), (1, 1, 2)))
    large = LabelledSet(name="large", sha256="", counts=((80, 10, 10), (20, 60, 20), (5, 5, 90)))
    said = words(model(MODEL, (small, large)))
    assert "it finds 62 to 77 % , by where the texts are from: 2 labelled sets, 308 texts" in said.replace(
        "\u00a0", " "
    )
    rows = said.replace("\u00a0", " ").split("Mean of the three ")[1]
    assert re.match(r"large 300 80 % \(71-87\) 60 % \(50-69\) 90 % \(83-94\) 77 % \(7\d-8\d\)", rows)
    assert "&lt;b&gt;small 8 75 % (30-95) none in it 50 % (15-85) 62 %" in rows


def test_a_folder_without_its_matrices_says_so(tmp_path: Path) -> None:
    known = MODEL.model_copy(update={"files": {"confusion.json": "0" * 64}})
    (tmp_path / MANIFEST).write_text(known.model_dump_json())
    html = Models(tmp_path, tmp_path).html()
    assert "can’t be read" in html
    assert "Macro recall, validation" in html
