"""What stands on the Overview page: asked of the service, made into panels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime

from cachetools import LRUCache, cached

from app.core.errors import AppError
from app.dashboard.event_feed import trouble
from app.dashboard.live import Query
from app.dashboard.overview import Row, banner, listing
from app.dashboard.spark import STEP_S
from app.service import Service
from app.views import Overview, Selection, Statuses, Timeline

_DAY = Selection(hours=24)
_MOST_EVENTS = 1_000


class OverviewFeed:
    """The panels of the Overview page; an event that has not changed is not asked again. `now` is the clock, in UTC."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now
        kept: LRUCache[Hashable, tuple[Overview, Timeline, Statuses]] = LRUCache(_MOST_EVENTS)
        self._read = cached(kept, condition=threading.Condition())(self._ask)

    def revision(self, query: Query) -> Hashable:
        """The versions of all events, and the minute."""
        return tuple(self._service.versions().items()), self._minute()

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        states = self._service.incidents.states()
        rows = [
            Row(*self._read(event, version, self._minute()), states[event])
            for event, version in self._service.versions().items()
            if event in states
        ]
        return {"banner": banner(rows, self._now()), "events": listing(rows, self._now())}

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _minute(self) -> int:
        return int(self._now().timestamp() // 60)

    def _ask(self, event_id: str, version: int, minute: int) -> tuple[Overview, Timeline, Statuses]:
        overview = self._service.overview(event_id, _DAY)
        return overview, self._service.timeline(event_id, _DAY, STEP_S), self._service.sources(event_id)
