"""Recent search: no hole, no post read that is not paid for, no question that X refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core.errors import BadResponse, BudgetExhausted
from pipelines.sources.base import Cursor, Feed, Page
from pipelines.sources.x_api import XApi
from pipelines.sources.x_search import XSearch
from tests.fakes.apis import TOKEN, FakeApis, Fault
from tests.fakes.clock import START, Clock
from tests.fakes.x_api import make_post

MakeSearch = Callable[..., XSearch]


@pytest.fixture
def search(apis: FakeApis, clock: Clock) -> Iterator[MakeSearch]:
    made: list[XSearch] = []

    def make(since: datetime | None = None, until: datetime | None = None, remaining: int | None = None) -> XSearch:
        api = XApi(TOKEN, base_url=apis.url, now=clock)
        feed = Feed("e1", "cats", clock, since, until)
        made.append(XSearch(api, feed, poll_s=60.0, remaining=remaining))
        return made[-1]

    yield make
    for source in made:
        source.close()


def fill(apis: FakeApis, number: int, *, before: datetime = START, first: int = 0) -> list[str]:
    """Posts one second apart, the last one 40 s before a time; their ids, oldest first."""
    begin = before - timedelta(seconds=40 + number)
    posts = [make_post(begin + timedelta(seconds=n), f"post {first + n}") for n in range(number)]
    apis.x.add(*posts)
    return [f"x:{post['id']}" for post in posts]


def stored(cursor: Cursor | None) -> Any:
    """A cursor as it comes back from the store."""
    return json.loads(json.dumps(cursor))


def walk(source: XSearch, cursor: Cursor | None = None) -> list[Page]:
    """The pages until there is something to wait for."""
    pages = [source.fetch(stored(cursor))]
    while pages[-1].wait_s == 0 and not pages[-1].finished:
        pages.append(source.fetch(stored(pages[-1].cursor)))
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [message.id for page in pages for message in page.messages]


def test_all_pages_are_followed_before_the_search_moves_on(apis: FakeApis, search: MakeSearch) -> None:
    expected = fill(apis, 250)
    pages = walk(search())
    assert [len(page.messages) for page in pages] == [100, 100, 50]
    assert sorted(ids(pages)) == sorted(expected)
    assert [page.billed for page in pages] == [100, 100, 50]
    assert [page.live_to for page in pages] == [None, None, START - timedelta(seconds=30)]
    assert pages[-1].wait_s == 60.0
    assert [page.cursor["since_id"] for page in pages] == [None, None, expected[-1].removeprefix("x:")]


def test_a_page_is_oldest_first(apis: FakeApis, search: MakeSearch) -> None:
    expected = fill(apis, 30)
    assert ids(walk(search())) == expected


def test_posts_that_arrive_during_a_walk_belong_to_the_next(apis: FakeApis, search: MakeSearch, clock: Clock) -> None:
    old = fill(apis, 150)
    source = search()
    first = source.fetch(None)
    clock.advance(60)
    new = fill(apis, 5, before=clock(), first=150)
    rest = walk(source, first.cursor)
    assert sorted(ids([first, *rest])) == sorted(old)
    assert ids(walk(source, rest[-1].cursor)) == new


def test_only_new_posts_are_paid_for_at_the_next_poll(apis: FakeApis, search: MakeSearch, clock: Clock) -> None:
    fill(apis, 5)
    source = search()
    first = source.fetch(None)
    clock.advance(60)
    second = source.fetch(first.cursor)
    assert (second.messages, second.billed) == ((), 0)
    assert second.live_to == clock() - timedelta(seconds=30)


def test_a_crash_in_the_middle_repeats_a_page_and_loses_nothing(apis: FakeApis, search: MakeSearch) -> None:
    expected = fill(apis, 250)
    first = search().fetch(None)
    source = search()
    again = source.fetch(stored(first.cursor))
    assert ids([again]) == ids([search().fetch(stored(first.cursor))])
    assert sorted(ids([first, again, *walk(source, again.cursor)])) == sorted(expected)


def test_a_page_token_that_has_expired_costs_no_hole_and_no_second_reading(apis: FakeApis, search: MakeSearch) -> None:
    expected = fill(apis, 250)
    source = search()
    first = source.fetch(None)
    token = stored(first.cursor)["walk"]["token"]
    apis.x.dead_tokens.add(str(token))
    pages = [first, *walk(source, first.cursor)]
    assert set(ids(pages)) == set(expected)
    assert sum(page.billed for page in pages) <= 251  # the post at the seam is read twice


def test_a_refused_query_is_an_error_and_not_asked_twice(apis: FakeApis, search: MakeSearch) -> None:
    apis.fail("recent", Fault(400, {"errors": [{"message": "no such operator"}]}))
    with pytest.raises(BadResponse, match="no such operator"):
        search().fetch(None)
    assert len(apis.seen("recent")) == 1


def test_a_search_that_slept_too_long_asks_for_what_x_still_has(
    apis: FakeApis, search: MakeSearch, clock: Clock
) -> None:
    fill(apis, 3)
    source = search()
    first = source.fetch(None)
    clock.advance(9 * 86_400)
    apis.x.horizon = clock() - timedelta(days=7)
    new = fill(apis, 2, before=clock())
    page = source.fetch(first.cursor)
    assert ids([page]) == new
    assert "X has no posts from before" in page.note


def test_a_quiet_event_outlives_its_last_post_without_a_note(apis: FakeApis, search: MakeSearch, clock: Clock) -> None:
    fill(apis, 3)
    source = search()
    page = source.fetch(None)
    for _ in range(9):
        clock.advance(86_400)
        apis.x.horizon = clock() - timedelta(days=7)
        page = source.fetch(page.cursor)
        assert page.note == ""


def test_a_window_is_read_once_to_its_end(apis: FakeApis, search: MakeSearch, clock: Clock) -> None:
    posts = fill(apis, 300)
    since, until = START - timedelta(seconds=300), START - timedelta(seconds=100)
    source = search(since, until)
    pages = walk(source)
    assert sorted(ids(pages)) == posts[40:240]
    assert (pages[-1].finished, pages[-1].live_to) == (True, until)
    assert source.fetch(pages[-1].cursor).finished
    assert len(apis.seen("recent")) == 2


def test_a_window_that_x_does_not_have_any_more_is_finished_with_a_note(apis: FakeApis, search: MakeSearch) -> None:
    page = search(START - timedelta(days=20), START - timedelta(days=10)).fetch(None)
    assert page.finished
    assert "X has no posts from before" in page.note
    assert apis.requests == []


def test_an_event_that_ends_is_searched_to_its_end(apis: FakeApis, search: MakeSearch, clock: Clock) -> None:
    fill(apis, 3)
    source = search(until=START + timedelta(seconds=50))
    first = source.fetch(None)
    assert not first.finished
    late = make_post(START + timedelta(seconds=49), "just in time")
    apis.x.add(late, make_post(START + timedelta(seconds=51), "too late"))
    clock.advance(100)
    last = source.fetch(first.cursor)
    assert last.finished
    assert f"x:{late['id']}" in ids([last])
    assert "too late" not in [message.text for message in last.messages]


def test_an_event_of_tomorrow_is_not_asked_for(apis: FakeApis, search: MakeSearch) -> None:
    page = search(since=START + timedelta(days=1)).fetch(None)
    assert (page.wait_s, page.messages, apis.requests) == (60.0, (), [])
    assert "begins at" in page.note


@pytest.mark.parametrize(
    ("remaining", "sizes"), [(None, [100, 100, 50]), (130, [100, 30]), (12, [12]), (9, []), (0, [])]
)
def test_no_more_posts_are_asked_for_than_are_paid_for(
    apis: FakeApis, search: MakeSearch, remaining: int | None, sizes: list[int]
) -> None:
    fill(apis, 250)
    source = search(remaining=remaining)
    pages: list[Page] = []
    for _ in sizes:
        pages.append(source.fetch(pages[-1].cursor if pages else None))
    assert [page.billed for page in pages] == sizes
    if remaining is not None:
        with pytest.raises(BudgetExhausted, match="read budget is used up"):
            source.fetch(pages[-1].cursor if pages else None)
        assert len(apis.requests) == len(sizes)


def test_what_x_can_not_show_is_a_dead_letter(apis: FakeApis, search: MakeSearch) -> None:
    fill(apis, 2)
    apis.x.add({"id": make_post(START - timedelta(seconds=50), "")["id"], "text": ""})
    apis.x.partial_errors = [{"title": "Not Found Error", "detail": "Could not find tweet with id: [456]."}]
    page = search().fetch(None)
    assert len(page.messages) == 2
    assert page.billed == 3
    assert [letter.reason for letter in page.dead_letters] == [
        "no text",
        "Not Found Error: Could not find tweet with id: [456].",
    ]


def test_the_fields_that_messages_need_are_asked_for(apis: FakeApis, search: MakeSearch) -> None:
    search().fetch(None)
    params = apis.requests[0].params
    assert params["query"] == "cats"
    assert params["max_results"] == "100"
    assert params["expansions"] == "author_id,geo.place_id"
    assert "location" in params["user.fields"]
    assert "country_code" in params["place.fields"]
    assert {"created_at", "lang", "edit_history_tweet_ids"} <= set(params["tweet.fields"].split(","))
