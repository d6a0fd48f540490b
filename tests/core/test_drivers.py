"""Why a window differs: all of it together, on messages made for the test, the sample's story, and recorded events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.core.dedup import DuplicateIndex
from app.core.drivers import MOST_PHRASES, explain
from app.core.evidence import Dimension, Drivers
from app.core.posts import Posts
from app.core.types import Label
from tests.core.posts import Said, columns
from tests.core.test_phrases import chatter

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "lumen-watch-launch.jsonl"
EVENTS = ROOT.parent / "shared" / "data" / "events"
CALM = columns(chatter(900, 2), hours=9, name="b")


def loud(share: float = 0.3) -> Posts:
    return columns(chatter(300, 1, "refund refused", share))


def test_a_card_says_what_who_and_since_when() -> None:
    found = explain(loud(), CALM)
    assert (found.rate, found.rate_before) == (300, 100)
    assert found.phrases[0].text == "refund refused"
    assert found.stories[0].phrases[0] == "refund refused"
    assert found.first == found.stories[0].first == "m0"
    assert found.counts[Label.NEGATIVE].raw == 300
    assert [breakdown.by for breakdown in found.breakdowns] == [Dimension.STORY, Dimension.AUTHOR, Dimension.SOURCE]
    for breakdown in found.breakdowns:
        assert sum(part.rise for part in breakdown.parts) == pytest.approx(200)
    assert {part.key for part in found.breakdowns[0].parts} == {*(story.exemplar for story in found.stories), None}
    assert found.tested > len(found.phrases)


def test_the_same_messages_always_give_the_same_card() -> None:
    assert explain(loud(), CALM) == explain(loud(), CALM)


def test_a_window_without_messages_explains_nothing() -> None:
    assert explain(columns([]), CALM) == Drivers(rate=0.0, rate_before=100.0)
    assert explain(columns([]), None) == Drivers(rate=0.0, rate_before=None)


def test_with_nothing_before_the_window_says_what_it_consists_of() -> None:
    copies = [Said("RT", f"fan {n}", family="m0") for n in range(30)]
    for before in (None, columns([], hours=5)):
        found = explain(columns(chatter(100, 1) + copies), before)
        assert found.phrases == ()
        assert found.stories[0].total.raw == 31
        assert found.first == "m0"
        assert found.rate_before == (None if before is None else 0)


def test_a_window_in_which_nothing_stands_out_begins_with_its_first_message() -> None:
    found = explain(columns(chatter(60, 1)), CALM)
    assert (found.phrases, found.stories, found.first) == ((), (), "m0")


def test_negative_ones_are_told_from_the_rest_of_the_window() -> None:
    negative = columns(chatter(200, 1, "hinge swollen", 0.3))
    before = columns(chatter(900, 2, "hinge swollen", 0.3), hours=9, name="b")
    rest = columns(chatter(400, 3), name="r")
    assert all("swollen" not in phrase.text for phrase in explain(negative, before).phrases)
    found = explain(negative, before, rest)
    assert found.phrases[0].text == "hinge swollen"
    assert found.rate_before == 100
    # What the negative ones say more than the rest is not why there are more of them: the rise is against before.
    story = next(story for story in found.stories if "hinge swollen" in story.phrases)
    assert story.rise == pytest.approx(60 - 30, abs=1)


def test_there_are_not_too_many_phrases() -> None:
    said = [Said(f"{name}{n % 30} arrived", f"{name}{n}") for name in "abcdefgh" for n in range(300)]
    assert len(explain(columns(said), CALM).phrases) <= MOST_PHRASES


# The authored story, and recorded events


def posts_of(rows: list[dict[str, Any]], start: datetime, end: datetime) -> Posts:
    rows = [row for row in rows if start <= row["created_at"] < end]
    return Posts(
        ids=[row["id"] for row in rows],
        texts=[row["text"] for row in rows],
        created_at=np.array([int(row["created_at"].timestamp() * 1e6) for row in rows], dtype=np.int64),
        families=[row["family"] for row in rows],
        authors=[row["author"] or "" for row in rows],
        domains=[""] * len(rows),
        sources=[row["source"] for row in rows],
        countries=[row["country"] or "" for row in rows],
        labels=[Label(row["label"]) for row in rows],
        hours=(end - start) / timedelta(hours=1),
    )


def explained(rows: list[dict[str, Any]], start: datetime, hours: float) -> Drivers:
    index = DuplicateIndex()
    for row in rows:
        row["family"] = index.first_of(row["id"], row["text"]) or row["id"]
    before = posts_of(rows, max(rows[0]["created_at"], start - timedelta(days=7)), start)
    return explain(posts_of(rows, start, start + timedelta(hours=hours)), before)


def test_the_crisis_of_the_sample_is_named_by_its_cause() -> None:
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").split("\n") if line]
    rows = [
        row | {"created_at": datetime.fromisoformat(row["created_at"]), "label": row["intended_label"]}
        for row in rows
        if not row["off_topic"]
    ]
    found = explained(rows, datetime(2025, 9, 17, 22, tzinfo=UTC), 3)
    assert {"strap", "burned", "hot"} <= {phrase.text for phrase in found.phrases}
    # It began with the mother's post, and that is what the largest story shows.
    texts = {row["id"]: row["text"] for row in rows}
    assert found.first is not None
    assert texts[found.first].startswith("My son's Lumen Watch just burned him.")
    assert found.stories[0].exemplar == found.first
    assert found.stories[0].counts[Label.NEGATIVE].raw > 0.8 * found.stories[0].total.raw


def recorded(name: str) -> list[dict[str, Any]]:
    path = EVENTS / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"the recorded events are not here: {path}")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_the_fleek_post_of_an_airline_is_named() -> None:
    rows = [row for row in recorded("us-airlines-2015") if "@jetblue" in row["text"].lower()]
    found = explained(rows, datetime(2015, 2, 23, 18, tzinfo=UTC), 3)
    assert found.phrases[0].text == "fleet on fleek"
    assert found.phrases[0].authors_before == 0


def test_a_cascade_is_told_as_one_text_passed_on() -> None:
    found = explained(recorded("apple-2014-12"), datetime(2014, 12, 4, 20, tzinfo=UTC), 1)
    assert found.stories[0].phrases == ()
    assert (found.stories[0].total.distinct, len(found.stories)) == (1, 1)
    assert found.stories[0].total.raw > 0.6 * found.rate
