"""What a view asks for: its event, its window, and the stretch in it that is selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.adapters.records import MessageFilter
from app.core.errors import NotFound
from app.core.incidents import Kind
from app.core.types import Label
from app.dashboard.markup import bare, day, safe
from app.dashboard.view import ANY, AROUND, WINDOWS, View, chosen
from app.service import Service
from app.services.incident_views import IncidentView
from app.views import Overview, Selection

_LONGEST_HOURS: Final = 24.0 * 366 * 5
_DAY_S = 86_400
_LEAST_MARGIN = timedelta(hours=2)
_NEGATIVE = frozenset({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of the window that is selected: brushed on the chart, or that of an incident."""

    start: datetime
    end: datetime
    incident: IncidentView | None = None

    def words(self) -> str:
        """It as HTML."""
        same = self.start.date() == self.end.date()
        when = f"{bare(self.start) if same else day(self.start)} to {day(self.end)}"
        return f"incident {self.incident.number}, {when}" if self.incident else when

    @property
    def label(self) -> Label | None:
        """Whose messages explain it: those of an incident of negative messages are the negative ones."""
        return Label.NEGATIVE if self.incident and self.incident.kind in _NEGATIVE else None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for. `view` is as it can be shown; `refused` is HTML about what it asked for in vain."""

    view: View
    selection: Selection
    stretch: Stretch | None
    refused: str = ""

    @property
    def within(self) -> Selection:
        """The stretch, or the window where none is selected."""
        if self.stretch is None:
            return self.selection
        return replace(self.selection, start=self.stretch.start, end=self.stretch.end)


def message_filter(scope: Scope, overview: Overview) -> MessageFilter:
    """The messages of a scope, as the filters of its view narrow them."""
    view = scope.view
    return MessageFilter(
        start=scope.within.start or overview.start,
        end=scope.within.end or overview.end,
        label=None if view.label == ANY else Label(view.label),
        source=chosen(view.source),
        country=chosen(view.country),
        text=view.text.strip() or None,
        distinct_only=view.distinct,
    )


class Scopes:
    """Finds out what views ask for. `now` is the clock, in UTC."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def of(self, view: View) -> tuple[Scope, Overview]:
        """The scope of a view with the numbers of its window. Raises AppError.

        A stretch outside of the window is shown with what lies around it.
        """
        scope = self.stretch(view)
        overview = self._service.overview(view.event, scope.selection)
        if scope.stretch and not overview.start <= scope.stretch.start < overview.end:
            scope = self.stretch(replace(scope.view, window=AROUND))
            overview = self._service.overview(view.event, scope.selection)
        return scope, overview

    def stretch(self, view: View) -> Scope:
        """The scope of a view, wherever the stretch lies. Raises AppError."""
        refused, stretch = "", None
        if view.incident is not None:
            try:
                incident = self._service.incidents.get(view.event, view.incident).incident
                stretch = Stretch(incident.started_at, incident.ended_at or self._now(), incident)
            except NotFound as error:
                refused, view = safe(str(error)), replace(view, incident=None)
        elif view.selected:
            stretch = Stretch(*view.selected)
        return Scope(view, self._selection(view, stretch), stretch, refused)

    def _selection(self, view: View, stretch: Stretch | None) -> Selection:
        source, country = chosen(view.source), chosen(view.country)
        hours = WINDOWS[view.window][1]
        if view.window == AROUND and stretch:
            margin = max(_LEAST_MARGIN, (stretch.end - stretch.start) * 2)
            end = max(stretch.end, min(stretch.end + margin, self._now()))
            return Selection(start=stretch.start - margin, end=end, source=source, country=country)
        if hours is not None or view.window == AROUND:
            return Selection(hours=hours or 24.0, source=source, country=country)
        whole = self._service.timeline(view.event, Selection(hours=_LONGEST_HOURS), _DAY_S)
        if not whole.buckets:
            return Selection(source=source, country=country)
        days = Selection(start=whole.buckets[0].start, end=whole.end)
        fine = self._service.timeline(view.event, days)
        first = fine.buckets[0].start if fine.buckets else whole.buckets[0].start
        return Selection(start=first, end=whole.end, source=source, country=country)
