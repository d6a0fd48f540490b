"""Recordings: their files, their pace, their times, and going on after a restart."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadResponse, ConfigError
from pipelines.sources import recordings
from pipelines.sources.base import Cursor, Page
from pipelines.sources.replay import Playback, Replay
from tests.fakes.clock import START, Clock

THEN = datetime(2015, 2, 23, 18, 0, tzinfo=UTC)
Records = list[dict[str, Any]]


def record(second: float, text: str | None = None, **more: Any) -> dict[str, Any]:
    at = (THEN + timedelta(seconds=second)).isoformat()
    return {"id": f"r{second:g}", "text": text or f"post {second:g}", "created_at": at, **more}


def write_csv(path: Path, records: Records) -> Path:
    path = path.with_suffix(".csv")
    names = list(dict.fromkeys(name for each in records for name in each))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(records)
    return path


def write_jsonl(path: Path, records: Records) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("\n".join(json.dumps(each) for each in records), encoding="utf-8")
    return path


def write_parquet(path: Path, records: Records) -> Path:
    path = path.with_suffix(".parquet")
    table = pa.Table.from_pylist(
        [each | {"created_at": datetime.fromisoformat(each["created_at"])} for each in records]
    )
    pq.write_table(table, path, row_group_size=7)
    return path


FORMATS = pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])


def play(source: Replay, cursor: Cursor | None = None) -> list[Page]:
    """All pages of a replay that does not wait; cursors go through JSON."""
    pages = [source.fetch(cursor)]
    while not pages[-1].finished:
        pages.append(source.fetch(json.loads(json.dumps(pages[-1].cursor))))
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [message.id for page in pages for message in page.messages]


def fast(path: Path, clock: Clock, **more: Any) -> Replay:
    return Replay(path, "e1", now=clock, playback=Playback(speed=0, **more))


@FORMATS
def test_all_fields_are_read(tmp_path: Path, clock: Clock, write: Callable[[Path, Records], Path]) -> None:
    full = record(
        0,
        source="news",
        author="ann",
        lang="en",
        location="Leeds",
        country="gb",
        url="https://a.example",
        publisher="The Daily",
        label="positive",
    )
    (page,) = play(fast(write(tmp_path / "r", [full]), clock))
    (message,) = page.messages
    assert (message.id, message.text, message.created_at) == ("r0", "post 0", THEN)
    assert (message.source, message.author, message.lang, message.location) == ("news", "ann", "en", "Leeds")
    assert (message.country, message.url, message.publisher) == ("GB", "https://a.example", "The Daily")


@FORMATS
def test_optional_columns_may_be_missing_or_empty(
    tmp_path: Path, clock: Clock, write: Callable[[Path, Records], Path]
) -> None:
    (page,) = play(fast(write(tmp_path / "r", [record(0), record(1, author=None), record(2, author="bo")]), clock))
    assert [message.author for message in page.messages] in ([None, None, "bo"], [None, None, None])
    assert {message.source for message in page.messages} == {"replay"}


@FORMATS
@pytest.mark.parametrize("column", ["id", "text", "created_at"])
def test_a_missing_column_is_named(
    tmp_path: Path, clock: Clock, write: Callable[[Path, Records], Path], column: str
) -> None:
    path = write(tmp_path / "r", [record(0)])
    if write is write_parquet:
        pq.write_table(pq.read_table(path).drop([column]), path)
    else:
        path = write(tmp_path / "r", [{name: value for name, value in record(0).items() if name != column}])
    with pytest.raises(ConfigError, match=rf"{path.name}: the required column {column} is missing"):
        fast(path, clock)


@FORMATS
@pytest.mark.parametrize("page_size", [1, 4, 100])
def test_any_position_gives_the_rest(
    tmp_path: Path, clock: Clock, write: Callable[[Path, Records], Path], page_size: int
) -> None:
    path = write(tmp_path / "r", [record(second) for second in range(30)])
    expected = [f"r{second}" for second in range(30)]
    source = fast(path, clock, page_size=page_size)
    assert ids(play(source)) == expected
    for position in (0, 1, 6, 7, 8, 21, 29, 30):  # row groups have 7 rows
        cursor: Cursor = {"position": position, "shift_s": 0.0}
        assert ids(play(fast(path, clock, page_size=page_size), cursor)) == expected[position:]
        assert ids(play(source, cursor)) == expected[position:]


@FORMATS
def test_rows_out_of_order_are_sorted(
    tmp_path: Path, clock: Clock, write: Callable[[Path, Records], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [5, 3, 9, 3.5, 1]
    path = write(tmp_path / "r", [record(second) for second in seconds])
    assert ids(play(fast(path, clock, page_size=2))) == ["r1", "r3", "r3.5", "r5", "r9"]
    monkeypatch.setattr(recordings, "MAX_UNSORTED_ROWS", 4)
    with pytest.raises(ConfigError, match="sort the file first"):
        fast(path, clock)


def test_bad_lines_of_jsonl_are_dead_letters(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "r.jsonl"
    lines = ['{"cut', json.dumps(record(0)), "[1]", "", json.dumps(record(1) | {"created_at": "soon"}), '{"id": 7}']
    path.write_text("\n".join([*lines, json.dumps(record(2))]), encoding="utf-8")
    pages = play(fast(path, clock, page_size=2))
    assert ids(pages) == ["r0", "r2"]
    letters = [letter for page in pages for letter in page.dead_letters]
    assert [letter.reason for letter in letters] == ["not JSON", "not a JSON object", "not a time: 'soon'", "no text"]
    assert {(letter.stage, letter.source, letter.event_id) for letter in letters} == {("parse", "replay", "e1")}
    assert '{"cut' in letters[0].payload


def test_bad_lines_of_csv_are_dead_letters(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "r.csv"
    rows = [
        "id,text,created_at",
        "1,one,2015-02-23 18:00:00",
        "2,too,many,2015-02-23",
        "3,,2015-02-23",
        ",x,2015-02-23",
    ]
    path.write_text("\ufeff" + "\n".join([*rows, '4,"fo\nur",2015-02-23T18:00:01Z', "5,five,never"]), encoding="utf-8")
    (page,) = play(fast(path, clock))
    assert [(message.id, message.text) for message in page.messages] == [("1", "one"), ("4", "fo\nur")]
    assert [letter.reason for letter in page.dead_letters] == [
        "4 cells instead of 3",
        "no text",
        "no id",
        "not a time: 'never'",
    ]


def test_a_parquet_file_of_pandas_is_read(tmp_path: Path, clock: Clock) -> None:
    """Whole ids become floats beside missing ones, texts NaN, and times have nanoseconds and no zone."""
    texts = ["2015-02-23 18:00:00.000000001", "2015-02-23 18:00:01", "2015-02-23 18:00:02"]
    times = pd.to_datetime(texts, format="ISO8601")
    frame = pd.DataFrame(
        {"id": [10.0, None, 12.0], "text": ["a", "b", "c"], "created_at": times, "author": ["x", None, float("nan")]}
    )
    path = tmp_path / "r.parquet"
    frame.to_parquet(path)
    (page,) = play(fast(path, clock))
    assert [(message.id, message.created_at, message.author) for message in page.messages] == [
        ("10", THEN, "x"),
        ("12", THEN + timedelta(seconds=2), None),
    ]
    assert [letter.reason for letter in page.dead_letters] == ["no id"]


def test_ids_are_passed_on_as_given_doubles_too(tmp_path: Path, clock: Clock) -> None:
    same = record(0) | {"id": 5}
    (page,) = play(fast(write_jsonl(tmp_path / "r", [same, same]), clock))
    assert ids([page]) == ["5", "5"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "there is no recording at"),
        ("r.txt", b"", "a recording is one of .csv, .jsonl"),
        ("r.parquet", b"not parquet", "can't be read"),
        ("r.csv", b"", "the required column id is missing"),
        ("r.csv", b"id,text,created_at\n", "no row with a readable time"),
        ("r.jsonl", b"", "no row with a readable time"),
        ("r.jsonl", b"{}{\n[]", "no row with a readable time"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(
    tmp_path: Path, clock: Clock, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        fast(path, clock)
    assert str(path) in str(caught.value)


def test_a_file_that_is_taken_away_is_an_error_of_the_source(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(0)])
    source = fast(path, clock)
    path.unlink()
    with pytest.raises(BadResponse, match="can't be read any more"):
        source.fetch(None)


def test_the_pace_is_that_of_the_recording_times_the_speed(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(0), record(10), record(11), record(40)])
    source = Replay(path, "e1", now=clock, playback=Playback(speed=10))
    page = source.fetch(None)
    assert (ids([page]), page.live_to, page.wait_s) == (["r0"], THEN, 1.0)
    clock.advance(0.5)
    page = source.fetch(page.cursor)
    assert (page.messages, page.live_to, page.wait_s) == ((), THEN + timedelta(seconds=5), 0.5)
    clock.advance(1)
    page = source.fetch(page.cursor)
    assert (ids([page]), page.live_to) == (["r10", "r11"], THEN + timedelta(seconds=15))
    clock.advance(60)
    page = source.fetch(page.cursor)
    assert (ids([page]), page.live_to, page.finished) == (["r40"], THEN + timedelta(seconds=40), True)
    assert source.fetch(page.cursor).finished


def test_a_page_is_not_larger_than_asked_for_and_claims_only_what_it_gave(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(second) for second in range(5)])
    source = Replay(path, "e1", now=clock, playback=Playback(speed=1, page_size=2))
    first = source.fetch(None)
    clock.advance(100)
    second = source.fetch(first.cursor)
    assert ids([first, second]) == ["r0", "r1", "r2"]
    assert (second.live_to, second.wait_s) == (THEN + timedelta(seconds=2), 0.0)


def test_after_a_restart_the_pace_begins_at_the_position(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(0), record(10), record(20)])
    playback = Playback(speed=1)
    page = Replay(path, "e1", now=clock, playback=playback).fetch(None)
    clock.advance(86_400)
    source = Replay(path, "e1", now=clock, playback=playback)
    page = source.fetch(page.cursor)
    assert (ids([page]), page.live_to) == ([], THEN)
    clock.advance(10)
    page = source.fetch(page.cursor)
    assert (ids([page]), page.live_to) == (["r10"], THEN + timedelta(seconds=10))


def test_shifted_times_end_now_and_stay_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(second) for second in range(3)])
    first = fast(path, clock, times="shifted", page_size=2).fetch(None)
    assert [message.created_at for message in first.messages] == [START - timedelta(seconds=n) for n in (2, 1)]
    clock.advance(1000)
    second = fast(path, clock, times="shifted").fetch(json.loads(json.dumps(first.cursor)))
    assert [message.created_at for message in second.messages] == [START]
    assert second.live_to == START


@settings(max_examples=30, deadline=None)
@given(
    seconds=st.lists(st.integers(0, 500), min_size=1, max_size=12),
    speed=st.sampled_from([0.0, 0.25, 1.0, 7.0, 600.0]),
    steps=st.lists(st.floats(0, 300), min_size=1, max_size=6),
    restart=st.booleans(),
)
def test_no_message_is_from_the_future_and_none_is_lost(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int], speed: float, steps: list[float], restart: bool
) -> None:
    """Whatever the speed and the pauses: in order, each once, `live_to` never beyond the clock and never back."""
    clock = Clock()
    records = [record(second) | {"id": str(n)} for n, second in enumerate(sorted(seconds))]
    path = write_jsonl(tmp_path_factory.mktemp("replay") / "r", records)
    playback = Playback(speed=speed, times="shifted", page_size=3)
    source = Replay(path, "e1", now=clock, playback=playback)
    pages: list[Page] = [source.fetch(None)]
    for step in [*steps, *[5_000.0] * 12]:
        clock.advance(step)
        if restart:
            source = Replay(path, "e1", now=clock, playback=playback)
        pages.append(source.fetch(pages[-1].cursor))
        assert all(message.created_at <= clock() for message in pages[-1].messages)
        assert pages[-1].live_to is not None
        assert pages[-1].live_to <= clock()
        assert 0 <= pages[-1].wait_s <= 1
    given_ids = ids(pages)
    assert given_ids == [str(n) for n in range(len(given_ids))]
    if not restart:
        assert pages[-1].finished
        assert len(given_ids) == len(records)
        lives = [page.live_to for page in pages if page.live_to is not None]
        assert lives == sorted(lives)


def test_rows_outside_of_the_bounds_are_passed_over(tmp_path: Path, clock: Clock) -> None:
    path = write_csv(tmp_path / "r", [record(second) for second in range(10)])
    bounds = {"since": THEN + timedelta(seconds=2), "until": THEN + timedelta(seconds=5)}
    pages = play(fast(path, clock, page_size=3, **bounds))
    assert ids(pages) == ["r2", "r3", "r4"]
    assert pages[-1].finished
