"""NewsAPI: late, short and rate limited, and honest about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core.errors import BadResponse, RateLimited, SourceError, Unauthorized
from pipelines.sources.base import Cursor, Feed, Page
from pipelines.sources.newsapi import NewsApi
from tests.fakes.apis import KEY, FakeApis, Fault
from tests.fakes.clock import START, Clock
from tests.fakes.news_api import make_article

MakeNews = Callable[..., NewsApi]
HOUR = timedelta(hours=1)


@pytest.fixture
def news(apis: FakeApis, clock: Clock) -> Iterator[MakeNews]:
    made: list[NewsApi] = []

    def make(
        since: datetime | None = None, until: datetime | None = None, poll_s: float | None = 900.0, **more: Any
    ) -> NewsApi:
        feed = Feed("e1", '"cats"', clock, since, until)
        made.append(NewsApi(more.pop("key", KEY), feed, base_url=apis.url, poll_s=poll_s, **more))
        return made[-1]

    yield make
    for source in made:
        source.close()


def fill(apis: FakeApis, number: int, *, end: datetime = START - 25 * HOUR) -> list[str]:
    """Articles a minute apart, the last one at a time; their texts, oldest first."""
    titles = [f"Cats, part {n}" for n in range(number)]
    for n, title in enumerate(titles):
        apis.news.articles.append(make_article(end - timedelta(minutes=number - 1 - n), title))
    return titles


def walk(source: NewsApi, cursor: Cursor | None = None) -> list[Page]:
    pages = [source.fetch(json.loads(json.dumps(cursor)))]
    while pages[-1].wait_s == 0 and not pages[-1].finished:
        pages.append(source.fetch(json.loads(json.dumps(pages[-1].cursor))))
    return pages


def texts(pages: list[Page]) -> list[str]:
    return [message.text for page in pages for message in page.messages]


def one(apis: FakeApis, source: NewsApi, article: dict[str, Any]) -> Page:
    apis.news.articles = [article]
    return source.fetch(None)


def test_an_article_becomes_a_message(apis: FakeApis, news: MakeNews) -> None:
    article = make_article(START - 25 * HOUR, "Cats return - The Daily", description="They were away for a week.")
    (message,) = one(apis, news(language="en"), article).messages
    assert message.text == "Cats return. They were away for a week."
    assert (message.source, message.publisher, message.author) == ("news", "The Daily", "Bo Berg")
    assert (message.lang, message.country, message.url) == ("en", None, article["url"])
    assert message.created_at == START - 25 * HOUR
    assert message.id.startswith("news:")


@pytest.mark.parametrize(
    ("title", "description", "text"),
    [
        ("Cats return", None, "Cats return"),
        ("Cats return", "", "Cats return"),
        ("Cats return", "CATS return!", "Cats return"),
        ("Cats return", "Cats return after a week.", "Cats return after a week."),
        ("Cats return?", "Nobody knows.", "Cats return? Nobody knows."),
        ("Cats return", "<p>Nobody <b>knows</b></p>", "Cats return. Nobody  knows"),
        ("Cats return", "[Removed]", "Cats return"),
    ],
)
def test_the_description_is_added_where_it_says_more(
    apis: FakeApis, news: MakeNews, title: str, description: str | None, text: str
) -> None:
    (message,) = one(apis, news(), make_article(START - 25 * HOUR, title, description=description)).messages
    assert message.text == text


def test_the_id_is_that_of_the_url(apis: FakeApis, news: MakeNews) -> None:
    first = one(apis, news(), make_article(START - 25 * HOUR, "Cats return", url="https://a.example/1"))
    second = one(apis, news(), make_article(START - 25 * HOUR, "Cats return again", url="https://a.example/1"))
    assert first.messages[0].id == second.messages[0].id


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": "[Removed]", "url": "https://removed.com"}, "removed by its publisher"),
        ({"title": None}, "no title"),
        ({"url": ""}, "no url"),
        ({"publishedAt": None}, "no time"),
        ({"publishedAt": "soon"}, "not a time: 'soon'"),
    ],
)
def test_a_bad_article_is_a_dead_letter(apis: FakeApis, news: MakeNews, change: Any, reason: str) -> None:
    fill(apis, 1)
    apis.news.articles.append(make_article(START - 25 * HOUR, "Dogs") | change)
    page = news().fetch(None)
    assert [message.text for message in page.messages] == ["Cats, part 0"]
    assert [letter.reason for letter in page.dead_letters] == [reason]


def test_all_pages_are_read(apis: FakeApis, news: MakeNews) -> None:
    expected = fill(apis, 250)
    pages = walk(news())
    assert [len(page.messages) for page in pages] == [100, 100, 50]
    assert sorted(texts(pages)) == sorted(expected)
    assert [page.live_to for page in pages] == [None, None, START - 24 * HOUR]
    assert pages[-1].wait_s == 900.0
    assert all(page.billed == 0 for page in pages)
    assert {request.params["sortBy"] for request in apis.requests} == {"publishedAt"}


def test_new_articles_do_not_move_the_pages_of_a_poll(apis: FakeApis, news: MakeNews, clock: Clock) -> None:
    expected = fill(apis, 150)
    source = news()
    first = source.fetch(None)
    clock.advance(3600)
    apis.news.articles += [make_article(START + timedelta(minutes=n), f"new {n}") for n in range(1, 60)]
    assert sorted(texts([first, *walk(source, first.cursor)])) == sorted(expected)


def test_a_free_key_sees_tomorrow_what_is_published_today(apis: FakeApis, news: MakeNews, clock: Clock) -> None:
    """A poll that began where the clock was at the last one would miss it for ever."""
    hidden = make_article(START - 10 * HOUR, "published today")
    fill(apis, 3)
    source = news()
    pages = walk(source)
    clock.advance(15 * 3600)
    apis.news.articles.append(hidden)
    assert "published today" in texts(walk(source, pages[-1].cursor))


def test_with_a_paid_key_the_newest_article_tells_how_far(apis: FakeApis, news: MakeNews) -> None:
    fill(apis, 3, end=START - timedelta(minutes=5))
    assert walk(news())[-1].live_to == START - timedelta(minutes=5)


def test_a_poll_begins_an_hour_before_the_newest_article(apis: FakeApis, news: MakeNews, clock: Clock) -> None:
    fill(apis, 3)
    source = news(since=START - 48 * HOUR)
    page = walk(source)[-1]
    clock.advance(900)
    source.fetch(page.cursor)
    assert [request.params["from"] for request in apis.requests] == ["2026-11-21T12:00:00", "2026-11-22T10:00:00"]


def test_a_restart_does_not_poll_early(apis: FakeApis, news: MakeNews, clock: Clock) -> None:
    page = walk(news())[-1]
    clock.advance(100)
    again = news().fetch(page.cursor)
    assert (again.wait_s, again.cursor, len(apis.requests)) == (800.0, page.cursor, 1)


def test_the_limit_of_a_plan_ends_a_poll_with_a_note(apis: FakeApis, news: MakeNews, clock: Clock) -> None:
    fill(apis, 250)
    apis.news.max_results = 100
    source = news()
    pages = walk(source)
    assert [len(page.messages) for page in pages] == [100, 0]
    assert "limited to a max of 100 results" in pages[-1].note
    assert pages[-1].wait_s == 900.0
    clock.advance(900)
    apis.news.articles.clear()
    fill(apis, 250)
    later = walk(source, pages[-1].cursor)
    assert len(later) == 1  # the request that would be refused is not made again
    assert len(apis.requests) == 3


def test_a_start_that_the_plan_does_not_reach_is_moved(apis: FakeApis, news: MakeNews) -> None:
    apis.news.earliest = datetime.fromisoformat("2026-10-23T00:00:00+00:00")
    expected = fill(apis, 2)
    page = news(since=START - timedelta(days=60)).fetch(None)
    assert texts([page]) == expected
    assert "reaches back to 2026-10-23; asked for 2026-09-24" in page.note


def test_a_start_that_stays_out_of_reach_is_an_error(apis: FakeApis, news: MakeNews) -> None:
    body = {"status": "error", "code": "parameterInvalid", "message": "results too far in the past"}
    apis.fail("everything", Fault(426, body))
    with pytest.raises(BadResponse, match="too far in the past"):
        news(since=START - timedelta(days=60)).fetch(None)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(401, {"code": "apiKeyInvalid", "message": "bad key"}), Unauthorized, "EVENTPULSE_NEWSAPI_KEY"),
        (Fault(401, {"code": "apiKeyMissing", "message": "no key"}), Unauthorized, "EVENTPULSE_NEWSAPI_KEY"),
        (Fault(403, b"<html>forbidden</html>"), Unauthorized, "EVENTPULSE_NEWSAPI_KEY"),
        (Fault(400, {"code": "parametersMissing", "message": "no q"}), BadResponse, "no q"),
        (Fault(500, {"code": "unexpectedError", "message": f"{KEY} broke"}), BadResponse, r"\*\*\*"),
        (Fault(502, b"<html>bad gateway</html>"), BadResponse, "502"),
        (Fault(200, b"<html>hello</html>"), BadResponse, "not JSON"),
        (Fault(200, {"status": "ok"}), BadResponse, "without a list"),
        (Fault(200, [1]), BadResponse, "without a list"),
        (Fault(200, {"articles": []}, cut=True), BadResponse, "broke off"),
        (Fault(204, b""), BadResponse, "not what it documents|not JSON"),
    ],
)
def test_a_refusal_says_what_to_do(
    apis: FakeApis, news: MakeNews, fault: Fault, kind: type[SourceError], says: str
) -> None:
    apis.fail("everything", fault)
    source = news()
    with pytest.raises(kind, match=says) as caught:
        source.fetch(None)
    assert KEY not in str(caught.value)
    assert source.fetch(None).wait_s == 900.0


@pytest.mark.parametrize(
    ("code", "headers", "wait_s"),
    [("rateLimited", {}, 3600.0), ("apiKeyExhausted", {}, 900.0), ("rateLimited", {"retry-after": "12"}, 12.0)],
)
def test_a_rate_limit_says_how_long(
    apis: FakeApis, news: MakeNews, code: str, headers: dict[str, str], wait_s: float
) -> None:
    apis.fail("everything", Fault(429, {"status": "error", "code": code, "message": "too many"}, headers))
    with pytest.raises(RateLimited) as caught:
        news().fetch(None)
    assert caught.value.retry_after == wait_s


def test_a_wrong_key_is_refused(news: MakeNews) -> None:
    with pytest.raises(Unauthorized):
        news(key="another").fetch(None)


def test_a_language_that_newsapi_does_not_know_is_not_asked_for(apis: FakeApis, news: MakeNews) -> None:
    news(language="de").fetch(None)
    news(language="ja").fetch(None)
    assert [request.params.get("language") for request in apis.requests] == ["de", None]


def test_a_bounded_poll_ends(apis: FakeApis, news: MakeNews) -> None:
    expected = fill(apis, 150)
    source = news(since=START - 48 * HOUR, until=START - 25 * HOUR, poll_s=None)
    pages = walk(source)
    assert sorted(texts(pages)) == sorted(expected)
    assert pages[-1].finished
    assert source.fetch(pages[-1].cursor).finished
    assert len(apis.requests) == 2


def test_an_event_that_has_ended_is_followed_until_a_free_key_has_seen_it_all(
    apis: FakeApis, news: MakeNews, clock: Clock
) -> None:
    source = news(until=START)
    pages = walk(source)
    assert not pages[-1].finished
    clock.advance(24 * 3600)
    apis.news.articles.append(make_article(START - HOUR, "the last one"))
    pages = walk(source, pages[-1].cursor)
    assert texts(pages) == ["the last one"]
    assert pages[-1].finished


def test_an_event_of_tomorrow_is_not_asked_for(apis: FakeApis, news: MakeNews) -> None:
    page = news(since=START + 24 * HOUR).fetch(None)
    assert (page.wait_s, apis.requests) == (60.0, [])
