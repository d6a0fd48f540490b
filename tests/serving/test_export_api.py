from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.adapters.store import Store
from app.core.types import Label
from tests.adapters.builders import make, put
from tests.serving.support import EVENT

WINDOW = "start=2026-03-01T12:00:00Z&end=2026-03-01T14:00:00Z"


@pytest.fixture(autouse=True)
def some(store: Store) -> None:
    records = [make(f"m{n}", n, label=Label.NEGATIVE, source="news", text=f"=burn {n}") for n in range(20)]
    put(store, *records, event_id=EVENT)


def test_a_report_opens_in_the_browser_and_runs_nothing(client: TestClient) -> None:
    answer = client.get(f"/events/{EVENT}/report.html?{WINDOW}")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-disposition"].startswith("inline")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "20 messages" in answer.text


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for address in (f"events/{EVENT}/incidents/7/report.html", "events/none/report.html", "events/none/timeline.csv"):
        assert client.get(f"/{address}").status_code == 404
    assert client.get(f"/events/{EVENT}/timeline.xlsx").status_code == 422


def test_tables_come_as_csv_and_as_parquet(client: TestClient) -> None:
    answer = client.get(f"/events/{EVENT}/messages.csv?{WINDOW}&most=15")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [len(rows), rows[0]["text"][0]] == [15, "'"]
    table = pq.read_table(io.BytesIO(client.get(f"/events/{EVENT}/messages.parquet?{WINDOW}").content))
    assert [table.num_rows, table.column("text")[0].as_py()[0]] == [20, "="]
    steps = list(csv.DictReader(io.StringIO(client.get(f"/events/{EVENT}/timeline.csv?{WINDOW}").text)))
    assert sum(int(step["raw_negative"]) for step in steps) == 20
    assert client.get(f"/events/{EVENT}/incidents.csv?{WINDOW}").text.startswith('"event","number"')


def test_a_file_is_named_after_its_event_whatever_that_is_called(client: TestClient, store: Store) -> None:
    answer = client.get(f"/events/{EVENT}/timeline.csv")
    assert f'filename="{EVENT}-timeline.csv"' in answer.headers["content-disposition"]
