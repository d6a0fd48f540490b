"""The filtered stream of one event: what it gives, what it misses, and how the hole is filled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.core.errors import BadResponse, BudgetExhausted, RateLimited, SourceError, Unauthorized
from pipelines.sources.base import Cursor
from tests.fakes.apis import FakeApis, Fault
from tests.fakes.clock import START, Clock
from tests.fakes.x_api import make_post
from tests.pipelines.sources.stream_rig import SETTLED_S, Reader, Rig, holes, seconds

TAG = "eventpulse:e1"


@pytest.fixture
def rig(apis: FakeApis, clock: Clock) -> Iterator[Rig]:
    rig = Rig(apis, clock)
    yield rig
    rig.close()


def test_posts_come_through_with_their_fields(rig: Rig) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    rig.apis.x.connection().post(make_post(START, "hello", geo={"place_id": "p1"}), TAG)
    page = reader.gets("hello")
    (message,) = page.messages
    assert (message.source, message.author, message.country) == ("x", "ann", "GB")
    assert (page.billed, page.dead_letters) == (1, ())
    fields = rig.apis.seen("stream")[0].params
    assert "referenced_tweets.id" in fields["expansions"]


def test_a_retweet_comes_with_the_whole_text(rig: Rig) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    post = make_post(START, "RT @bob: I li…", referenced_tweets=[{"type": "retweeted", "id": "5"}])
    includes = {"tweets": [{"id": "5", "text": "I like it a lot", "author_id": "9"}]}
    rig.apis.x.connection().post(post, TAG, includes=includes)
    assert reader.gets("RT @bob: I like it a lot").billed == 1


def test_before_the_connection_nothing_is_claimed(rig: Rig) -> None:
    page = rig.view(rig.hub()).fetch(None)
    assert page.live_to is None or page.live_to == START
    assert page.messages == ()


def test_heartbeats_move_the_time_up_to_which_all_is_known(rig: Rig, clock: Clock) -> None:
    reader = Reader(rig.view(rig.hub()))
    assert reader.live().live_to == START
    clock.advance(20)
    rig.apis.x.connection().heartbeat()
    page = reader.until(lambda page: page.live_to != START)
    assert page.live_to == START + seconds(13)  # X delivers within 7 s
    assert page.wait_s == 0.5


def test_a_post_that_is_still_in_the_queue_is_not_claimed(rig: Rig, clock: Clock) -> None:
    hub = rig.hub(queue_size=2)
    reader = Reader(rig.view(hub))
    reader.live()
    connection = rig.apis.x.connection()
    clock.advance(60)
    for second in range(4):  # two fit in, the third waits in the reader, the fourth in the connection
        connection.post(make_post(START + seconds(20 * second), f"post {second}"), TAG)
    connection.heartbeat()
    connection.wait_written(5)
    lagging = reader.until(lambda page: bool(page.messages))
    assert lagging.live_to is not None
    assert lagging.live_to < START + seconds(60)
    reader.gets("post 0", "post 1", "post 2", "post 3")
    assert reader.texts() == ["post 0", "post 1", "post 2", "post 3"]


def test_the_rule_is_set_once_and_survives_a_restart(rig: Rig) -> None:
    first = rig.hub()
    Reader(rig.view(first)).live()
    first.close()
    rig.apis.x.connection().wait_closed()
    Reader(rig.view(rig.hub())).live()
    assert [(rule["value"], rule["tag"]) for rule in rig.apis.x.rules] == [("cats", TAG)]
    assert len([seen for seen in rig.apis.seen("rules") if seen.method == "POST"]) == 1


def test_an_own_stale_rule_is_replaced_and_others_are_left_alone(rig: Rig) -> None:
    rig.apis.x.rules = [
        {"id": "1", "value": "kittens", "tag": TAG},
        {"id": "2", "value": "dogs", "tag": "somebody else's"},
        {"id": "3", "value": "birds"},
    ]
    Reader(rig.view(rig.hub())).live()
    assert [rule["value"] for rule in rig.apis.x.rules] == ["dogs", "birds", "cats"]


def test_a_closed_stream_is_connected_again_and_the_hole_filled(rig: Rig, clock: Clock) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    rig.apis.x.connection(0).post(make_post(START, "before"), TAG)
    reader.gets("before")
    rig.apis.x.connection(0).close()
    missed = [make_post(START + seconds(5), "missed 1"), make_post(START + seconds(9), "missed 2")]
    rig.apis.x.add(make_post(START - seconds(100), "old"), *missed)
    clock.advance(10)
    rig.apis.x.wait(lambda: rig.apis.x.connections[0].closed, "not closed")
    reader.until(lambda page: bool(holes(page.cursor)))
    rig.apis.x.connection(1).post(make_post(START + seconds(10), "after"), TAG)
    page = reader.gets("after")
    assert page.live_to == START  # the hole is open: nothing later is claimed
    assert "filling the gap" in page.note
    clock.advance(SETTLED_S)
    page = reader.gets("missed 1", "missed 2")
    assert (page.billed, page.note[-4:]) == (2, "done")
    assert reader.texts() == ["before", "after", "missed 1", "missed 2"]
    assert page.live_to is not None
    assert page.live_to >= START + seconds(10)


def test_a_restart_fills_the_time_it_was_down(rig: Rig, clock: Clock) -> None:
    hub = rig.hub()
    view = rig.view(hub)
    reader = Reader(view)
    reader.live()
    clock.advance(20)
    rig.apis.x.connection(0).heartbeat()
    reader.until(lambda page: page.live_to != START)
    view.close()
    hub.close()
    rig.apis.x.connection(0).wait_closed()
    rig.apis.x.add(*(make_post(START + seconds(30 + n), f"missed {n}") for n in range(120)))
    clock.advance(3600)
    again = Reader(rig.view(rig.hub()), reader.cursor)
    again.until(lambda page: bool(holes(page.cursor)))
    assert holes(again.cursor) == [(START + seconds(13), START + seconds(3620 + 5))]
    clock.advance(SETTLED_S)
    again.until(lambda page: not holes(page.cursor))
    assert sorted(again.texts()) == sorted(f"missed {n}" for n in range(120))
    assert again.billed == 120


def test_a_crash_while_a_hole_is_filled_goes_on_where_it_was(rig: Rig, clock: Clock) -> None:
    rig.apis.x.add(*(make_post(START + seconds(n), f"missed {n}") for n in range(250)))
    cursor: Cursor = {"seen_to": START.isoformat(), "holes": [], "given": 0}
    hub = rig.hub()
    clock.advance(300)
    reader = Reader(rig.view(hub), cursor)
    reader.live()
    clock.advance(SETTLED_S)
    first = reader.until(lambda page: page.billed > 0)
    hub.close()
    rig.apis.x.connection(0).wait_closed()
    again = Reader(rig.view(rig.hub()), first.cursor)
    again.until(lambda page: (START + seconds(300), START + seconds(345)) in holes(page.cursor))
    clock.advance(SETTLED_S)
    again.until(lambda page: not holes(page.cursor))
    texts = [message.text for message in first.messages] + again.texts()
    assert sorted(texts) == sorted(f"missed {n}" for n in range(250))


@pytest.mark.parametrize("how", ["in-stream error", "broken off", "silent", "closed by X"])
def test_every_kind_of_end_is_followed_by_a_new_connection(rig: Rig, how: str) -> None:
    reader = Reader(rig.view(rig.hub(silence_s=0.2 if how == "silent" else 5.0)))
    reader.live()
    connection = rig.apis.x.connection(0)
    if how == "in-stream error":
        connection.error("operational-disconnect")
    elif how != "silent":
        connection.close(cut=how == "broken off")
    reader.until(lambda _: len(rig.apis.x.connections) > 1)
    connection.wait_closed()


def test_the_second_short_connection_is_followed_by_a_pause(rig: Rig, clock: Clock) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    rig.apis.x.connection(0).close()
    reader.until(lambda _: len(rig.apis.x.connections) == 2)
    rig.apis.x.connection(1).close()
    page = reader.until(lambda page: "reconnecting: X closed the stream" in page.note)
    assert page.wait_s == 0.5
    assert len(rig.apis.x.connections) == 2
    clock.advance(3)
    reader.until(lambda _: len(rig.apis.x.connections) == 3)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(401, {"title": "Unauthorized"}), Unauthorized, "EVENTPULSE_X_BEARER_TOKEN"),
        (Fault(403, {"title": "Forbidden"}), Unauthorized, "EVENTPULSE_X_BEARER_TOKEN"),
        (Fault(402, {"title": "CreditsDepleted"}), BudgetExhausted, "no reads left"),
        (Fault(503, b"<html>"), BadResponse, "503"),
        (Fault(429, {"title": "x", "connection_issue": "TooManyConnections"}), RateLimited, "one stream connection"),
    ],
)
def test_a_refused_connection_is_raised_at_once_and_tried_again_later(
    rig: Rig, clock: Clock, fault: Fault, kind: type[SourceError], says: str
) -> None:
    rig.apis.fail("search/stream", fault)
    reader = Reader(rig.view(rig.hub()))
    with pytest.raises(kind, match=says) as caught:
        reader.live()
    with pytest.raises(kind):  # again, without a request
        reader.fetch()
    assert len(rig.apis.seen("search/stream")) == 1
    clock.advance(caught.value.retry_after if isinstance(caught.value, RateLimited) else 301)
    assert reader.live().live_to == clock()


def test_a_refused_rule_is_raised(rig: Rig, clock: Clock) -> None:
    rig.apis.fail("rules", Fault(200, {"meta": {}}), Fault(400, {"errors": [{"message": "no such operator"}]}))
    reader = Reader(rig.view(rig.hub()))
    for _ in range(2):
        with pytest.raises(BadResponse, match="no such operator"):
            reader.fetch()
    assert len(rig.apis.seen("rules")) == 2  # not asked again for a while
    assert rig.apis.x.connections == []
    clock.advance(301)
    reader.live()


def test_what_is_in_the_queue_is_given_before_the_error_is_raised(rig: Rig) -> None:
    hub = rig.hub()
    reader = Reader(rig.view(hub))
    reader.live()
    connection = rig.apis.x.connection()
    connection.post(make_post(START, "paid for"), TAG)
    rig.apis.fail("search/stream", Fault(401, {"title": "Unauthorized"}))
    connection.close()
    connection.wait_closed()
    with pytest.raises(Unauthorized):
        reader.until(lambda _: False)
    assert reader.texts() == ["paid for"]


def test_lines_that_are_no_posts_are_dead_letters(rig: Rig) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    connection = rig.apis.x.connection()
    connection.send(b"{malformed")
    connection.post({"id": "abc"}, TAG)
    connection.post(make_post(START, "fine"), TAG)
    reader.gets("fine")
    letters = [letter.reason for page in reader.pages for letter in page.dead_letters]
    assert letters == ["not a JSON object", "not a post id: 'abc'"]
    assert reader.billed == 2


def test_a_page_that_could_not_be_stored_is_given_again(rig: Rig, clock: Clock) -> None:
    view = rig.view(rig.hub())
    reader = Reader(view)
    reader.live()
    before = reader.cursor
    rig.apis.x.connection().post(make_post(START, "once"), TAG)
    page = reader.gets("once")
    given = [cursor for cursor in (before, *(each.cursor for each in reader.pages)) if cursor != page.cursor]
    assert view.fetch(given[-1]) == page


def test_a_caller_may_keep_only_the_cursors_of_pages_with_something_in_them(rig: Rig, clock: Clock) -> None:
    view = rig.view(rig.hub())
    reader = Reader(view)
    while reader.fetch().live_to is None:
        reader.cursor = None
    reader.cursor = None
    clock.advance(20)
    rig.apis.x.connection().heartbeat()
    while reader.fetch().live_to == START:
        reader.cursor = None
    assert reader.pages[-1].live_to == START + seconds(13)
    assert holes(reader.pages[-1].cursor) == []


def test_an_older_cursor_opens_the_hole_up_to_now(rig: Rig, clock: Clock) -> None:
    view = rig.view(rig.hub())
    reader = Reader(view)
    old = reader.live().cursor
    posts = [make_post(START + seconds(n), f"post {n}") for n in (1, 2)]
    for post in posts:
        clock.advance(20)
        rig.apis.x.connection().post(post, TAG)
        reader.gets(str(post["text"]))
    rig.apis.x.add(*posts)
    again = Reader(view, old)
    again.fetch()
    clock.advance(SETTLED_S)
    again.gets("post 1", "post 2")


@pytest.mark.parametrize("remaining", [0, 3])
def test_the_budget_ends_the_stream(rig: Rig, remaining: int) -> None:
    reader = Reader(rig.view(rig.hub(), remaining=remaining))
    if remaining:
        reader.live()
        connection = rig.apis.x.connection()
        for number in range(remaining):
            connection.post(make_post(START, f"post {number}", number=number), TAG)
        connection.wait_closed()  # by us: nobody else listens
    with pytest.raises(BudgetExhausted):
        reader.until(lambda _: False)
    assert reader.billed == remaining
    with pytest.raises(BudgetExhausted):
        reader.fetch()
    assert len(rig.apis.x.connections) == min(remaining, 1)


def test_a_hole_is_not_filled_beyond_the_budget_but_the_stream_goes_on(rig: Rig, clock: Clock) -> None:
    rig.apis.x.add(*(make_post(START + seconds(n), f"missed {n}") for n in range(50)))
    clock.advance(100)
    cursor: Cursor = {"seen_to": START.isoformat(), "holes": [], "given": 0}
    reader = Reader(rig.view(rig.hub(), remaining=12), cursor)
    reader.live()
    clock.advance(SETTLED_S)
    reader.until(lambda page: page.billed == 12)
    with pytest.raises(BudgetExhausted):
        reader.until(lambda _: False)


def test_a_hole_that_search_refuses_for_now_does_not_stop_the_stream(rig: Rig, clock: Clock) -> None:
    clock.advance(100)
    rig.apis.fail("recent", Fault(429, {"title": "Too Many Requests"}))
    reader = Reader(rig.view(rig.hub()), {"seen_to": START.isoformat(), "holes": [], "given": 0})
    reader.live()
    clock.advance(SETTLED_S)
    rig.apis.x.connection().post(make_post(START + seconds(100), "live"), TAG)
    page = reader.gets("live")
    assert "asks to wait" in reader.fetch().note
    assert page.live_to == START
    clock.advance(61)
    reader.until(lambda page: not holes(page.cursor))


def test_a_hole_older_than_search_is_reported_as_lost(rig: Rig, clock: Clock) -> None:
    rig.apis.x.horizon = START + seconds(86_400)
    clock.advance(8 * 86_400)
    reader = Reader(rig.view(rig.hub()), {"seen_to": START.isoformat(), "holes": [], "given": 0})
    reader.live()
    clock.advance(SETTLED_S)
    page = reader.until(lambda page: not holes(page.cursor))
    assert "are lost: X has them for 7 days" in page.note


def test_a_query_that_search_can_not_be_asked_leaves_a_note(rig: Rig, clock: Clock) -> None:
    clock.advance(100)
    reader = Reader(rig.view(rig.hub(), query=""), {"seen_to": START.isoformat(), "holes": [], "given": 0})
    page = reader.until(lambda page: page.live_to != START)
    assert holes(page.cursor) == []
    assert "posts from 2026-11-23 12:00:00 to 12:01:45 UTC are lost" in page.note


def test_an_event_that_began_earlier_is_filled_from_its_beginning(rig: Rig, clock: Clock) -> None:
    rig.apis.x.add(make_post(START - seconds(60), "early"), make_post(START - seconds(7200), "before the event"))
    reader = Reader(rig.view(rig.hub(), since=START - seconds(3600)))
    reader.live()
    clock.advance(SETTLED_S)
    reader.gets("early")
    assert reader.texts() == ["early"]


def test_an_event_of_tomorrow_does_not_connect(rig: Rig) -> None:
    page = rig.view(rig.hub(), since=START + seconds(86_400)).fetch(None)
    assert "begins at" in page.note
    assert rig.apis.requests == []


def test_an_event_that_ends_is_finished_when_its_last_hole_is_filled(rig: Rig, clock: Clock) -> None:
    hub = rig.hub()
    reader = Reader(rig.view(hub, until=START + seconds(60)))
    reader.live()
    rig.apis.x.add(make_post(START + seconds(58), "last"), make_post(START + seconds(62), "too late"))
    clock.advance(61)
    page = reader.fetch()
    assert not page.finished
    rig.apis.x.connection().wait_closed()
    clock.advance(SETTLED_S)
    page = reader.until(lambda page: page.finished)
    assert reader.texts() == ["last"]
    assert page.live_to == START + seconds(60)


def test_edits_arrive_as_posts_of_their_own(rig: Rig) -> None:
    reader = Reader(rig.view(rig.hub()))
    reader.live()
    edited = make_post(START, "better")
    edited["edit_history_tweet_ids"] = ["1", edited["id"]]
    rig.apis.x.connection().post(edited, TAG)
    assert reader.gets("better").messages[0].supersedes == ("x:1",)
