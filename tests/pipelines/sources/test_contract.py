"""What every source promises (`pipelines.sources.base.Source`), asked of each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from app.core.errors import SourceError
from app.core.types import Message
from pipelines.sources.base import Cursor, Feed, Page, Source
from pipelines.sources.newsapi import NewsApi
from pipelines.sources.replay import Playback, Replay
from pipelines.sources.x_api import XApi
from pipelines.sources.x_search import XSearch
from tests.fakes.apis import DEADLINE_S, KEY, TOKEN, FakeApis, Fault
from tests.fakes.clock import START, Clock
from tests.fakes.news_api import make_article
from tests.fakes.x_api import make_post
from tests.pipelines.sources.stream_rig import Rig

LENGTH = 230  # three pages of a search
SINCE, UNTIL = START - timedelta(hours=30), START - timedelta(hours=25)


@dataclass
class Case:
    """A kind of source: `make` gives one that has `texts` to give, between SINCE and UNTIL, and then ends."""

    make: Callable[[], Source]
    break_once: Callable[[], None]


@pytest.fixture(params=["x_search", "x_stream", "newsapi", "replay"])
def case(request: pytest.FixtureRequest, apis: FakeApis, clock: Clock, tmp_path: Path) -> Iterator[Case]:
    feed, made = Feed("e1", "cats", clock, SINCE, UNTIL), list[Source]()
    rig = Rig(apis, clock)

    def api() -> XApi:
        return XApi(TOKEN, base_url=apis.url, now=clock)

    makers: dict[str, Callable[[], Source]] = {
        "x_search": lambda: XSearch(api(), feed, poll_s=60.0),
        # An event that ended while nobody listened: all of it is a hole, filled page by page.
        "x_stream": lambda: rig.view(rig.hub(), since=SINCE, until=UNTIL),
        "newsapi": lambda: NewsApi(KEY, feed, base_url=apis.url, poll_s=None),
        "replay": lambda: Replay(tmp_path / "r.jsonl", "e1", now=clock, playback=Playback(speed=0, page_size=100)),
    }

    def make() -> Source:
        made.append(makers[request.param]())
        return made[-1]

    fill(apis, tmp_path / "r.jsonl")
    fault = Fault(503, b"<html>")
    path = "everything" if request.param == "newsapi" else "recent"
    yield Case(make, lambda: apis.fail(path, fault))
    for source in made:
        source.close()
    rig.close()


def fill(apis: FakeApis, path: Path) -> None:
    lines = []
    for number in range(LENGTH):
        at = SINCE + timedelta(minutes=1 + number)
        apis.x.add(make_post(at, f"text {number}"))
        apis.news.articles.append(make_article(at, f"text {number}"))
        lines.append(json.dumps({"id": str(number), "text": f"text {number}", "created_at": at.isoformat()}))
    path.write_text("\n".join(lines), encoding="utf-8")


def through_json(cursor: Cursor | None) -> Cursor | None:
    stored: Cursor | None = json.loads(json.dumps(cursor))
    return stored


def read(source: Source, cursor: Cursor | None = None) -> list[Page]:
    """All pages to the end."""
    pages: list[Page] = []
    deadline = monotonic() + DEADLINE_S
    while not (pages and pages[-1].finished):
        assert monotonic() < deadline, pages[-1]
        pages.append(source.fetch(through_json(pages[-1].cursor if pages else cursor)))
    return pages


def messages(pages: list[Page]) -> list[Message]:
    return [message for page in pages for message in page.messages]


def test_everything_comes_once_and_then_it_is_finished(case: Case) -> None:
    given = messages(read(case.make()))
    assert sorted(message.text for message in given) == sorted(f"text {number}" for number in range(LENGTH))
    assert len({message.id for message in given}) == LENGTH


def test_a_page_is_oldest_first_and_in_utc(case: Case) -> None:
    for page in read(case.make()):
        times = [message.created_at for message in page.messages]
        assert times == sorted(times)
        assert all(time.utcoffset() == timedelta() for time in times)


def test_a_restart_after_any_page_loses_nothing_and_repeats_nothing(case: Case) -> None:
    whole = read(case.make())
    for number in range(len(whole)):
        rest = read(case.make(), whole[number].cursor)
        ids = [message.id for message in messages(whole[: number + 1] + rest)]
        assert len(ids) == len(set(ids)) == LENGTH


def test_a_page_that_was_not_stored_comes_again_with_the_same_ids(case: Case) -> None:
    whole = read(case.make())
    for number, page in enumerate(whole[:-1]):
        expected = next((page.messages for page in whole[number + 1 :] if page.messages), ())
        again = next((page.messages for page in read(case.make(), page.cursor) if page.messages), ())
        assert [message.id for message in again] == [message.id for message in expected]


def test_fetch_changes_neither_its_cursor_nor_a_page_that_it_gave(case: Case) -> None:
    source = case.make()
    page = source.fetch(None)
    copy = replace(page, cursor=through_json(page.cursor) or {})
    source.fetch(page.cursor)
    assert page == copy


def test_live_to_does_not_go_back(case: Case) -> None:
    lives = [page.live_to for page in read(case.make()) if page.live_to is not None]
    assert lives == sorted(lives)
    assert lives[-1] >= SINCE + timedelta(minutes=LENGTH)


def test_after_the_end_there_is_nothing_more(case: Case) -> None:
    source = case.make()
    last = read(source)[-1]
    again = source.fetch(through_json(last.cursor))
    assert (again.messages, again.finished, again.cursor) == ((), True, last.cursor)


def test_with_nothing_to_give_a_page_is_empty(case: Case, apis: FakeApis, tmp_path: Path) -> None:
    apis.x.posts.clear()
    apis.news.articles.clear()
    source = case.make()
    if source.name != "replay":  # an empty recording is refused when it is opened
        assert messages(read(source)) == []


@pytest.mark.parametrize("case", ["x_search", "newsapi"], indirect=True)
def test_a_failure_leaves_the_cursor_good(case: Case) -> None:
    source = case.make()
    first = source.fetch(None)
    case.break_once()
    with pytest.raises(SourceError):
        source.fetch(through_json(first.cursor))
    ids = [message.id for message in messages([first, *read(source, first.cursor)])]
    assert len(ids) == len(set(ids)) == LENGTH


def test_closing_twice_is_quick_before_and_after_reading(case: Case) -> None:
    untouched, used = case.make(), case.make()
    used.fetch(None)
    begin = monotonic()
    for source in (untouched, used):
        source.close()
        source.close()
    assert monotonic() - begin < 2


def test_a_broken_cursor_means_the_beginning(case: Case) -> None:
    broken: Cursor = {"position": "x", "walk": 7, "holes": [1], "since_id": [], "seen_to": "never", "live_to": 3}
    assert len(messages(read(case.make(), broken))) == LENGTH
