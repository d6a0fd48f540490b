"""What stands on the Sources page: asked of the service, made into panels."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta

from app.core.errors import AppError, InvalidInput
from app.core.types import SourceStatus
from app.dashboard import sources
from app.dashboard.controls import choice, drawer
from app.dashboard.event_feed import trouble
from app.dashboard.headline import empty
from app.dashboard.live import CANONICAL, Query
from app.dashboard.markup import isolated, notice, safe
from app.dashboard.view import View
from app.service import Service

_LETTERS = 20
_LOOKS_BACK = timedelta(hours=1)
_LEAST = timedelta(seconds=30)


class Rates:
    """Records an hour of each source, from what its counter said when somebody looked; nothing for a first look."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[tuple[datetime, int]]] = {}
        self._lock = threading.Lock()

    def of(self, status: SourceStatus, now: datetime) -> float | None:
        """The rate over the last hour, or as long as is known of it; None for less than half a minute."""
        with self._lock:
            seen = self._seen.setdefault((status.event_id, status.source), deque())
            if not seen or now - seen[-1][0] >= _LEAST:
                seen.append((now, status.reads))
            while now - seen[0][0] > _LOOKS_BACK:
                seen.popleft()
            since, reads = seen[0]
        if now - since < _LEAST or status.reads < reads:
            return None
        return (status.reads - reads) / ((now - since) / timedelta(hours=1))


class SourcesFeed:
    """The panels of the Sources page. `now` is the clock, in UTC."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now
        self._rates = Rates()

    def revision(self, query: Query) -> Hashable:
        """The versions of all events, and the minute."""
        return tuple(self._service.versions().items()), int(self._now().timestamp() // 60)

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        events = {summary.event.id: summary.event for summary in self._service.events()}
        view, banner = View.from_query(query), ""
        if view.event not in events:
            if view.event and events:
                said = f"“{isolated(view.event)}” is not watched (any more). These are the sources of all events."
                banner = notice("stale", "No such event.", said)
            view = View()
        choices = [("All events", ""), *((event.name, event.id) for event in events.values())]
        control = choice("event", "Event", choices, view.event, default="", clears="after")
        shown = [view.event] if view.event else list(events)
        tables = "".join(self._table(event) for event in shown)
        if not events:
            tables = empty("Nothing is watched yet.", '<a href="./#ep-form">Add an event</a> to see its sources here.')
        return {
            CANONICAL: view.to_query(),
            "banner": banner,
            "controls": drawer(events[view.event].name if view.event else "All events", [control]) if events else "",
            "sources": tables,
            "dead": self._dead(view) if view.event else "",
            "connect": sources.connecting(),
        }

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _table(self, event_id: str) -> str:
        event, statuses = self._service.event(event_id), self._service.sources(event_id)
        rates = {status.source: self._rates.of(status, self._now()) for status in statuses.sources}
        known = {source: rate for source, rate in rates.items() if rate is not None}
        made = sources.table(statuses, event, known)
        return f'<section class="ep-source" data-key="{safe(event.id)}"><h2>{isolated(event.name)}</h2>{made}</section>'

    def _dead(self, view: View) -> str:
        try:
            page = self._service.dead_letters(view.event, limit=_LETTERS, after=view.after or None)
        except InvalidInput:
            view = View(event=view.event)
            page = self._service.dead_letters(view.event, limit=_LETTERS)
        return sources.dead_letters(page, view)
