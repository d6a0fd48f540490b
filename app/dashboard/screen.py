"""What stands on the screen for a view: asked of the service, made into the values of the components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from app.adapters.records import MessageFilter, MessagePage
from app.core.errors import AppError, NotFound
from app.core.types import Label
from app.dashboard import chart, headline, messages, sources
from app.dashboard.markup import notice, safe
from app.dashboard.view import ANY, WINDOWS, View, chosen, country_name, source_name
from app.service import Service
from app.views import Overview, Selection, Statuses

LONGEST_HOURS = 24.0 * 366 * 5
_DAY_S = 86_400

Choices = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """The values of all panels. `older` is the cursor of the next page of messages; None when there is none."""

    headline: str
    chart: str
    messages: str
    sources: str
    banner: str = ""
    older: str | None = None
    source_choices: tuple[tuple[str, str], ...] = ()
    country_choices: tuple[tuple[str, str], ...] = ()


class Screen:
    """Makes pictures of what the service knows."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def minute(self) -> int:
        """The number of the minute: once in it everything is asked anew, whatever the version says."""
        return int(self._now().timestamp() // 60)

    def version(self, view: View) -> int:
        """The version of the event in view. Raises NotFound or StoreError."""
        return self._service.version(view.event) if view.event else 0

    def events(self) -> Choices:
        """The events to choose from. Raises StoreError."""
        return [(summary.event.name, summary.event.id) for summary in self._service.events()]

    def picture(self, view: View, cursor: str | None) -> Picture:
        """The screen for a view, with the page of messages at `cursor`. Raises AppError."""
        if not view.event:
            return _nothing_watched()
        selection = self._selection(view)
        overview = self._service.overview(view.event, selection)
        statuses = self._service.sources(view.event)
        facets = self._service.facets(view.event)
        page = self._service.messages(view.event, _filter(view, overview), limit=messages.PAGE, after=cursor)
        waiting = not facets.sources
        drawn = None
        if not waiting:
            timeline = self._service.timeline(view.event, selection)
            revision = replace(view, label=ANY, text="", distinct=False).to_query()
            drawn = chart.payload(timeline, statuses.sources, self._now(), revision)
        return Picture(
            headline=_waiting(overview) if waiting else _top(overview, statuses, view),
            chart=chart.encode(drawn),
            messages=messages.encode(
                page,
                empty=_no_messages(view, waiting=waiting),
                following=cursor is None,
                scope=f"{view.to_query()}#{cursor or ''}",
            ),
            sources=sources.table(statuses, overview.event),
            older=page.next,
            source_choices=_choices("All sources", list(facets.sources), view.source, source_name),
            country_choices=_choices("All countries", list(facets.countries), view.country, country_name),
        )

    def _selection(self, view: View) -> Selection:
        hours = WINDOWS[view.window][1]
        source, country = chosen(view.source), chosen(view.country)
        if hours is not None:
            return Selection(hours=hours, source=source, country=country)
        whole = self._service.timeline(view.event, Selection(hours=LONGEST_HOURS), _DAY_S)
        if not whole.buckets:
            return Selection(source=source, country=country)
        days = Selection(start=whole.buckets[0].start, end=whole.end)
        fine = self._service.timeline(view.event, days)
        first = fine.buckets[0].start if fine.buckets else whole.buckets[0].start
        return Selection(start=first, end=whole.end, source=source, country=country)


def trouble(error: AppError) -> str:
    """A banner for what the service could not do: what it is, and what to do."""
    if isinstance(error, NotFound):
        return notice("error", "There is no such event any more.", "Choose another one above, or add it again below.")
    said = f"{safe(str(error))}. What you see is from before; trying again every second."
    return notice("error", "The numbers can't be read right now.", said)


def _choices(every: str, found: list[str], current: str, name: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    kept = found if current in (ANY, *found) else [*found, current]
    return ((every, ANY), *((name(value), value) for value in kept))


def _filter(view: View, overview: Overview) -> MessageFilter:
    return MessageFilter(
        start=overview.start,
        end=overview.end,
        label=None if view.label == ANY else Label(view.label),
        source=chosen(view.source),
        country=chosen(view.country),
        text=view.text.strip() or None,
        distinct_only=view.distinct,
    )


def _nothing_watched() -> Picture:
    top = headline.empty("Nothing is watched yet.", "Open “Add or edit an event” below and say what to look for.")
    none = '<p class="ep-none">Add an event first.</p>'
    nothing = messages.encode(MessagePage((), None), empty="No event yet.", following=True, scope="")
    return Picture(headline=top, chart="", messages=nothing, sources=none)


def _top(overview: Overview, statuses: Statuses, view: View) -> str:
    return headline.headline(overview, statuses.sources, compare=view.window != "all")


def _waiting(overview: Overview) -> str:
    text = f"for “<bdi>{safe(overview.event.name)}</bdi>”. Below you see what each source is doing."
    return headline.empty("Waiting for the first message", text)


def _no_messages(view: View, *, waiting: bool) -> str:
    if waiting:
        return "Waiting for the first message."
    narrowed = view.label != ANY or view.text.strip() or view.distinct or view.source != ANY or view.country != ANY
    return "No message fits these filters." if narrowed else "No messages in this window. Try a longer one."
