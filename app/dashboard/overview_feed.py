"""What stands on the Overview page: asked of the service, made into panels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from datetime import datetime
from zlib import crc32

from cachetools import LRUCache, cached

from app.core.errors import AppError, NotFound
from app.dashboard.event_feed import trouble
from app.dashboard.live import Query
from app.dashboard.overview import Row, banner, listing
from app.dashboard.spark import STEP_S
from app.service import Service
from app.views import Selection

_DAY = Selection(hours=24)
_MOST_EVENTS = 1_000


class OverviewFeed:
    """The panels of the Overview page. `now` is the clock, in UTC.

    An event is asked again when it has changed, and once a minute for what time alone changes: each at a second of its
    own, or a page with many events would be late once a minute.
    """

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now
        kept: LRUCache[Hashable, Row] = LRUCache(_MOST_EVENTS)
        self._read = cached(kept, condition=threading.Condition())(self._ask)

    def revision(self, query: Query) -> Hashable:
        """The versions of all events, and the minute of each."""
        return self._versions()

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        rows = []
        for event, version, minute in self._versions():
            with suppress(NotFound):  # it has gone since
                rows.append(self._read(event, version, minute))
        return {"banner": banner(rows, self._now()), "events": listing(rows, self._now())}

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _versions(self) -> tuple[tuple[str, int, int], ...]:
        seconds = self._now().timestamp()
        return tuple(
            (event, version, int(seconds + crc32(event.encode()) % 60) // 60)
            for event, version in self._service.versions().items()
        )

    def _ask(self, event_id: str, version: int, minute: int) -> Row:
        return Row(
            self._service.overview(event_id, _DAY),
            self._service.timeline(event_id, _DAY, STEP_S),
            self._service.sources(event_id),
            self._service.incidents.state(event_id),
        )
