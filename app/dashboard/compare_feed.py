"""What stands on the Compare page: asked of the service, made into panels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.core.annotations import Annotation, AnnotationKind
from app.core.errors import AppError, InvalidInput
from app.core.types import Event
from app.dashboard import comparison
from app.dashboard.compare_controls import around_controls, side_controls
from app.dashboard.compare_view import CompareView, Side
from app.dashboard.downloads import comparison_links
from app.dashboard.event_feed import trouble
from app.dashboard.headline import empty
from app.dashboard.live import CANONICAL, Query
from app.dashboard.markup import notice, safe
from app.service import Service
from app.services.aligned import aligned
from app.services.comparison import MOST_SIDES
from app.views import Selection

_BLANK: Final = ("banner", "said", "warnings", "compared", "steps", "voice", "numbers", "take")


class CompareFeed:
    """The panels of the Compare page. `now` is the clock, in UTC."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def revision(self, query: Query) -> Hashable:
        """The versions of the events that are compared, which events there are, and the minute."""
        versions = self._service.versions()
        view = CompareView.from_query(query)
        compared = {side.event for side in view.sides} | {view.event}
        seen = tuple((event, version if event in compared else 0) for event, version in versions.items())
        return seen, int(self._now().timestamp() // 60)

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        found = self._service.events()
        events = {summary.event.id: summary.event for summary in found}
        blank = dict.fromkeys(_BLANK, "")
        if not events:
            add = '<a href="./#ep-form">Add an event</a>, then compare its days, countries and sources.'
            return {**blank, "controls": "", "said": empty("Nothing is watched yet.", add)}
        asked = CompareView.from_query(query)
        view = self._settled(asked, [each.event.id for each in found if each.raw] or list(events), events)
        controls = self._around_controls(view, events) if view.is_around else self._sides(view, events)
        shown = {**blank, CANONICAL: view.to_query(), "controls": controls, "banner": _gone(asked, events)}
        try:
            return shown | (self._around(view) if view.is_around else self._compared(view))
        except InvalidInput as error:
            return {**shown, "banner": notice("stale", "This can't be compared.", safe(str(error)))}

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _settled(self, view: CompareView, heard: Sequence[str], events: Mapping[str, Event]) -> CompareView:
        """The view with sides of events that there are; where none are chosen, some that have messages."""
        event = view.event if view.event in events else heard[0]
        sides = tuple(side for side in view.sides if side.event in events)
        if not sides and not view.is_around:
            others = [other for other in heard if other != event][:2]
            sides = tuple(Side(each) for each in (event, *others)) if others else self._periods(event)
        return replace(view, event=event, sides=sides)

    # Before and after a moment

    def _around(self, view: CompareView) -> dict[str, str]:
        found = self._service.before_after.around(view.event, view.around())
        drawn = aligned(found.comparison)
        return {
            "said": comparison.around(found, self._now()),
            "warnings": comparison.warnings(found.warnings, self._now()),
            "compared": comparison.chart(found.comparison, drawn, view.to_query()),
            "steps": comparison.steps(found.comparison, drawn),
            "numbers": comparison.numbers(found.comparison),
            "take": comparison_links(view),
        }

    def _around_controls(self, view: CompareView, events: Mapping[str, Event]) -> str:
        notes = [note for note in self._notes(view.event) if note.kind is not AnnotationKind.SYSTEM]
        return around_controls(view, list(events.values()), notes)

    def _notes(self, event: str) -> Sequence[Annotation]:
        """The annotations of an event, the latest first, statements before others."""
        notes = self._service.annotations.find(event)
        return sorted(notes, key=lambda note: (note.kind is not AnnotationKind.STATEMENT, -note.at.timestamp()))

    # Sides

    def _compared(self, view: CompareView) -> dict[str, str]:
        if len(view.sides) < 2:
            return {"said": empty("One side is none.", "Add another one to compare it with.")}
        found = self._service.comparisons.compare(view.draft())
        drawn = aligned(found)
        return {
            "said": comparison.said(found, self._now()),
            "warnings": comparison.warnings(found.warnings, self._now()),
            "compared": comparison.chart(found, drawn, view.to_query()),
            "steps": comparison.steps(found, drawn),
            "voice": comparison.voice(found),
            "numbers": comparison.numbers(found),
            "take": comparison_links(view),
        }

    def _sides(self, view: CompareView, events: Mapping[str, Event]) -> str:
        facets = {event: self._service.facets(event) for event in {side.event for side in view.sides} | {view.event}}
        own = facets[view.event]
        countries = [country for country in own.countries if len(country) == 2 and country.isalpha()]
        wanted: list[tuple[str, Sequence[Side]]] = [
            ("This day and the one before", self._periods(view.event)),
            ("Its sources", [Side(view.event, source=source) for source in own.sources][:MOST_SIDES]),
            ("Its countries", [Side(view.event, country=country) for country in countries][:4]),
            ("All events", [Side(event) for event in events][:MOST_SIDES]),
        ]
        views = [(words, replace(view, sides=sides)) for words, sides in wanted if len(sides) > 1]
        views.append(("Before and after a moment", self._first_moment(view)))
        return side_controls(view, list(events.values()), facets, views)

    def _first_moment(self, view: CompareView) -> CompareView:
        """Before and after the latest statement or other flag, or the middle of the last day where there is none."""
        notes = [note for note in self._notes(view.event) if note.kind is not AnnotationKind.SYSTEM]
        if notes:
            return replace(view, moment=notes[0].id)
        end = self._service.overview(view.event, Selection(hours=24)).end
        return replace(view, at=end - timedelta(hours=12), hours=12)

    def _periods(self, event: str) -> tuple[Side, Side]:
        """The last day and the one before."""
        shown = self._service.overview(event, Selection(hours=24))
        before = Side(event, start=shown.start - timedelta(hours=24), end=shown.start)
        return before, Side(event, start=shown.start, end=shown.end)


def _gone(asked: CompareView, events: Mapping[str, Event]) -> str:
    """A banner for the events of the URL that there are not."""
    names = dict.fromkeys([asked.event, *(side.event for side in asked.sides)])
    gone = ", ".join(f"“<bdi>{safe(name)}</bdi>”" for name in names if name and name not in events)
    return notice("stale", "Not compared:", f"{gone}, not watched (any more).") if gone else ""
