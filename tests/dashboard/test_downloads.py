from __future__ import annotations

import csv
import io
from datetime import timedelta
from html import escape
from urllib.parse import parse_qsl

import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.core.types import Label
from app.dashboard.compare_view import CompareView
from app.dashboard.downloads import comparison_links, downloads, links
from app.dashboard.scope import Scopes
from app.dashboard.view import View
from tests.dashboard.rig import NOON, Rig, record


@pytest.fixture
def client(rig: Rig) -> TestClient:
    rig.watch()
    labels = list(Label)
    rig.put(*[record(n, NOON - timedelta(minutes=n), labels[n % 4], source="news") for n in range(60)])
    app = FastAPI()
    app.include_router(downloads(rig.service, Scopes(rig.service, rig.clock)))
    return TestClient(app)


def test_the_links_take_along_what_the_page_shows(client: TestClient) -> None:
    view = View("vision-pro", "6h", label="negative")
    html = links(view)
    for name in ("report.html", "timeline.csv", "timeline.parquet", "messages.csv", "messages.parquet"):
        assert f'href="{name}?event=vision-pro&amp;window=6h&amp;label=negative"' in html
        assert client.get(f"/{name}?{view.to_query()}").status_code == 200


def test_messages_are_those_of_the_filters(client: TestClient) -> None:
    answer = client.get("/messages.csv?event=vision-pro&window=6h&label=negative")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 15
    assert {row["label"] for row in rows} == {"negative"}
    assert "vision-pro-messages.csv" in answer.headers["content-disposition"]
    whole = client.get("/messages.parquet?event=vision-pro&window=6h")
    assert pq.read_table(io.BytesIO(whole.content)).num_rows == 60


def test_a_report_is_of_the_stretch_that_is_selected(client: TestClient) -> None:
    start, end = NOON - timedelta(minutes=9), NOON + timedelta(minutes=1)
    view = View("vision-pro", "6h", start=start, end=end)
    assert "10 messages" in client.get(f"/report.html?{view.to_query()}").text
    assert "60 messages" in client.get("/report.html?event=vision-pro&window=6h").text


def test_what_is_not_watched_is_said(client: TestClient) -> None:
    answer = client.get("/report.html?event=none")
    assert (answer.status_code, "none" in answer.text) == (404, True)
    assert answer.headers["content-type"].startswith("text/plain")


COMPARED = "event=vision-pro&s1=vision-pro~1h&s2=vision-pro~~~~2026-11-23T10:00:00Z~2026-11-23T11:00:00Z"


def test_a_comparison_is_taken_along_as_report_and_tables(client: TestClient) -> None:
    view = CompareView.from_query(dict(parse_qsl(COMPARED)))
    html = comparison_links(view)
    for name in ("comparison.html", "comparison.csv", "comparison-steps.csv", "comparison.parquet"):
        assert f'href="{name}?{escape(view.to_query())}"' in html
    assert "Comparison of 2 sides" in client.get(f"/comparison.html?{COMPARED}").text
    rows = list(csv.DictReader(io.StringIO(client.get(f"/comparison.csv?{COMPARED}").text)))
    assert [row["raw_negative"] for row in rows] == ["15", "0"]
    table = pq.read_table(io.BytesIO(client.get(f"/comparison-steps.parquet?{COMPARED}").content))
    assert sum(table.column("distinct").to_pylist()) == 60


def test_before_and_after_is_taken_along_too(client: TestClient) -> None:
    query = "event=vision-pro&at=2026-11-23T11:30:00Z&hours=1"
    assert "Before and after" in client.get(f"/comparison.html?{query}").text
    assert client.get(f"/comparison.csv?{query}").text.count("\n") == 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("s1=vision-pro&s2=gone", 404),
        ("s1=vision-pro&s2=vision-pro~~~~2026-11-23T11:00:00Z~2026-11-23T10:00:00Z", 422),
        ("event=vision-pro&at=2030-01-01T00:00:00Z", 422),
        ("event=vision-pro&moment=gone", 404),
    ],
)
def test_what_can_not_be_compared_is_said(client: TestClient, query: str, status: int) -> None:
    answer = client.get(f"/comparison.html?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")


def test_countries_are_taken_along_with_what_is_unresolved(client: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/countries.csv?event=vision-pro&window=6h").text)))
    assert [(row["of"], row["country"], row["messages"]) for row in rows] == [
        ("publishers", "??", "60"),
        ("publishers", "", "60"),
    ]
