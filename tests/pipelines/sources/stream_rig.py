"""A hub and its views on the fake API, for the tests of the stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from pipelines.sources.base import Cursor, Feed, Page
from pipelines.sources.x_api import XApi
from pipelines.sources.x_hub import XHub
from pipelines.sources.x_stream import XStream
from tests.fakes.apis import DEADLINE_S, TOKEN, FakeApis
from tests.fakes.clock import Clock

SETTLED_S = 40.0  # after so long search has what the stream missed


class Rig:
    """Makes hubs and views, and closes them all."""

    def __init__(self, apis: FakeApis, clock: Clock, token: str = TOKEN) -> None:
        self.apis = apis
        self.clock = clock
        self._token = token
        self.hubs: list[XHub] = []
        self._views: list[XStream] = []

    def hub(self, **options: Any) -> XHub:
        api = XApi(self._token, base_url=self.apis.url, now=self.clock)
        self.hubs.append(XHub(api, now=self.clock, **options))
        return self.hubs[-1]

    def view(
        self, hub: XHub, event_id: str = "e1", *, query: str = "cats", remaining: int | None = None, **bounds: Any
    ) -> XStream:
        api = XApi(self._token, base_url=self.apis.url, now=self.clock)
        feed = Feed(event_id, query, self.clock, **bounds)
        self._views.append(XStream(hub, api, feed, rule=query or "cats", remaining=remaining))
        return self._views[-1]

    def close(self) -> None:
        for view in self._views:
            view.close()
        for hub in self.hubs:
            hub.close()


class Reader:
    """Reads a view as the pipeline does: cursors go through JSON, and pages are kept."""

    def __init__(self, view: XStream, cursor: Cursor | None = None) -> None:
        self.view = view
        self.cursor = cursor
        self.pages: list[Page] = []

    def fetch(self) -> Page:
        self.pages.append(self.view.fetch(json.loads(json.dumps(self.cursor))))
        self.cursor = self.pages[-1].cursor
        return self.pages[-1]

    def until(self, done: Callable[[Page], bool]) -> Page:
        """Fetches until a page is as wanted; fetch itself waits a little where there is nothing."""
        deadline = monotonic() + DEADLINE_S
        while monotonic() < deadline:
            page = self.fetch()
            if done(page):
                return page
        raise AssertionError(f"not in {len(self.pages)} pages; the last: {self.pages[-1]}")

    def live(self) -> Page:
        """Fetches until the stream is connected."""
        return self.until(lambda page: page.live_to is not None and "connecting" not in page.note)

    def texts(self) -> list[str]:
        return [message.text for page in self.pages for message in page.messages]

    def gets(self, *texts: str) -> Page:
        """Fetches until all these texts have come."""
        return self.until(lambda _: set(texts) <= set(self.texts()))

    @property
    def billed(self) -> int:
        return sum(page.billed for page in self.pages)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def holes(cursor: Cursor | None) -> list[tuple[datetime, datetime]]:
    """The holes in a cursor."""
    listed: Any = (cursor or {}).get("holes") or []
    return [(datetime.fromisoformat(hole["start"]), datetime.fromisoformat(hole["end"])) for hole in listed]
