from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.lake import complete_runs
from app.adapters.store import Store
from app.core.errors import InvalidInput, Unauthorized
from app.core.types import Count, DeadLetter, Event, Label, SourceState
from app.settings import Settings
from pipelines.ingest import Classify, Loader, ingest, message_of, parse_since, read_all
from pipelines.sources.base import Page
from tests.fakes.pipeline import START, ListSource, message

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "default"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENT = Event("launch", "Launch", "watch")


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("36h", NOW - timedelta(hours=36)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("0d", NOW),
        ("2026-11-01T00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00+02:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_since(text: str, since: datetime) -> None:
    made = parse_since(text, NOW)
    assert made == since
    assert made.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "-7d", "7 d", "7D", "1.5h", "yesterday", "2026-11-01", "2026-11-01T00:00", "999999w", "2030-01-01Z"],
)
def test_since_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_since(text, NOW)
    assert refused.value.field == "since"
    assert repr(text) in str(refused.value)


def _end(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert [row["kind"] for row in rows].count("end") == 1
    assert rows[-1]["kind"] == "end"
    content: dict[str, Any] = json.loads(rows[-1]["content"])
    return content


def test_everything_of_a_source_is_read() -> None:
    letter = DeadLetter("parse", "no id", "{}", "test")
    last = Page((message(3),), {"page": 2}, billed=1, dead_letters=(letter,), finished=True)
    source = ListSource([[message(1), message(2, "a \ud83d b 😀")], last])
    rows = list(read_all(source))
    assert [row["kind"] for row in rows] == ["message", "message", "message", "dead", "end"]
    assert [message_of(row["content"]) for row in rows[:2]] == [message(1), message(2, "a \ud83d b 😀")]
    assert _end(rows) == {"reads": 3, "billed": 3, "state": "finished", "detail": ""}
    assert source.closed == 1


def test_a_source_that_fails_gives_what_it_has_and_says_why() -> None:
    source = ListSource([[message(1)], Unauthorized("the key was refused"), [message(2)]])
    rows = list(read_all(source))
    assert [row["kind"] for row in rows] == ["message", "end"]
    assert _end(rows) == {"reads": 1, "billed": 1, "state": "error", "detail": "the key was refused"}
    assert source.closed == 1


@pytest.fixture(scope="module")
def classify() -> Classify:
    return Classify(EVENT, str(MODEL), 1)


def _rows(classify: Classify) -> list[dict[str, Any]]:
    texts = [
        "I love this watch!",
        "I hate this watch!",
        "a clock",
        " ",
        "I love this watch!",
        "the watch at noon \ud83d",
    ]
    pages = [[message(number, text) for number, text in enumerate(texts)], [message(9, "la watch", lang="fr")]]
    rows = list(read_all(ListSource(pages)))
    made = classify({name: [row[name] for row in rows] for name in rows[0]})
    return [dict(zip(made, values, strict=True)) for values in zip(*made.values(), strict=True)]


def test_classify_judges_what_belongs_to_the_event(classify: Classify) -> None:
    rows = _rows(classify)
    assert [row["kind"] for row in rows] == [
        "message", "message", "unmatched", "dead", "message", "message", "message", "end",
    ]  # fmt: skip
    assert [row["label"] for row in rows[:2]] == ["positive", "negative"]
    assert rows[6]["label"] == "unscored"
    assert [len(row["probabilities"]) for row in rows] == [3, 3, 0, 0, 3, 3, 0, 0]


def test_classify_takes_a_batch_without_messages(classify: Classify) -> None:
    made = classify({"connector": ["x"], "kind": ["end"], "content": ["{}"]})
    assert made == {"connector": ["x"], "kind": ["end"], "content": ["{}"], "label": [""], "probabilities": [[]]}


def test_loading_counts_and_a_repeat_changes_nothing(classify: Classify, store: Store) -> None:
    store.put_event(EVENT)
    rows = _rows(classify)
    loader = Loader(store, EVENT, "m-1", NOW)
    loader.put(rows)
    assert loader.counts == {"inserted": 5, "repeated": 0, "unmatched": 1, "dead_letters": 1}
    assert loader.sources == {"test": "finished"}
    totals = store.totals("launch")
    assert totals[Label.POSITIVE] == Count(2, 1)
    assert totals[Label.UNSCORED] == Count(1, 1)
    again = Loader(store, EVENT, "m-1", NOW)
    again.put(rows)
    assert (again.counts["inserted"], again.counts["repeated"]) == (0, 5)
    assert store.totals("launch") == totals
    assert store.check("launch") == []
    (status,) = store.statuses("launch")
    assert (status.source, status.state) == ("batch:test", SourceState.FINISHED)
    assert store.cursor("launch", "test") is None


def test_batches_of_any_size_give_the_same_counts(classify: Classify, store: Store) -> None:
    for size in (1, 3):
        event = Event(f"launch-{size}", "Launch", "watch")
        store.put_event(event)
        rows, loader = _rows(classify), Loader(store, event, "m-1", NOW)
        for start in range(0, len(rows), size):
            loader.put(rows[start : start + size])
    assert store.totals("launch-1") == store.totals("launch-3")


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_a_recording_is_ingested_twice_and_counted_once(ray_cluster: None, tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    posts = [
        message(number, f"the watch number {number} is {'great' if number % 2 else 'awful'}") for number in range(600)
    ]
    path.write_text("\n".join(json.dumps(asdict(post), default=str) for post in [*posts, message(600, "a clock")]))
    settings = Settings(state_dir=tmp_path / "state", model_dir=MODEL, replay_path=path, replay_event="Launch")
    with Store(settings.database) as store:
        store.migrate()
        store.put_event(EVENT)
        since = START - timedelta(days=1)
        first = ingest(EVENT, settings, since, NOW)
        assert (first["inserted"], first["unmatched"], first["sources"]) == (600, 1, {"replay": "finished"})
        assert sum(store.totals("launch").values(), Count()).raw == 600
        second = ingest(EVENT, settings, since, NOW + timedelta(seconds=1))
        assert (second["inserted"], second["repeated"]) == (0, 600)
        assert store.check("launch") == []
    assert len(complete_runs(settings.state_dir / "lake", "launch")) == 2
