"""Server-sent events, driven by what they say: nothing here waits for a time."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.adapters.records import Progress
from app.adapters.store import Store
from app.core.types import Event
from app.service import Service
from app.serving.stream import updates
from app.settings import Settings
from tests.fakes.clock import START
from tests.serving.support import EVENT, classify, drive, record


def parsed(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    frames = [frame.splitlines() for frame in body.decode().split("\n\n") if frame and not frame.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


def test_a_page_and_the_end_of_an_event_are_told(app: FastAPI, store: Store) -> None:
    steps = iter(
        [
            lambda: store.put_page(EVENT, "x", [record("1", "good")], Progress(live_to=START)),
            lambda: store.put_page(EVENT, "x", [record("2", "bad")], Progress(live_to=START)),
            lambda: store.delete_event(EVENT),
            lambda: None,
        ]
    )

    async def go_on(_piece: bytes) -> bool:
        await asyncio.to_thread(next(steps))
        return False

    answer = asyncio.run(drive(app, f"/events/{EVENT}/stream", on_body=go_on))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    frames = parsed(answer.body)
    assert [name for name, _ in frames] == ["update", "update", "update", "gone"]
    first, second, third, gone = (data for _, data in frames)
    assert first == {"event_id": EVENT, "version": 1, "raw": 0, "distinct": 0, "live_to": None}
    assert second == {"event_id": EVENT, "version": 2, "raw": 1, "distinct": 1, "live_to": "2026-11-23T12:00:00Z"}
    assert (third["version"], third["raw"]) == (3, 2)
    assert gone == {"event_id": EVENT}


def test_it_ends_when_the_client_goes(app: FastAPI) -> None:
    async def hang_up(_piece: bytes) -> bool:
        return True

    async def told() -> bytes:
        before = asyncio.all_tasks()
        answer = await drive(app, f"/events/{EVENT}/stream", on_body=hang_up)
        assert asyncio.all_tasks() == before
        return answer.body

    assert [name for name, _ in parsed(asyncio.run(told()))] == ["update"]


def test_silence_is_filled_with_comments(service: Service, store: Store) -> None:
    async def told() -> list[str]:
        stream = updates(service, EVENT, poll_s=0, keep_alive_s=0)
        said = [await anext(stream) for _ in range(3)]
        await asyncio.to_thread(store.put_event, Event(EVENT, "Renamed", "apple"))
        return [*said, await anext(stream)]

    first, *comments, last = asyncio.run(told())
    assert first.startswith("event: update\n")
    assert comments == [": keep-alive\n\n"] * 2
    assert '"version": 2' in last


def test_an_event_made_anew_is_told_of_again(service: Service, store: Store) -> None:
    async def told() -> list[str]:
        store.put_event(Event(EVENT, "Apple launch", "apple"))
        stream = updates(service, EVENT, poll_s=0)
        first = await anext(stream)
        store.delete_event(EVENT)
        store.put_event(Event(EVENT, "Apple launch", "apple"))
        return [first, await anext(stream)]

    first, second = asyncio.run(told())
    assert '"version": 2' in first
    assert '"version": 1' in second


def test_it_ends_when_the_database_refuses(tmp_path: Path, settings: Settings) -> None:
    async def told() -> list[str]:
        with Store(f"sqlite:///{tmp_path}/empty.db") as store:
            return [piece async for piece in updates(Service(store, classify, settings), EVENT)]

    (only,) = asyncio.run(told())
    assert only.startswith("event: unavailable\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(app: FastAPI, method: str) -> None:
    assert asyncio.run(drive(app, f"/events/{EVENT}/stream", method=method)).status == 405
