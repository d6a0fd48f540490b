"""What an analyst takes along from a page: the report and the tables behind it. The query is that of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app.core.errors import AppError, NotFound
from app.dashboard.markup import safe
from app.dashboard.scope import Scope, Scopes, message_filter
from app.dashboard.view import View
from app.service import Service
from app.services.exports import File, Format, every_message, messages_table, table_file, timeline_table
from app.views import Overview

REPORT: Final = "report.html"
_MOST_MESSAGES: Final = 10_000


def links(view: View) -> str:
    """The line of links below the messages, as HTML. They open or save what the view shows."""
    query = safe(view.to_query())

    def link(file: str, words: str) -> str:
        return f'<a class="ep-quiet" href="{file}?{query}" target="_blank" rel="noopener">{words}</a>'

    tables = " · ".join(
        f"{words} {link(f'{name}.csv', 'CSV')} {link(f'{name}.parquet', 'Parquet')}"
        for name, words in (("timeline", "Counts"), ("messages", "Messages"))
    )
    return f'<p class="ep-note ep-take">{link(REPORT, "Report to print")} · {tables}</p>'


def downloads(service: Service, scopes: Scopes) -> APIRouter:
    """The routes that the links lead to, beside the pages."""
    router = APIRouter()

    def offered(name: str, make: Callable[[Scope, Overview], File]) -> None:
        def answer(request: Request) -> Response:
            return _sent(scopes, dict(request.query_params), make)

        router.add_api_route(f"/{name}", answer, response_class=Response)

    def report(scope: Scope, overview: Overview) -> File:
        if scope.stretch and scope.stretch.incident:
            return service.reports.incident(scope.view.event, scope.stretch.incident.number)
        return service.reports.event(scope.view.event, scope.within)

    def counts(form: Format) -> Callable[[Scope, Overview], File]:
        def make(scope: Scope, overview: Overview) -> File:
            table = timeline_table(service.timeline(scope.view.event, scope.selection))
            return table_file(table, form, f"{scope.view.event}-timeline")

        return make

    def messages(form: Format) -> Callable[[Scope, Overview], File]:
        def make(scope: Scope, overview: Overview) -> File:
            where = message_filter(scope, overview)
            found = every_message(
                lambda limit, after: service.messages(scope.view.event, where, limit=limit, after=after),
                _MOST_MESSAGES,
            )
            return table_file(messages_table(found), form, f"{scope.view.event}-messages")

        return make

    offered(REPORT, report)
    for form in Format:
        offered(f"timeline.{form}", counts(form))
        offered(f"messages.{form}", messages(form))
    return router


def _sent(scopes: Scopes, query: Mapping[str, str], make: Callable[[Scope, Overview], File]) -> Response:
    try:
        file = make(*scopes.of(View.from_query(query)))
    except AppError as error:
        return PlainTextResponse(f"{error}.", 404 if isinstance(error, NotFound) else 503)
    return Response(file.content, media_type=file.media_type, headers=file.headers)
