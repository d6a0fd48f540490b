"""What stands on the Map page for a view: asked of the service, made into panels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime

from app.core.errors import AppError
from app.dashboard import map_view
from app.dashboard.controls import Choices, choice, drawer, narrowing
from app.dashboard.downloads import geography_links
from app.dashboard.event_feed import trouble
from app.dashboard.headline import empty
from app.dashboard.live import CANONICAL, Query
from app.dashboard.markup import notice, safe
from app.dashboard.scope import Scope, Scopes
from app.dashboard.view import WINDOWS, View, source_name
from app.dashboard.world import outlines
from app.service import Service


class MapFeed:
    """The panels of the Map page. `now` is the clock, in UTC."""

    def __init__(self, service: Service, scopes: Scopes, now: Callable[[], datetime]) -> None:
        self._service = service
        self._scopes = scopes
        self._now = now

    def revision(self, query: Query) -> Hashable:
        """The version of the event, which events there are, and the minute: time goes on by itself."""
        versions = self._service.versions()
        return versions.get(query.get("event", "")), tuple(versions), int(self._now().timestamp() // 60)

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        view = View.from_query(query)
        events = [(summary.event.name, summary.event.id) for summary in self._service.events()]
        if not events:
            return _nothing_watched()
        banner = ""
        if view.event not in [event for _, event in events]:
            if view.event:
                said = f"“<bdi>{safe(view.event)}</bdi>” is not watched (any more). This is the newest one."
                banner = notice("stale", "Another event.", said)
            view = View(event=events[0][1], window=view.window)
        scope = self._scopes.stretch(view)
        if scope.refused:
            banner = notice("stale", "No such incident.", scope.refused)
        return {"banner": banner} | self._shown(scope, events)

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _shown(self, scope: Scope, events: Choices) -> dict[str, str]:
        view = scope.view
        found = self._service.geography.of(view.event, scope.within)
        note = map_view.stretch_note(scope.stretch.words(), view) if scope.stretch else ""
        return {
            CANONICAL: view.to_query(),
            "controls": _controls(view, events, list(self._service.facets(view.event).sources)),
            "sentence": map_view.sentence(found) + note,
            "outlines": outlines(),
            "map": map_view.picture(found, view),
            "countries": map_view.authors_table(found, view),
            "publishers": map_view.publishers_table(found, view),
            "take": geography_links(view),
        }


def _controls(view: View, events: Choices, sources: list[str]) -> str:
    """The event, its window and its source: all countries are on the map."""
    windows = [(words, window) for window, (words, _) in WINDOWS.items()]
    found = narrowing("All sources", sources, view.source, source_name)
    summary = [
        *(words for words, event in events if event == view.event),
        WINDOWS[view.window][0],
        *(words for words, source in found if source == view.source),
    ]
    clears = "source country label text start end incident statement against after"
    fields = (
        choice("event", "Event", events, view.event, default="", clears=clears),
        choice("window", "Window", windows, view.window, default="24h", clears="start end incident after"),
        choice("source", "Source", found, view.source),
    )
    return drawer(" · ".join(summary), fields)


def _nothing_watched() -> dict[str, str]:
    blank = dict.fromkeys(("banner", "controls", "outlines", "map", "countries", "publishers", "take"), "")
    text = '<a href="./#ep-form">Add an event</a> and say what to look for.'
    return {**blank, "sentence": empty("Nothing is watched yet.", text)}
