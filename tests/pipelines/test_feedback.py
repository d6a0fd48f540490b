from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.errors import ConfigError, NotFound
from app.core.feedback import MessageVerdict, Stratum
from app.core.types import Event, Label, Message, Prediction
from pipelines import corpora
from pipelines.corpora import TRAIN, VALIDATION, Corpus
from pipelines.dataset import LabelledTexts
from pipelines.feedback import COLUMNS, collect, main

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAID = Prediction(Label.POSITIVE, (0.1, 0.1, 0.8), "v1", "onnx")
POST = "we waited four hours at the gate in Denver and nobody from the airline told us anything at all"
NEGATIVE, NEUTRAL, OFF_TOPIC = MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL, MessageVerdict.OFF_TOPIC


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the command line finds, with one event."""
    monkeypatch.setenv("EVENTPULSE_STATE_DIR", str(tmp_path / "state"))
    with Store(f"sqlite:///{tmp_path}/state/eventpulse.db", now=lambda: NOON) as made:
        made.migrate()
        made.put_event(Event("cup", "Cup", "*"))
        yield made


def put(
    store: Store, name: str, text: str = "", *, source: str = "news", scored: bool = True, event: str = "cup"
) -> None:
    message = Message(name, text or f"text of {name}", NOON, source, lang="en")
    store.put_page(event, source, [Record(message, SAID if scored else None, "h", NOON)], Progress())


def judge(store: Store, name: str, verdict: MessageVerdict, who: str = "ann", **options: Any) -> None:
    store.feedback.judge(options.pop("event", "cup"), name, verdict, who=who, **options)


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_a_row_says_all_that_training_asks_for_and_no_name(store: Store, tmp_path: Path) -> None:
    put(store, "a", "The screen cracked.")
    judge(store, "a", NEUTRAL, stratum=Stratum.RANDOM)
    judge(store, "a", NEGATIVE, who="bob")
    assert run("--out", str(tmp_path / "out" / "f.parquet")) == 0
    table = pq.read_table(tmp_path / "out" / "f.parquet")
    assert table.schema.equals(COLUMNS)
    assert table.to_pylist() == [
        {
            "text": "The screen cracked.",
            "label": "negative",
            "event": "cup",
            "message_id": "a",
            "source": "news",
            "lang": "en",
            "at": NOON,
            "labelled_at": NOON,
            "stratum": "random",
            "people": 2,
            "disputed": True,
            "said": "positive",
            "model": "v1",
        }
    ]


def test_what_may_not_or_cannot_be_learnt_from_is_left_out_and_counted(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, "kept")
    put(store, "tweet", source="x")
    put(store, "ja", scored=False)
    put(store, "gone")
    put(store, "fruit")
    put(store, "skipped")
    for name in ("kept", "tweet", "ja", "gone"):
        judge(store, name, NEGATIVE)
    judge(store, "fruit", OFF_TOPIC)
    judge(store, "skipped", MessageVerdict.SKIPPED)
    store.delete_messages("cup", ["gone"])
    out, off = tmp_path / "f.parquet", tmp_path / "off.parquet"
    assert run("--out", str(out), "--off-topic", str(off)) == 0
    assert json.loads(capsys.readouterr().out) == {
        "rows": 1,
        "labels": {"negative": 1},
        "off_topic": 1,
        "left_out": {"x": 1, "language": 1, "deleted": 1},
    }
    assert pq.read_table(off)["message_id"].to_pylist() == ["fruit"]
    assert run("--out", str(out), "--allow-x") == 0
    assert pq.read_table(out)["message_id"].to_pylist() == ["kept", "tweet"]


def test_what_is_taken_back_is_not_learnt_from(store: Store) -> None:
    put(store, "a")
    judge(store, "a", NEGATIVE)
    store.feedback.undo("cup", "ann")
    assert collect(store, ["cup"]).labelled == []


def test_the_file_is_read_by_the_door_for_feedback(store: Store, tmp_path: Path) -> None:
    put(store, "a", "fine")
    put(store, "b", POST)
    judge(store, "a", NEUTRAL)
    judge(store, "b", NEGATIVE)
    out = tmp_path / "f.parquet"
    assert run("--out", str(out)) == 0
    texts = corpora.feedback(out)
    assert dict(zip(texts.texts, texts.labels, strict=True)) == {"fine": 1, POST: 0}
    # A near copy of what the model is judged by never gets into training.
    judged = LabelledTexts((f"RT @a: {POST}!",), (0,))
    corpus = Corpus("some", {TRAIN: LabelledTexts(("so good",), (2,)), VALIDATION: judged}, "a note").joined(texts)
    assert set(corpus.parts[TRAIN].texts) == {"so good", "fine"}
    assert corpus.removed == 1


def test_posts_from_x_are_refused_at_the_door_too(store: Store, tmp_path: Path) -> None:
    put(store, "tweet", source="x")
    judge(store, "tweet", NEGATIVE)
    out = tmp_path / "f.parquet"
    assert run("--out", str(out), "--allow-x") == 0
    with pytest.raises(ConfigError, match="terms of X"):
        corpora.feedback(out)
    assert len(corpora.feedback(out, allow_x=True)) == 1


def test_nothing_said_is_a_file_without_rows(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "f.parquet"
    assert run("--out", str(out)) == 0
    assert len(corpora.feedback(out)) == 0


def test_only_the_events_that_are_named(store: Store, tmp_path: Path) -> None:
    store.put_event(Event("vote", "Vote", "*"))
    for event in ("cup", "vote"):
        put(store, f"of {event}", event=event)
        judge(store, f"of {event}", NEGATIVE, event=event)
    out = tmp_path / "f.parquet"
    assert run("--out", str(out), "--event", "vote") == 0
    assert pq.read_table(out)["event"].to_pylist() == ["vote"]
    with pytest.raises(NotFound):
        collect(store, ["nowhere"])


def test_the_command_says_what_is_wrong_and_leaves_the_file(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "f.parquet"
    assert run("--out", str(out), "--event", "nowhere") == 1
    assert capsys.readouterr().err == "feedback: there is no event 'nowhere'\n"
    assert not out.exists()


def test_many_rows_are_read_in_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.feedback._AT_ONCE", 2)
    for number in range(5):
        put(store, f"m{number}")
        judge(store, f"m{number}", NEGATIVE)
    assert [row["message_id"] for row in collect(store, ["cup"]).labelled] == [f"m{number}" for number in range(5)]
