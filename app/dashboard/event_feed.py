"""What stands on the Event page for a view: asked of the service, made into panels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.adapters.records import MessagePage
from app.core.errors import AppError, InvalidInput, NotFound
from app.core.types import Label
from app.dashboard import chart, messages
from app.dashboard.controls import Choices, choice, event_controls, search, switch
from app.dashboard.downloads import links, report_link
from app.dashboard.headline import empty, headline
from app.dashboard.live import CANONICAL, Query
from app.dashboard.marks import Marks, listing
from app.dashboard.markup import go, isolated, notice, safe, there
from app.dashboard.scope import Scope, Scopes, message_filter
from app.dashboard.view import ANY, View
from app.dashboard.why import Desk
from app.service import Service
from app.services.insight import InsightStep
from app.views import Overview

_MOST_INCIDENTS = 100
_LABELS: Final = [("All labels", ANY), *((label.capitalize(), label.value) for label in Label)]


class EventFeed:
    """The panels of the Event page but for the reasons. `now` is the clock, in UTC."""

    def __init__(self, service: Service, desk: Desk, scopes: Scopes, now: Callable[[], datetime]) -> None:
        self._service = service
        self._desk = desk
        self._scopes = scopes
        self._now = now

    def revision(self, query: Query) -> Hashable:
        """The version of the event, which events there are, and the minute: time goes on by itself."""
        versions = self._service.versions()
        return versions.get(query.get("event", "")), tuple(versions), self._desk.minute()

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        view = View.from_query(query)
        events = [(summary.event.name, summary.event.id) for summary in self._service.events()]
        known = [event for _, event in events]
        if not known:
            return _nothing_watched()
        banner = ""
        if view.event not in known:
            if view.event:
                said = f"“<bdi>{safe(view.event)}</bdi>” is not watched (any more). This is the newest one."
                banner = notice("stale", "Another event.", said)
            view = View(event=known[0], window=view.window)
        scope, overview = self._scopes.of(view)
        if scope.refused:
            banner = notice("stale", "No such incident.", scope.refused)
        if scope.stretch and scope.stretch.incident:
            self._service.insight.record(scope.view.event, scope.stretch.incident.number, InsightStep.SHOWN)
        return {"banner": banner} | self._shown(scope, overview, events)

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _shown(self, scope: Scope, overview: Overview, events: Choices) -> dict[str, str]:
        view = scope.view
        statuses = self._service.sources(view.event)
        facets = self._service.facets(view.event)
        waiting = not facets.sources
        marks = self._marks(view, overview)
        top = headline(overview, statuses.sources, compare=view.window != "all", more=report_link(view))
        drawn = None
        if not waiting:
            timeline = self._service.timeline(view.event, scope.selection)
            revision = View(view.event, view.window, view.source, view.country).to_query()
            selected = (scope.stretch.start, scope.stretch.end) if scope.stretch else None
            drawn = chart.payload(timeline, statuses.sources, self._now(), revision, marks, selected)
        page, said = self._messages(scope, overview)
        return {
            CANONICAL: view.to_query(),
            "controls": event_controls(view, events, list(facets.sources), list(facets.countries)),
            "headline": _waiting(overview) if waiting else top,
            "chart": chart.encode(drawn),
            "marks": listing(marks, view, self._now()),
            "filters": _filters(scope),
            "messages": messages.encode(
                page,
                empty=said or _no_messages(scope, waiting=waiting),
                following=not view.after,
                scope=view.to_query(),
            ),
            "paging": _paging(view, page) + links(view),
        }

    def _marks(self, view: View, overview: Overview) -> Marks:
        start, end = overview.start, overview.end
        found = self._service.incidents.find(event_id=view.event, start=start, end=end, limit=_MOST_INCIDENTS)
        notes = self._service.annotations.find(view.event, start, end)
        return Marks(found.items, notes, overview.basis.live_to or end)

    def _messages(self, scope: Scope, overview: Overview) -> tuple[MessagePage, str]:
        """The page of messages, and why it can't be shown."""
        view, after = scope.view, scope.view.after or None
        try:
            if view.statement:
                card = self._desk.card(scope)
                return self._service.evidence.messages(card, view.statement, limit=messages.PAGE, after=after), ""
            where = message_filter(scope, overview)
            return self._service.messages(view.event, where, limit=messages.PAGE, after=after), ""
        except NotFound:
            return MessagePage((), None), "The reasons have changed: this one is not among them any more."
        except InvalidInput as error:
            return MessagePage((), None), f"These messages can't be shown: {isolated(str(error))}."


def trouble(error: AppError) -> str:
    """A banner for what the service could not do: what it is, and what to do."""
    if isinstance(error, NotFound):
        return notice("error", "There is no such event any more.", "Choose another one above, or add it again.")
    said = f"{isolated(str(error))}. Numbers below are from before; trying again every second."
    return notice("error", "The numbers can't be read right now.", said)


def _nothing_watched() -> dict[str, str]:
    text = '<a href="./#ep-form">Add an event</a> and say what to look for.'
    nothing = messages.encode(MessagePage((), None), empty="", following=True, scope="")
    blank = dict.fromkeys(("banner", "controls", "chart", "marks", "filters", "paging", "why"), "")
    return {**blank, "headline": empty("Nothing is watched yet.", text), "messages": nothing}


def _waiting(overview: Overview) -> str:
    sources = there("sources", "Sources", event=overview.event.id)
    text = f"for “<bdi>{safe(overview.event.name)}</bdi>”. {sources} shows what each source is doing."
    return empty("Waiting for the first message", text)


def _filters(scope: Scope) -> str:
    view = scope.view
    title = "Messages in the window"
    if view.statement:
        kind, _, what = view.statement.partition(":")
        words = f'with <q dir="auto">{safe(what)}</q>' if kind == "phrase" else f"of this {isolated(kind)}"
        every = replace(view, statement="", after="").to_query()
        all_of_them = go(every, "Show all", kind="ep-quiet", name="Show all messages of the window")
        return f"<h2>Messages {words} {all_of_them}</h2>"
    if scope.stretch:
        title = f"Messages, {scope.stretch.words()}"
    fields = (
        choice("label", "Label", _LABELS, view.label, clears="after"),
        search("text", "Text contains", view.text, "battery", clears="after"),
        switch("distinct", "Distinct only", view.distinct, clears="after"),
    )
    return f'<h2>{title}</h2><div class="ep-fields ep-filters">{"".join(fields)}</div>'


def _paging(view: View, page: MessagePage) -> str:
    newest = go(replace(view, after="").to_query(), "Newest", kind="ep-button", to="#ep-right") if view.after else ""
    older = ""
    if page.next:
        older = go(replace(view, after=page.next).to_query(), "Older", kind="ep-button", to="#ep-right")
    return f'<div class="ep-paging">{newest}<span></span>{older}</div>' if newest or older else ""


def _no_messages(scope: Scope, *, waiting: bool) -> str:
    view = scope.view
    if waiting:
        return "Waiting for the first message."
    narrowed = view.label != ANY or view.text.strip() or view.distinct or view.source != ANY or view.country != ANY
    if narrowed:
        return "No message fits these filters."
    return f"No messages in this {'stretch' if scope.stretch else 'window'}. Try a longer one."
