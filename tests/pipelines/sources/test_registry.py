"""Which sources an event gets, and why it does not get the others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.types import Event
from app.settings import Settings
from pipelines.sources.registry import SOURCES, Connection, Order, Sources, SourceSpec, read_budget
from pipelines.sources.replay import Replay
from tests.fakes.apis import KEY, TOKEN, FakeApis
from tests.fakes.clock import START, Clock
from tests.fakes.news_api import make_article
from tests.fakes.x_api import make_post

EVENT = Event(id="e1", name="Cats", query="cats OR kittens")


def make_settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def with_keys(apis: FakeApis, **values: Any) -> Settings:
    return make_settings(
        x_bearer_token=f" {TOKEN}\n", x_api_url=apis.url, newsapi_key=KEY, newsapi_url=apis.url, **values
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "r.csv"
    path.write_text("id,text,created_at\n1,one,2020-01-01\n2,two,2020-01-02\n", encoding="utf-8")
    return path


def close(sources: Sources, connections: list[Connection]) -> None:
    for connection in connections:
        if connection.source:
            connection.source.close()
    sources.close()


def test_without_keys_every_source_says_which_variable_is_missing() -> None:
    sources = Sources(make_settings())
    assert [(each.name, each.source, each.reason) for each in sources.live(EVENT, remaining=None)] == [
        ("x_stream", None, "EVENTPULSE_X_BEARER_TOKEN is not set"),
        ("newsapi", None, "EVENTPULSE_NEWSAPI_KEY is not set"),
    ]
    assert [(each.name, each.reason) for each in sources.bounded(EVENT, since=None, until=None, remaining=None)] == [
        ("x_search", "EVENTPULSE_X_BEARER_TOKEN is not set"),
        ("newsapi", "EVENTPULSE_NEWSAPI_KEY is not set"),
    ]
    sources.close()


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_key_is_none(value: str) -> None:
    (_, news) = Sources(make_settings(newsapi_key=value)).live(EVENT, remaining=None)
    assert news.reason == "EVENTPULSE_NEWSAPI_KEY is not set"


@pytest.mark.parametrize("value", ["two words", "curly “quotes”", "a\nb"])
def test_a_key_that_can_not_be_one_is_not_sent(value: str) -> None:
    (stream, _) = Sources(make_settings(x_bearer_token=value)).live(EVENT, remaining=None)
    assert stream.reason == "EVENTPULSE_X_BEARER_TOKEN holds characters that no key has"


def test_with_keys_an_event_is_watched_on_all_of_them(apis: FakeApis, clock: Clock) -> None:
    sources = Sources(with_keys(apis), now=clock)
    connections = sources.live(EVENT, remaining=100)
    assert [(each.name, each.reason) for each in connections] == [("x_stream", ""), ("newsapi", "")]
    assert [each.source.name for each in connections if each.source] == ["x_stream", "newsapi"]
    for connection in connections:
        assert connection.source
        connection.source.fetch(None)
    apis.x.connection()
    assert [rule["tag"] for rule in apis.x.rules] == ["eventpulse:e1"]
    assert apis.x.rules[0]["value"] == "cats OR kittens"
    close(sources, connections)
    apis.x.connection().wait_closed()


def test_making_sources_makes_no_request(apis: FakeApis, clock: Clock) -> None:
    sources = Sources(with_keys(apis), now=clock)
    connections = sources.live(EVENT, remaining=None)
    connections += sources.bounded(EVENT, since=None, until=None, remaining=None)
    assert apis.requests == []
    close(sources, connections)


def test_two_events_share_the_connection_of_x(apis: FakeApis, clock: Clock) -> None:
    sources = Sources(with_keys(apis), now=clock)
    connections: list[Connection] = []
    for number in (1, 2):
        event = Event(id=f"e{number}", name=f"Event {number}", query=f"word{number}")
        connections += sources.live(event, remaining=None)
    for connection in connections:
        if connection.name == "x_stream" and connection.source:
            connection.source.fetch(None)
    apis.x.connection()
    assert len(apis.seen("search/stream")) == 1
    close(sources, connections)


def test_the_time_of_an_event_bounds_its_sources(apis: FakeApis, clock: Clock) -> None:
    event = Event(id="e1", name="Cats", query="cats", starts_at=START + timedelta(days=1))
    sources = Sources(with_keys(apis), now=clock)
    connections = sources.live(event, remaining=None)
    for connection in connections:
        assert connection.source
        assert "begins at" in connection.source.fetch(None).note
    close(sources, connections)


def test_news_of_a_new_event_reaches_back_two_days(apis: FakeApis, clock: Clock) -> None:
    sources = Sources(with_keys(apis), now=clock)
    event = Event(id="e1", name="Cats", query="cats", languages=("de",), created_at=START)
    connections = sources.live(event, remaining=None)
    news = connections[1].source
    assert news
    news.fetch(None)
    assert apis.requests[0].params["from"] == "2026-11-21T12:00:00"
    assert apis.requests[0].params["language"] == "de"
    close(sources, connections)


def test_a_batch_reads_a_time_once(apis: FakeApis, clock: Clock) -> None:
    apis.x.add(*(make_post(START - timedelta(hours=hour), f"post {hour}") for hour in range(1, 10)))
    apis.news.articles = [make_article(START - timedelta(hours=hour), f"news {hour}") for hour in range(1, 10)]
    sources = Sources(with_keys(apis), now=clock)
    since, until = START - timedelta(hours=5), START - timedelta(hours=2)
    connections = sources.bounded(EVENT, since=since, until=until, remaining=50)
    texts = {}
    for connection in connections:
        assert connection.source
        page = connection.source.fetch(None)
        assert page.finished
        texts[connection.name] = [message.text for message in page.messages]
    assert texts == {
        "x_search": ["post 5", "post 4", "post 3"],
        "newsapi": ["news 5", "news 4", "news 3", "news 2"],
    }
    close(sources, connections)


def test_the_event_of_the_recording_gets_the_recording_only(recording: Path, apis: FakeApis, clock: Clock) -> None:
    sources = Sources(with_keys(apis, replay_path=recording, replay_event="Cats"), now=clock)
    (connection,) = sources.live(EVENT, remaining=None)
    assert isinstance(connection.source, Replay)
    assert connection.source.fetch(None).messages[0].id == "1"
    (bounded,) = sources.bounded(EVENT, since=None, until=None, remaining=None)
    assert bounded.source
    page = bounded.source.fetch(None)
    assert (len(page.messages), page.finished) == (2, True)
    others = sources.live(Event(id="e2", name="Dogs", query="dogs"), remaining=None)
    assert [each.name for each in others] == ["x_stream", "newsapi"]
    close(sources, [connection, bounded, *others])


def test_a_bad_recording_is_a_reason() -> None:
    settings = make_settings(replay_path=Path("nowhere.csv"), replay_event="Cats")
    (connection,) = Sources(settings).live(EVENT, remaining=None)
    assert connection.source is None
    assert "there is no recording at nowhere.csv" in connection.reason


@pytest.mark.parametrize("query", ["*", "cats OR", " ".join(f"word{number}" for number in range(400))])
def test_a_query_that_a_source_can_not_be_asked_is_a_reason(apis: FakeApis, query: str) -> None:
    sources = Sources(with_keys(apis))
    connections = sources.live(Event(id="e1", name="Cats", query=query), remaining=None)
    assert all(each.source is None and each.reason for each in connections)
    sources.close()


def test_a_query_that_only_the_stream_takes_is_streamed_without_filling(apis: FakeApis, clock: Clock) -> None:
    query = " OR ".join(f"longword{number}" for number in range(45))
    sources = Sources(with_keys(apis), now=clock)
    connections = sources.live(Event(id="e1", name="Cats", query=query), remaining=None)
    stream = connections[0]
    assert stream.source
    assert any("gaps of the stream can't be filled" in problem for problem in stream.problems)
    close(sources, connections)


def test_a_wrong_base_url_is_a_reason(apis: FakeApis) -> None:
    settings = with_keys(apis)
    sources = Sources(settings.model_copy(update={"newsapi_url": "newsapi.org"}))
    connections = sources.live(EVENT, remaining=None)
    assert "the base URL of NewsAPI must begin with https://" in connections[1].reason
    close(sources, connections)


def test_a_source_from_elsewhere_joins_by_the_table(recording: Path, clock: Clock) -> None:
    def make(order: Order) -> Connection:
        return Connection("mine", Replay(recording, order.event.id, now=order.now))

    table = {**SOURCES, "mine": SourceSpec(missing=lambda settings: "", make=make, live=True)}
    sources = Sources(make_settings(), now=clock, table=table)
    connections = sources.live(EVENT, remaining=None)
    assert [(each.name, each.source is not None) for each in connections] == [
        ("x_stream", False),
        ("newsapi", False),
        ("mine", True),
    ]
    close(sources, connections)


def test_the_read_budget_is_the_events_or_the_default() -> None:
    settings = make_settings(x_default_read_budget=50)
    assert read_budget(EVENT, settings) == 50
    assert read_budget(Event(id="e1", name="Cats", query="cats", read_budget=0), settings) == 0
