"""What an analyst takes along from a page: the report and the tables behind it. The query is that of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app.core.errors import AppError, InvalidInput, NotFound
from app.dashboard import incident_list
from app.dashboard.compare_view import CompareView
from app.dashboard.live import Query
from app.dashboard.markup import safe
from app.dashboard.scope import Scopes, message_filter
from app.dashboard.view import View
from app.service import Service
from app.services.comparison import Comparison
from app.services.comparison_tables import sides_table, steps_table
from app.services.exports import (
    File,
    Format,
    every_message,
    geography_table,
    incidents_table,
    messages_table,
    table_file,
    timeline_table,
)
from app.services.incident_views import IncidentView

REPORT: Final = "report.html"
COMPARISON_REPORT: Final = "comparison.html"
_MOST_MESSAGES: Final = 10_000
_PAGE: Final = 500


def links(view: View) -> str:
    """The line of links below the messages, as HTML. They open or save what the view shows."""
    return _links(view.to_query(), REPORT, (("timeline", "Counts"), ("messages", "Messages")))


def report_link(view: View) -> str:
    """The way to the report of what a view shows."""
    query = safe(view.to_query())
    return f'<a href="{REPORT}?{query}" target="_blank" rel="noopener">Report to print</a>'


def comparison_links(view: CompareView) -> str:
    """The line of links below a comparison."""
    return _links(view.to_query(), COMPARISON_REPORT, (("comparison", "Sides"), ("comparison-steps", "Steps")))


def geography_links(view: View) -> str:
    """The line of links below the countries."""
    return _links(view.to_query(), "", (("countries", "Countries"),))


def incident_links(query: str) -> str:
    """The line of links below the list of incidents; `query` is that of its page."""
    return _links(query, "", (("incidents", "List"),))


def _links(query: str, report: str, tables: Sequence[tuple[str, str]]) -> str:
    def link(file: str, words: str, name: str = "") -> str:
        label = f' aria-label="{safe(name)}"' if name else ""
        return f'<a class="ep-quiet" href="{file}?{safe(query)}" target="_blank" rel="noopener"{label}>{words}</a>'

    parts = [link(report, "Report to print")] if report else []
    for name, words in tables:
        csv = link(f"{name}.csv", "CSV", f"{words} as CSV")
        parquet = link(f"{name}.parquet", "Parquet", f"{words} as Parquet")
        parts.append(f"{words} {csv} {parquet}")
    return f'<p class="ep-note ep-take">{" · ".join(parts)}</p>'


def downloads(service: Service, scopes: Scopes) -> APIRouter:
    """The routes that the links lead to, beside the pages."""
    router = APIRouter()
    made = _Files(service, scopes)
    routes: dict[str, Callable[[Query], File]] = {REPORT: made.report, COMPARISON_REPORT: made.comparison_report}
    for form in Format:
        routes[f"timeline.{form}"] = partial(made.counts, form)
        routes[f"messages.{form}"] = partial(made.messages, form)
        routes[f"comparison.{form}"] = partial(made.sides, form)
        routes[f"comparison-steps.{form}"] = partial(made.steps, form)
        routes[f"countries.{form}"] = partial(made.countries, form)
        routes[f"incidents.{form}"] = partial(made.incidents, form)
    for name, make in routes.items():
        router.add_api_route(f"/{name}", _answer(make), response_class=Response)
    return router


def _answer(make: Callable[[Query], File]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            file = make(dict(request.query_params))
        except AppError as error:
            status = 404 if isinstance(error, NotFound) else 422 if isinstance(error, InvalidInput) else 503
            return PlainTextResponse(f"{error}.", status)
        return Response(file.content, media_type=file.media_type, headers=file.headers)

    return answer


class _Files:
    """Makes the files of the queries of pages. All raise AppError."""

    def __init__(self, service: Service, scopes: Scopes) -> None:
        self._service = service
        self._scopes = scopes

    def report(self, query: Query) -> File:
        """Of the window, the stretch that is selected, or the incident."""
        scope, _ = self._scopes.of(View.from_query(query))
        if scope.stretch and scope.stretch.incident:
            return self._service.reports.incident(scope.view.event, scope.stretch.incident.number)
        return self._service.reports.event(scope.view.event, scope.within)

    def counts(self, form: Format, query: Query) -> File:
        """The steps of the chart."""
        scope, _ = self._scopes.of(View.from_query(query))
        table = timeline_table(self._service.timeline(scope.view.event, scope.selection))
        return table_file(table, form, f"{scope.view.event}-timeline")

    def messages(self, form: Format, query: Query) -> File:
        """The messages that fit the filters."""
        scope, overview = self._scopes.of(View.from_query(query))
        where = message_filter(scope, overview)
        found = every_message(
            lambda limit, after: self._service.messages(scope.view.event, where, limit=limit, after=after),
            _MOST_MESSAGES,
        )
        return table_file(messages_table(found), form, f"{scope.view.event}-messages")

    def countries(self, form: Format, query: Query) -> File:
        """The countries of authors and publishers."""
        scope = self._scopes.stretch(View.from_query(query))
        found = self._service.geography.of(scope.view.event, scope.within)
        return table_file(geography_table(found), form, f"{scope.view.event}-countries")

    def incidents(self, form: Format, query: Query) -> File:
        """The list of incidents, all of it."""
        found: list[IncidentView] = []
        after: str | None = None
        while True:
            page = incident_list.find(self._service, query, limit=_PAGE, after=after)
            found += page.items
            after = page.next
            if after is None:
                return table_file(incidents_table(found), form, "incidents")

    def comparison_report(self, query: Query) -> File:
        """Of the sides, or of before and after a moment."""
        view = CompareView.from_query(query)
        if view.is_around:
            return self._service.comparison_reports.around(view.event, view.around())
        return self._service.comparison_reports.sides(view.draft())

    def sides(self, form: Format, query: Query) -> File:
        """The sides of a comparison."""
        return table_file(sides_table(self._compared(query)), form, "comparison")

    def steps(self, form: Format, query: Query) -> File:
        """The points of the chart of a comparison."""
        return table_file(steps_table(self._compared(query)), form, "comparison-steps")

    def _compared(self, query: Query) -> Comparison:
        view = CompareView.from_query(query)
        if view.is_around:
            return self._service.before_after.around(view.event, view.around()).comparison
        return self._service.comparisons.compare(view.draft())
