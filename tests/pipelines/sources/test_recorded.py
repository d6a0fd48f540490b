"""Real answers of the two services, recorded by others, where the shared data is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import BadResponse, BudgetExhausted, RateLimited, SourceError, Unauthorized
from pipelines.sources.base import Feed
from pipelines.sources.newsapi import NewsApi
from pipelines.sources.replay import Playback, Replay
from pipelines.sources.x_api import XApi
from pipelines.sources.x_search import XSearch
from tests.fakes.apis import KEY, TOKEN, FakeApis, Fault
from tests.fakes.clock import Clock
from tests.pipelines.sources.stream_rig import Reader, Rig

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def sample(name: str) -> Fault:
    path = DATA / "api_samples" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"the recorded answers are not here: {path}")
    recorded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Fault(recorded["http_status"], recorded["body"], recorded["headers"])


def search(apis: FakeApis, clock: Clock) -> XSearch:
    return XSearch(XApi(TOKEN, base_url=apis.url, now=clock), Feed("e1", "q", clock), poll_s=60)


def news(apis: FakeApis, clock: Clock) -> NewsApi:
    return NewsApi(KEY, Feed("e1", "q", clock), base_url=apis.url, poll_s=900)


@pytest.mark.parametrize(
    ("name", "messages", "dead_letters"),
    [("x_search_recent_200", 10, 0), ("x_search_recent_200_expansions", 1, 0), ("x_partial_errors_200", 0, 2)],
)
def test_answers_of_x(apis: FakeApis, clock: Clock, name: str, messages: int, dead_letters: int) -> None:
    apis.fail("recent", sample(name))
    source = search(apis, clock)
    page = source.fetch(None)
    source.close()
    assert (len(page.messages), len(page.dead_letters)) == (messages, dead_letters)
    assert page.billed == max(messages, 1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x_error_400_invalid_request", BadResponse),
        ("x_error_401", Unauthorized),
        ("x_error_429_rate_limit", RateLimited),
        ("x_error_429_usage_cap", BudgetExhausted),
        ("x_stream_error_429_too_many_connections", RateLimited),
    ],
)
def test_errors_of_x(apis: FakeApis, clock: Clock, name: str, kind: type[SourceError]) -> None:
    apis.fail("recent", sample(name))
    source = search(apis, clock)
    with pytest.raises(kind):
        source.fetch(None)
    source.close()


def test_the_stream_of_x(apis: FakeApis, clock: Clock) -> None:
    lines: list[str] = sample("x_filtered_stream_200_lines").body
    rules = sample("x_stream_rules_201").body["data"]
    apis.x.rules = [{"id": rules[0]["id"], "value": "cats", "tag": "eventpulse:e1"}]
    rig = Rig(apis, clock)
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    for line in lines:
        apis.x.connection().send(line.removesuffix("\r\n").encode())
    page = reader.gets("Look at this cute cat! 🐱")
    assert page.messages[0].author == "catperson"
    reader.until(lambda _: len(apis.x.connections) == 2)
    rig.close()


def test_answers_of_newsapi(apis: FakeApis, clock: Clock) -> None:
    apis.fail("everything", sample("newsapi_everything_200"))
    source = news(apis, clock)
    page = source.fetch(None)
    source.close()
    assert [message.publisher for message in page.messages] == ["Reuters"] * 3
    assert page.messages[1].text.startswith("Tesla takes another step on road to launch in India. Tesla Inc has moved")
    assert page.dead_letters == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("newsapi_error_401_api_key_invalid", Unauthorized),
        ("newsapi_error_401_api_key_missing", Unauthorized),
        ("newsapi_error_429_rate_limited", RateLimited),
    ],
)
def test_errors_of_newsapi(apis: FakeApis, clock: Clock, name: str, kind: type[SourceError]) -> None:
    apis.fail("everything", sample(name))
    source = news(apis, clock)
    with pytest.raises(kind):
        source.fetch(None)
    source.close()


def test_the_limits_of_a_plan(apis: FakeApis, clock: Clock) -> None:
    apis.fail("everything", sample("newsapi_error_426_maximum_results"))
    source = news(apis, clock)
    assert "limited to a max of 100 results" in source.fetch(None).note
    source.close()


def test_too_far_in_the_past(apis: FakeApis, clock: Clock) -> None:
    apis.fail("everything", sample("newsapi_error_426_too_far_in_the_past"))
    feed = Feed("e1", "q", clock, since=clock().replace(year=2019, month=7, day=1))
    source = NewsApi(KEY, feed, base_url=apis.url, poll_s=900)
    assert "reaches back to 2019-07-07; asked for 2019-07-01" in source.fetch(None).note
    source.close()


def test_a_recorded_event(clock: Clock) -> None:
    path = DATA / "events" / "us-airlines-2015.parquet"
    if not path.is_file():
        pytest.skip(f"the recorded events are not here: {path}")
    source = Replay(path, "e1", now=clock, playback=Playback(speed=0, times="shifted", page_size=5000))
    pages = [source.fetch(None)]
    while not pages[-1].finished:
        pages.append(source.fetch(pages[-1].cursor))
    ids = [message.id for page in pages for message in page.messages]
    assert len(ids) == len(set(ids)) == 14_485
    assert not any(page.dead_letters for page in pages)
    assert pages[-1].messages[-1].created_at == clock()
    source.close()
