from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction
from app.serving.lane import Lane
from tests.fakes.serving import TOKENIZER, FakeBackend, ManualClock, prepared

pytestmark = pytest.mark.anyio
SOON = 1030.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def lane(backend: FakeBackend, clock: ManualClock) -> Lane:
    return Lane(backend, TOKENIZER, most_waiting=50, clock=clock)


async def until_called(backend: FakeBackend, calls: int) -> None:
    """Let the tasks run until the backend has been called so often."""
    async with asyncio.timeout(5):
        while len(backend.calls) < calls:
            await asyncio.sleep(0)


async def test_predictions_come_in_the_order_of_the_texts(lane: Lane, backend: FakeBackend) -> None:
    said = await lane.predict(prepared("bbb", "a", "cc", "bbb"), SOON)
    assert said == [backend.said(text) for text in ("bbb", "a", "cc", "bbb")]


async def test_what_comes_while_a_call_runs_is_one_call(lane: Lane, backend: FakeBackend) -> None:
    backend.gate = asyncio.Event()
    first = asyncio.create_task(lane.predict(prepared("first"), SOON))
    await until_called(backend, 1)
    others = [asyncio.create_task(lane.predict(prepared(text), SOON)) for text in ("b", "c", "d")]
    await asyncio.sleep(0)
    assert lane.waiting == 3
    backend.gate.set()
    await asyncio.gather(first, *others)
    assert backend.calls == [["first"], ["b", "c", "d"]]


async def test_a_text_that_is_being_asked_for_is_not_asked_for_again(lane: Lane, backend: FakeBackend) -> None:
    backend.gate = asyncio.Event()
    asked = [asyncio.create_task(lane.predict(prepared("same", "same"), SOON)) for _ in range(3)]
    await until_called(backend, 1)
    backend.gate.set()
    answers = await asyncio.gather(*asked)
    assert backend.calls == [["same"]]
    assert answers == [[backend.said("same")] * 2] * 3


async def test_a_large_request_is_cut_by_tokens_into_texts_of_similar_length(
    backend: FakeBackend, clock: ManualClock
) -> None:
    lane = Lane(backend, TOKENIZER, calls=3, clock=clock)
    texts = [f"{number:0{1 + number % 40}d}" for number in range(100, 180)]
    said = await lane.predict(prepared(*texts), SOON)
    assert said == [backend.said(text) for text in texts]
    assert len(backend.calls) > 10
    sizes = [sum(map(len, call)) for call in backend.calls]
    assert max(sizes) <= 80  # eight runs of ten tokens
    lengths = [len(text) for call in backend.calls for text in call]
    assert lengths == sorted(lengths)


async def test_a_call_is_made_for_a_text_that_is_longer_than_any(lane: Lane, backend: FakeBackend) -> None:
    assert await lane.predict(prepared("x" * 500), SOON) == [backend.said("x" * 500)]


async def test_too_many_texts_are_refused_and_nothing_of_them_is_kept(lane: Lane, backend: FakeBackend) -> None:
    with pytest.raises(Overloaded, match="try again"):
        await lane.predict(prepared(*(f"text {number}" for number in range(51))), SOON)
    assert lane.waiting == 0
    assert not backend.calls
    assert await lane.predict(prepared("a"), SOON) == [backend.said("a")]


async def test_a_text_that_is_refused_fails_alone(lane: Lane, backend: FakeBackend) -> None:
    backend.gate = asyncio.Event()
    first = asyncio.create_task(lane.predict(prepared("first"), SOON))
    await until_called(backend, 1)
    good = asyncio.create_task(lane.predict(prepared("a", "b", "c"), SOON))
    bad = asyncio.create_task(lane.predict(prepared("broken"), SOON))
    await asyncio.sleep(0)
    backend.gate.set()
    assert await good == [backend.said(text) for text in "abc"]
    with pytest.raises(ClassifierError, match="can't read it"):
        await bad
    await first


async def test_any_failure_reaches_those_who_wait_and_the_next_call_works(lane: Lane, backend: FakeBackend) -> None:
    backend.failure = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await lane.predict(prepared("a"), SOON)
    backend.failure = None
    assert await lane.predict(prepared("a"), SOON) == [backend.said("a")]


async def test_who_waits_too_long_is_told_and_the_others_get_their_answer(
    lane: Lane, backend: FakeBackend, clock: ManualClock
) -> None:
    backend.gate = asyncio.Event()
    patient = asyncio.create_task(lane.predict(prepared("a"), SOON))
    await until_called(backend, 1)
    with pytest.raises(Overloaded, match="not classified in time"):
        await lane.predict(prepared("a"), clock.now + 0.01)
    backend.gate.set()
    assert await patient == [backend.said("a")]


async def test_what_nobody_waits_for_any_more_is_not_computed(
    lane: Lane, backend: FakeBackend, clock: ManualClock
) -> None:
    backend.gate = asyncio.Event()
    first = asyncio.create_task(lane.predict(prepared("a"), SOON))
    await until_called(backend, 1)
    with pytest.raises(Overloaded):
        await lane.predict(prepared("late"), clock.now + 0.01)
    clock.now += 1
    backend.gate.set()
    await first
    assert await lane.predict(prepared("b"), SOON) == [backend.said("b")]
    assert backend.calls == [["a"], ["b"]]


async def test_a_model_with_another_tokenizer_is_asked_by_text(clock: ManualClock) -> None:
    class ByText(FakeBackend):
        async def score(self, rows: Sequence[Sequence[int]]) -> list[Prediction]:
            raise AssertionError("these ids mean nothing to it")

    backend = ByText(tokenizer="another")
    assert await Lane(backend, TOKENIZER, clock=clock).predict(prepared("a"), SOON) == [backend.said("a")]


async def test_another_model_behind_the_handle_is_noticed(lane: Lane, backend: FakeBackend) -> None:
    await lane.predict(prepared("a"), SOON)
    backend.model = "m-2"
    await lane.predict(prepared("b"), SOON)
    assert (await lane.about()).model == "m-2"


async def test_the_wait_is_estimated_from_the_speed_seen(lane: Lane, backend: FakeBackend, clock: ManualClock) -> None:
    assert lane.wait_s(100) == 0
    backend.gate = asyncio.Event()
    first = asyncio.create_task(lane.predict(prepared("x" * 10), SOON))
    await until_called(backend, 1)
    clock.now += 1
    backend.gate.set()
    await first
    assert lane.wait_s(100) == pytest.approx(10)
