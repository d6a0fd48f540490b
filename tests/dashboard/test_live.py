from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.core.errors import AppError, StoreError
from app.dashboard.live import Live, Query


@dataclass
class Counting:
    """Says how often it was made; `state` is its revision."""

    state: int = 0
    made: int = 0
    time_s: float = 0.0
    takes_s: float = 0.0
    wrong: AppError | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def revision(self, query: Query) -> int:
        if self.wrong:
            raise self.wrong
        return self.state

    def panels(self, query: Query) -> Mapping[str, str]:
        self.made += 1
        self.time_s += self.takes_s
        if "slow" in query:
            self.begun.set()
            assert self.go_on.wait(10)
        return {"count": f"{self.state}", "still": "the same"}

    def failed(self, error: AppError) -> Mapping[str, str]:
        return {"banner": str(error)}


def at_once(feed: Counting) -> Live:
    """Looks each time it is asked."""
    return Live({"page": feed}, fresh_s=0, timer=lambda: 0.0, cost=lambda: 0.0)


def test_only_the_panels_that_changed_are_sent() -> None:
    feed = Counting()
    live = at_once(feed)
    first = live.changed("page", {}, {})
    assert {name: text for name, (_, text) in first.items()} == {"count": "0", "still": "the same"}
    had = {name: digest for name, (digest, _) in first.items()}
    assert live.changed("page", {}, had) == {}
    feed.state = 1
    assert [*live.changed("page", {}, had)] == ["count"]


def test_nothing_is_made_while_nothing_changes() -> None:
    feed = Counting()
    live = at_once(feed)
    for _ in range(3):
        live.changed("page", {}, {})
    assert feed.made == 1
    live.changed("page", {"another": "view"}, {})
    assert feed.made == 2


def test_within_a_moment_it_is_not_even_looked() -> None:
    feed = Counting()
    live = Live({"page": feed}, fresh_s=60)
    live.changed("page", {}, {})
    feed.state = 1
    assert live.changed("page", {}, {})["count"][1] == "0"


def costly(takes_s: float) -> tuple[Counting, Live]:
    feed = Counting(takes_s=takes_s)
    return feed, Live({"page": feed}, fresh_s=0.5, timer=lambda: feed.time_s, cost=lambda: feed.time_s)


def test_what_takes_long_to_make_is_made_less_often() -> None:
    feed, live = costly(0.3)
    live.changed("page", {}, {})
    feed.state, feed.time_s = 1, 4.4
    assert live.changed("page", {}, {})["count"][1] == "0"
    feed.time_s = 4.7
    assert live.changed("page", {}, {})["count"][1] == "1"


def test_what_is_urgent_does_not_wait() -> None:
    feed, alarms = Counting(takes_s=60.0), [0]
    live = Live(
        {"page": feed}, urgent=lambda: alarms[0], fresh_s=0.5, timer=lambda: feed.time_s, cost=lambda: feed.time_s
    )
    live.changed("page", {}, {})
    feed.state, feed.time_s = 1, 61.0
    assert live.changed("page", {}, {})["count"][1] == "0"
    alarms[0], feed.time_s = 1, 62.0
    assert live.changed("page", {}, {})["count"][1] == "1"


def test_a_store_that_can_not_say_what_is_urgent_is_told_by_the_feed() -> None:
    feed = Counting(wrong=StoreError("it is away"))

    def gone() -> int:
        raise StoreError("it is away")

    live = Live({"page": feed}, urgent=gone, fresh_s=0, timer=lambda: 0.0, cost=lambda: 0.0)
    assert live.changed("page", {}, {})["banner"][1] == "it is away"


def test_what_takes_very_long_is_made_now_and_then() -> None:
    feed, live = costly(60.0)
    live.changed("page", {}, {})
    feed.state, feed.time_s = 1, 70.1
    assert live.changed("page", {}, {})["count"][1] == "1"


@pytest.mark.parametrize("views", [1, 3, 10])
def test_however_many_views_are_open_they_share_the_time(views: int) -> None:
    feed, live = costly(0.05)
    for tick in range(1_000):
        feed.state = tick
        feed.time_s = max(feed.time_s, tick / 5)
        for view in range(views):
            live.changed("page", {"view": str(view)}, {})
    assert feed.made * feed.takes_s <= 0.08 * feed.time_s
    assert feed.made >= views * 20


def test_where_nothing_has_changed_it_is_soon_looked_again() -> None:
    feed = Counting(takes_s=0.2)
    live = Live({"page": feed}, fresh_s=0.5, timer=lambda: feed.time_s, cost=lambda: feed.time_s)
    live.changed("page", {}, {})
    feed.time_s = 3.0
    live.changed("page", {}, {})
    feed.state, feed.time_s = 1, 3.6
    assert live.changed("page", {}, {})["count"][1] == "1"
    assert feed.made == 2


def test_many_readers_of_one_view_cost_one_answer() -> None:
    feed = Counting()
    live = Live({"page": feed}, fresh_s=60)
    readers = [threading.Thread(target=live.changed, args=("page", {"slow": "1"}, {})) for _ in range(5)]
    for reader in readers:
        reader.start()
    assert feed.begun.wait(10)
    feed.go_on.set()
    for reader in readers:
        reader.join(10)
    assert feed.made == 1


def test_trouble_is_said_once_and_ends() -> None:
    feed = Counting()
    live = at_once(feed)
    good = live.changed("page", {}, {})
    feed.wrong = StoreError("the database does not answer")
    said = live.changed("page", {}, {})
    assert said["banner"][1] == "the database does not answer"
    assert live.changed("page", {}, {"banner": said["banner"][0]}) == {}
    feed.wrong = None
    assert live.changed("page", {}, {}) == good


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(at_once(Counting()).router())
    return TestClient(app)


def test_the_route_answers_with_what_a_reader_does_not_have(client: TestClient) -> None:
    answer = client.get("/live/page?event=a")
    assert answer.headers["cache-control"] == "no-store"
    have = " ".join(f"{name}={digest}" for name, (digest, _) in answer.json().items())
    assert client.get("/live/page?event=a", headers={"x-have": have}).status_code == 204
    assert client.get("/live/page?event=a", headers={"x-have": "nonsense ="}).status_code == 200


def test_the_route_knows_its_feeds_and_bounds_its_questions(client: TestClient) -> None:
    assert client.get("/live/other").status_code == 404
    assert client.get(f"/live/page?text={'a' * 9000}").status_code == 404
