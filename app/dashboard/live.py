"""How pages stay up to date: panels that a page asks for about once a second, over a plain route.

The query of the page's URL is all that a feed knows of the reader, so nothing is kept for a session and a restart is
not noticed. A Gradio event for the same costs some 30 ms of CPU even where nothing has changed, this about one.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated, Final, Protocol, TypeAlias

from cachetools import LRUCache, TLRUCache, TTLCache, cached
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from app.core.errors import AppError

Query: TypeAlias = Mapping[str, str]
"""The parameters of the page's URL, as they were given: nothing in them is to be trusted."""

CANONICAL: Final = "query"
"""The panel that is no panel: the query as it was understood, for the address bar."""

_FRESH_S = 0.5
# What making the open views may take of a core, and how old an answer gets for it.
_PART: Final = 0.07
_OLDEST_S: Final = 10.0
_ASKED_AGAIN_S: Final = 2.0  # after that long without a question nobody looks at a view any more
_MOST_KEPT = 256
_MOST_AT_ONCE = 16  # answers that are made, or waited for
_LONGEST_QUERY = 8_000


class Feed(Protocol):
    """The panels of a page, or those of them that belong together."""

    def revision(self, query: Query) -> Hashable:
        """Changes whenever the panels may have; cheap to ask. May raise AppError."""

    def panels(self, query: Query) -> Mapping[str, str]:
        """The panels by name: HTML, or what the panel's script reads. May raise AppError."""

    def failed(self, error: AppError) -> Mapping[str, str]:
        """The panels that say what went wrong; the others stay as they are."""


@dataclass(frozen=True, slots=True)
class _Made:
    revision: Hashable
    panels: Mapping[str, tuple[str, str]]  # by name: a digest, and the panel
    took_s: float = 0.0


class Live:
    """Answers for all feeds; whatever many readers look at is made once.

    `fresh_s`: for so long an answer is given again without a look at what has changed, and for longer where the open
    views would cost more than a fourteenth of a core, so that messages come in as fast as before: a page that few look
    at is up to date within a second, ten of them within five. What is `urgent` does not wait: when that changes, every
    view is made anew. `timer` and `cost` count seconds, by the clock and of CPU.
    """

    def __init__(
        self,
        feeds: Mapping[str, Feed],
        *,
        urgent: Callable[[], Hashable] = lambda: None,
        fresh_s: float = _FRESH_S,
        timer: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._feeds = feeds
        self._cost = cost
        self._last: LRUCache[tuple[str, frozenset[tuple[str, str]]], _Made] = LRUCache(_MOST_KEPT)
        self._lock = threading.Lock()
        # FastAPI's own threads would live for one answer each here: they end with the outermost task, and a replica of
        # Ray Serve has none but the request. To start one costs as much as most answers.
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="live")
        waiting = threading.Condition()
        # By view: what it cost to make, and until when it counts as open.
        costs: TLRUCache[Hashable, tuple[float, float]] = TLRUCache(
            _MOST_KEPT, ttu=lambda _, cost, now: cost[1], timer=timer
        )

        def fresh_until(key: tuple[Hashable, ...], made: _Made, now: float) -> float:
            view = key[:-1]  # whatever is urgent
            costs.pop(view, None)
            roots = [math.sqrt(took_s) for took_s, _ in (*costs.values(), (made.took_s, now))]
            # In proportion to the root of what each costs: of all ways to share the time the one with the least age.
            until = now + max(fresh_s, min(_OLDEST_S, roots[-1] * sum(roots) / _PART))
            costs[view] = made.took_s, until + _ASKED_AGAIN_S
            return until

        answers: TLRUCache[tuple[Hashable, ...], _Made] = TLRUCache(_MOST_KEPT, ttu=fresh_until, timer=timer)
        self._made: Callable[[str, frozenset[tuple[str, str]], Hashable], _Made] = cached(answers, condition=waiting)(
            self._make
        )
        latest: TTLCache[Hashable, Hashable] = TTLCache(1, fresh_s, timer)
        self._urgent: Callable[[], Hashable] = cached(latest, condition=threading.Condition())(urgent)

    def router(self) -> APIRouter:
        """The route of all feeds: what a reader has is in the header x-have, "panel=digest panel=digest"."""
        router = APIRouter()

        @router.get("/live/{name}")
        async def live(name: str, request: Request, x_have: Annotated[str, Header(max_length=4_000)] = "") -> Response:
            if name not in self._feeds or len(request.url.query) > _LONGEST_QUERY:
                return Response(status_code=404)
            had = dict(pair.split("=", 1) for pair in x_have.split() if "=" in pair)
            loop = asyncio.get_running_loop()
            changed = await loop.run_in_executor(self._threads, self.changed, name, dict(request.query_params), had)
            headers = {"Cache-Control": "no-store"}
            return JSONResponse(changed, headers=headers) if changed else Response(status_code=204, headers=headers)

        return router

    def changed(self, name: str, query: Query, had: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The panels of a feed that are not those the reader had, each with its digest. `had` is digests by name."""
        try:
            urgent = self._urgent()
        except AppError:
            urgent = None  # what the feed asks fails as well, and says so on the page
        made = self._made(name, frozenset(query.items()), urgent)
        return {panel: value for panel, value in made.panels.items() if had.get(panel) != value[0]}

    def _make(self, name: str, query: frozenset[tuple[str, str]], _urgent: Hashable) -> _Made:
        feed = self._feeds[name]
        with self._lock:
            last = self._last.get((name, query))
        try:
            revision = feed.revision(dict(query))
            if last is not None and last.revision == revision:
                return replace(last, took_s=0.0)
            begin = self._cost()
            panels = _digested(feed.panels(dict(query)))
            made = _Made(revision, panels, self._cost() - begin)
        except AppError as error:
            return _Made(None, _digested(feed.failed(error)))
        with self._lock:
            self._last[name, query] = made
        return made


def _digested(panels: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (_digest(panel), panel) for name, panel in panels.items()}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=9).hexdigest()
