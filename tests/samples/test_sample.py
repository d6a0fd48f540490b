"""What users of the sample rely on."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from app.core.query import matches, parse
from app.core.text import content_hash
from pipelines.sources.recordings import open_recording
from samples.build import EVENT_NAME, EVENT_QUERY, OUTPUT, PHASES, phase_of, render
from samples.corpus import TEXTS, load

COLUMNS = [
    *("id", "text", "created_at", "source", "author", "lang", "location", "country", "url", "publisher"),
    *("intended_label", "off_topic"),
]
CRISIS_HOUR = 40
LINK = re.compile(r"https?://([^/\s\")”]+)")
EXAMPLE = re.compile(r"[\w.-]*\.example|(?:[\w-]+\.)*example\.(?:com|org|net)")
BARE_DOMAIN = re.compile(r"\b[\w-]+\.(?:com|org|net|io|co|uk|de|in|br|au|ca|no|app|dev|ai|news|shop|tv|me|ly)\b", re.I)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    # Not splitlines(): a text may hold a line separator of Unicode.
    return [json.loads(line) for line in OUTPUT.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture(scope="module")
def times(rows: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(row["created_at"]) for row in rows]


def by_hour(rows: list[dict[str, Any]], times: list[datetime]) -> dict[int, list[dict[str, Any]]]:
    hours: dict[int, list[dict[str, Any]]] = {}
    begin = times[0].replace(minute=0, second=0)
    for row, time in zip(rows, times, strict=True):
        hours.setdefault((time - begin) // timedelta(hours=1), []).append(row)
    return hours


def negative_share(rows: list[dict[str, Any]]) -> float:
    return [row["intended_label"] for row in rows].count("negative") / len(rows)


def test_regenerating_gives_the_same_bytes() -> None:
    assert render().encode() == OUTPUT.read_bytes()


def test_the_file_is_small_enough_to_commit() -> None:
    assert OUTPUT.stat().st_size < 1_500_000


def test_the_product_reads_every_row() -> None:
    recording = open_recording(OUTPUT)
    messages = [row.message for row in recording.rows(0)]
    assert len(messages) == recording.length
    assert None not in messages


def test_there_is_enough_to_look_at(rows: list[dict[str, Any]]) -> None:
    assert len(rows) >= 2_600
    assert len({content_hash(row["text"]) for row in rows}) >= 700
    written = {content_hash(row["text"]) for row in rows if not re.search(r"^RT @|” via @", row["text"])}
    assert len(written) >= 700


def test_columns_and_ids(rows: list[dict[str, Any]]) -> None:
    assert all(list(row) == COLUMNS for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(re.fullmatch(r"x:9\d{16}|news:[a-z0-9-]+", row["id"]) for row in rows)


def test_values(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["source"] == row["id"].split(":")[0]
        assert row["intended_label"] in {"negative", "neutral", "positive"}
        assert (row["source"] == "news") == (row["publisher"] is not None) == (row["author"] is None)
        assert row["country"] is None or re.fullmatch("[A-Z]{2}", row["country"])
        assert row["text"].strip()


def test_times_are_sorted_and_span_three_days(rows: list[dict[str, Any]], times: list[datetime]) -> None:
    assert all(row["created_at"].endswith("Z") for row in rows)
    assert times == sorted(times)
    assert timedelta(hours=60) <= times[-1] - times[0] <= timedelta(hours=84)


def test_every_phase_has_messages_of_every_label(rows: list[dict[str, Any]]) -> None:
    found = Counter((phase_of(row["created_at"]), row["intended_label"]) for row in rows)
    assert len(found) == 3 * len(PHASES)


def test_the_crisis_stands_out(rows: list[dict[str, Any]], times: list[datetime]) -> None:
    hours = by_hour(rows, times)
    crisis = hours[CRISIS_HOUR]
    assert len(crisis) >= 5 * median(len(hour) for hour in hours.values())
    assert len(crisis) == max(len(hour) for hour in hours.values())
    before = [row for hour in range(CRISIS_HOUR) for row in hours[hour]]
    assert negative_share(crisis) > 0.8
    assert negative_share(before) < 0.5


def test_what_is_written_stays_within_its_phase() -> None:
    starts = dict(zip(PHASES, [0, *PHASES.values()], strict=False))
    for path in TEXTS.glob("[0-9]*.yaml"):
        content = load(path)
        phase = content["phase"]
        start, end = (0, 72) if phase == "any" else (starts[phase], PHASES[phase])
        assert all(start <= begin < until <= end for begin, until in (beat["hours"] for beat in content["beats"])), path


def test_retweets_and_the_cascade(rows: list[dict[str, Any]]) -> None:
    retweets = [row["text"] for row in rows if row["text"].startswith("RT @")]
    assert len(retweets) >= 500
    assert sum(text.endswith("…") and len(text) <= 140 for text in retweets) >= 100
    cascade = {row["author"] for row in rows if "My son's Lumen Watch just burned him" in row["text"]}
    assert len(cascade) >= 100


def test_many_people_in_many_places(rows: list[dict[str, Any]]) -> None:
    assert len({row["author"] for row in rows}) >= 300
    assert len({row["country"] for row in rows} - {None}) >= 6
    assert len({row["lang"] for row in rows}) >= 7


def test_headlines(rows: list[dict[str, Any]]) -> None:
    titles = [row["text"].removesuffix(f" - {row['publisher']}") for row in rows if row["source"] == "news"]
    assert len(set(titles)) >= 60
    assert len(titles) - len(set(titles)) >= 20


def test_the_query_finds_all_but_the_off_topic_posts(rows: list[dict[str, Any]]) -> None:
    query = parse(EVENT_QUERY)
    assert [row["text"] for row in rows if matches(query, row["text"]) == row["off_topic"]] == []
    assert 20 <= sum(row["off_topic"] for row in rows) <= 30


def test_no_handle_can_be_an_account(rows: list[dict[str, Any]]) -> None:
    named = {name for row in rows for name in re.findall(r"(?<!\w)@(\w+)", row["text"])}
    handles = {row["author"] for row in rows if row["author"]} | named
    assert {handle for handle in handles if len(handle) < 16} == {"haldenvik"}


def test_no_real_domains(rows: list[dict[str, Any]]) -> None:
    def sites() -> Iterator[str]:
        for row in rows:
            yield from LINK.findall(row["text"])
            yield from LINK.findall(row["url"])

    assert {site for site in sites() if not EXAMPLE.fullmatch(site)} == set()
    assert [row["text"] for row in rows if BARE_DOMAIN.search(row["text"])] == []


@pytest.mark.parametrize(
    "sign",
    [
        *("&amp;", "\\u2019", "\u200d", "\u200b", "<script>alert(1)</script>", "![free", "=HYPERLINK(", "\r\n"),
        *("🔥" * 100, "השעון", "الشاشة"),
    ],
)
def test_awkward_texts_are_there(rows: list[dict[str, Any]], sign: str) -> None:
    assert any(sign in row["text"] for row in rows)


def test_the_readme_states_the_event_and_the_numbers(rows: list[dict[str, Any]]) -> None:
    readme = (Path(OUTPUT).parent / "README.md").read_text(encoding="utf-8")
    labels = Counter(row["intended_label"] for row in rows)
    assert EVENT_NAME in readme
    assert EVENT_QUERY in readme
    for number in (len(rows), *labels.values()):
        assert f"{number:,}" in readme
