from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.store import Store
from app.core.errors import BadResponse, BudgetExhausted, NotFound, RateLimited, SourceError, Unauthorized
from app.core.types import Count, DeadLetter, Event, Label, Message, SourceState, SourceStatus
from pipelines.follow import AsyncClassifier, EventState, Follower, backoff
from pipelines.sources.base import Page
from tests.fakes.pipeline import FakeClassifier, FlakyStore, ListSource, Naps, SilentClassifier, message

EVENT = Event("launch", "Launch", "*")
ENGLISH = frozenset({"en"})
PAGES = [[message(page * 10 + place) for place in range(3)] for page in range(4)]
TEXTS = [
    "the first thing that people say about the new watch",
    "another quite different remark on something else today",
    "a third opinion which nobody shares with anybody here",
]


@pytest.fixture
def flaky(tmp_path: Path) -> Callable[..., FlakyStore]:
    def make(*refused: int, on_put: Callable[[int], None] = lambda number: None) -> FlakyStore:
        store = FlakyStore(f"sqlite:///{tmp_path / 'flaky.db'}", refused, on_put)
        store.migrate()
        store.put_event(EVENT)
        return store

    return make


@pytest.fixture
def following(store: Store) -> Store:
    store.put_event(EVENT)
    return store


def _follower(store: Store, source: ListSource, classifier: AsyncClassifier, naps: Naps | None = None) -> Follower:
    return Follower(EventState(EVENT, store, ENGLISH), source, store, classifier, sleep=naps or Naps())


def _follow(store: Store, source: ListSource, classifier: AsyncClassifier | None = None) -> list[float]:
    naps = Naps()
    asyncio.run(_follower(store, source, classifier or FakeClassifier(), naps).run())
    return naps.waits


def _status(store: Store) -> SourceStatus:
    (status,) = store.statuses("launch")
    return status


def _ids(store: Store) -> list[str]:
    return sorted(item.message.id for item in store.messages("launch", limit=500).items)


def _totals(store: Store) -> dict[Label, Count]:
    assert store.check("launch") == []
    return store.totals("launch")


ALL = sorted(each.id for page in PAGES for each in page)


def test_everything_is_stored_once_with_its_progress(following: Store) -> None:
    source = ListSource(PAGES)
    _follow(following, source)
    status = _status(following)
    assert _ids(following) == ALL
    assert sum(_totals(following).values(), Count()) == Count(12, 12)
    assert (status.state, status.reads, status.billed_reads, status.errors) == (SourceState.FINISHED, 12, 12, 0)
    assert status.live_to == PAGES[-1][-1].created_at
    assert following.cursor("launch", "test") == {"page": 4}
    assert source.closed == 1


def test_a_second_run_goes_on_where_the_first_ended(following: Store) -> None:
    _follow(following, ListSource(PAGES))
    again = ListSource(PAGES)
    _follow(following, again)
    assert again.fetches == 1
    assert _ids(following) == ALL


def test_what_the_pages_do_not_give_is_counted(following: Store) -> None:
    odd = Page(
        (message(1, " "), message(2, lang="fr")),
        {"page": 1},
        billed=7,
        dead_letters=(DeadLetter("parse", "no id", "{}", "test"),),
        finished=True,
        note="a gap",
    )
    _follow(following, ListSource([odd]))
    status = _status(following)
    assert (status.reads, status.billed_reads, status.dead_letters, status.detail) == (2, 7, 2, "a gap")
    assert {letter.stage for letter in following.dead_letters("launch").items} == {"parse", "clean"}
    assert following.totals("launch") == {Label.UNSCORED: Count(1, 1)}


def test_a_full_queue_is_waited_for(following: Store) -> None:
    waits = _follow(following, ListSource(PAGES), FakeClassifier(overloaded=2))
    assert waits.count(7.0) == 2
    assert _ids(following) == ALL


def test_one_text_that_cannot_be_classified_is_put_aside_alone(following: Store) -> None:
    _follow(following, ListSource(PAGES), FakeClassifier(refuses=[PAGES[1][1].text]))
    assert _ids(following) == [each for each in ALL if each != PAGES[1][1].id]
    (letter,) = following.dead_letters("launch").items
    assert (letter.stage, letter.payload, letter.source) == ("classify", PAGES[1][1].text, "test")
    assert _status(following).dead_letters == 1


def test_a_long_page_is_classified_in_parts_and_stays_whole(following: Store) -> None:
    classifier = FakeClassifier()
    page = [message(number) for number in range(300)]
    _follow(following, ListSource([page]), classifier)
    assert len(classifier.calls) > 1
    assert [text for call in classifier.calls for text in call] == [each.text for each in page]
    assert _status(following).reads == len(_ids(following)) == 300


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Unauthorized("the key was refused"), SourceState.UNAUTHORIZED),
        (BudgetExhausted("5,000 posts were read"), SourceState.BUDGET_USED),
    ],
)
@pytest.mark.parametrize("after", range(4))
def test_a_refusal_ends_it_and_is_the_last_status(
    following: Store, error: SourceError, state: SourceState, after: int
) -> None:
    source = ListSource([*PAGES[:after], error, *PAGES[after:]])
    _follow(following, source)
    status = _status(following)
    assert (status.state, status.detail, status.errors) == (state, str(error), 1)
    assert _ids(following) == sorted(each.id for page in PAGES[:after] for each in page)
    assert source.closed == 1


def test_troubles_are_waited_out(following: Store) -> None:
    script = [BadResponse("odd"), BadResponse("odd"), *PAGES[:2], RateLimited("slow", retry_after=33.0), *PAGES[2:]]
    waits = _follow(following, ListSource(script))
    assert [wait for wait in waits if wait in (2.0, 4.0, 33.0)] == [2.0, 4.0, 33.0]
    status = _status(following)
    assert (status.state, status.detail, status.errors) == (SourceState.FINISHED, "", 3)
    assert _ids(following) == ALL


@pytest.mark.anyio
@pytest.mark.parametrize("error", [RateLimited("slow down", retry_after=33.0), BadResponse("not JSON")])
async def test_a_waiting_source_says_why_and_how_long(following: Store, error: SourceError) -> None:
    asleep = asyncio.Event()

    async def sleep_for_good(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    state = EventState(EVENT, following, ENGLISH)
    follower = Follower(state, ListSource([error]), following, FakeClassifier(), sleep=sleep_for_good)
    running = asyncio.create_task(follower.run())
    await asleep.wait()
    while not following.statuses("launch"):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    status = _status(following)
    assert status.state is SourceState.WAITING
    assert status.detail.startswith(str(error))
    assert "next try in" in status.detail


def test_an_outage_of_days_does_not_end_it(following: Store) -> None:
    waits = _follow(following, ListSource([*(BadResponse("down") for _ in range(1_100)), *PAGES]))
    assert max(waits) == 60.0
    assert _ids(following) == ALL


def test_backoff_doubles_up_to_its_longest() -> None:
    waits = [backoff(2.0, failures, 60.0) for failures in range(1, 2_000)]
    assert waits[:6] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert all(a <= b for a, b in pairwise(waits))


def test_a_source_with_nothing_to_give_does_not_spin(following: Store) -> None:
    empty = Page((), {"page": 1}, wait_s=0.0)
    waits = _follow(following, ListSource([empty, PAGES[0]]))
    assert waits
    assert all(wait > 0 for wait in waits)


@pytest.mark.anyio
async def test_a_classifier_that_never_answers_stops_the_reading(following: Store) -> None:
    source, classifier = ListSource(PAGES * 10, endless=True), SilentClassifier()
    running = asyncio.create_task(_follower(following, source, classifier).run())
    await classifier.asked.wait()
    for _ in range(50):
        await asyncio.to_thread(lambda: None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert source.fetches <= 3
    assert _ids(following) == []


@pytest.mark.parametrize("refused", [(1,), (2, 3), (1, 2, 4, 5, 6)])
def test_a_store_that_refuses_is_asked_again(flaky: Callable[..., FlakyStore], refused: tuple[int, ...]) -> None:
    with flaky(*refused) as store:
        waits = _follow(store, ListSource(PAGES))
        assert _ids(store) == ALL
        assert _status(store).reads == 12
        assert 0.5 in waits
        assert sum(_totals(store).values(), Count()) == Count(12, 12)


def test_an_event_that_is_deleted_ends_with_not_found(flaky: Callable[..., FlakyStore]) -> None:
    def delete(number: int) -> None:
        if number == 2:
            store.delete_event("launch")

    with flaky(on_put=delete) as store:
        source = ListSource(PAGES)
        with pytest.raises(ExceptionGroup) as ended:
            _follow(store, source)
        assert ended.value.split(NotFound)[1] is None
        assert source.closed == 1
        assert store.events() == []


# A crash loses nothing and counts nothing twice


async def _interrupted(url: str, pages: Sequence[Sequence[Message]], place: str, number: int) -> None:
    loop = asyncio.get_running_loop()

    def cut(reached: int) -> None:
        if reached == number:
            loop.call_soon_threadsafe(running.cancel)

    hooks = {name: cut if name == place else (lambda reached: None) for name in ("fetch", "classify", "put")}
    with FlakyStore(url, on_put=hooks["put"]) as store:
        source = ListSource(pages, on_fetch=hooks["fetch"])
        running = asyncio.create_task(_follower(store, source, FakeClassifier(on_call=hooks["classify"])).run())
        await asyncio.gather(running, return_exceptions=True)
        await loop.shutdown_default_executor()


def _outcome(pages: Sequence[Sequence[Message]], cuts: Sequence[tuple[str, int]]) -> tuple[list[str], object]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/e.db"
        with Store(url) as store:
            store.migrate()
            store.put_event(EVENT)
        for place, number in cuts:
            asyncio.run(_interrupted(url, pages, place, number))
        with Store(url) as store:
            _follow(store, ListSource(pages))
            return _ids(store), _totals(store)


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=2, max_size=4),
    st.lists(st.tuples(st.sampled_from(["fetch", "classify", "put"]), st.integers(1, 4)), min_size=1, max_size=3),
)
def test_a_crash_anywhere_changes_no_count(texts: list[list[int]], cuts: list[tuple[str, int]]) -> None:
    pages = [
        [message(10 * page + place, TEXTS[text]) for place, text in enumerate(row)] for page, row in enumerate(texts)
    ]
    assert _outcome(pages, cuts) == _outcome(pages, [])
