"""The dashboard as a web application."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import FileResponse

from app.dashboard import (
    compare_page,
    event_actions,
    event_page,
    feedback_actions,
    feedback_page,
    incident_actions,
    incidents_page,
    map_page,
    model_arms,
    models,
    overview_page,
    sources_page,
)
from app.dashboard.actions import Actions
from app.dashboard.compare_feed import CompareFeed
from app.dashboard.downloads import downloads
from app.dashboard.event_feed import EventFeed
from app.dashboard.feedback_feed import FeedbackFeed
from app.dashboard.incidents_feed import IncidentsFeed
from app.dashboard.live import Live
from app.dashboard.map_feed import MapFeed
from app.dashboard.overview_feed import OverviewFeed
from app.dashboard.scope import Scopes
from app.dashboard.shell import TITLE
from app.dashboard.sources_feed import SourcesFeed
from app.dashboard.theme import ASSETS, PLOTLY, SCRIPTS, STATIC, STYLES, head, theme
from app.dashboard.why import Desk, WhyFeed
from app.service import Service
from app.settings import Settings

# Between two looks of Gradio at its empty queue. On Linux it looks a thousand times a second, which takes 5 % of a core
# from all else for as long as the dashboard is up; this is what it takes on Windows.
_QUEUE_PAUSE_S: Final = 0.05
_MEDIA: Final = {".js": "text/javascript", ".css": "text/css"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _asset(name: str) -> Callable[[], FileResponse]:
    media = _MEDIA[(ASSETS / name).suffix]

    def answer() -> FileResponse:
        return FileResponse(ASSETS / name, media_type=media, headers={"Cache-Control": "no-cache"})

    return answer


def feeds(service: Service, now: Callable[[], datetime]) -> Live:
    """The panels of all pages. `now` is the clock, in UTC."""
    scopes, desk = Scopes(service, now), Desk(service, now)
    return Live(
        {
            overview_page.FEED: OverviewFeed(service, now),
            event_page.FEED: EventFeed(service, desk, scopes, now),
            event_page.WHY: WhyFeed(service, desk, scopes),
            map_page.FEED: MapFeed(service, scopes, now),
            compare_page.FEED: CompareFeed(service, now),
            incidents_page.FEED: IncidentsFeed(service, now),
            incidents_page.WHY: WhyFeed(service, desk, scopes, incidents_only=True),
            feedback_page.FEED: FeedbackFeed(service),
            sources_page.FEED: SourcesFeed(service, now),
        },
        urgent=service.incidents.alarms,
    )


def pages(service: Service, settings: Settings, now: Callable[[], datetime]) -> gr.Blocks:
    """The pages, in the order of the navigation. `now` is the clock, in UTC."""
    actions = Actions(
        {
            **event_actions.actions(service),
            **incident_actions.actions(service, now),
            **feedback_actions.actions(service),
        }
    )
    blocks: gr.Blocks = gr.Blocks(analytics_enabled=False, title=TITLE, fill_width=True)
    overview_page.add_page(blocks, service)
    event_page.add_page(blocks, actions)
    map_page.add_page(blocks)
    compare_page.add_page(blocks)
    incidents_page.add_page(blocks, actions)
    feedback_page.add_page(blocks, service)
    told = models.Models(settings.model_dir, settings.state_dir, partial(model_arms.arms, service))
    models.add_page(blocks, told)
    sources_page.add_page(blocks)
    blocks._queue.sleep_when_free = _QUEUE_PAUSE_S
    return blocks


def dashboard_app(
    service: Service, now: Callable[[], datetime] = _utc_now, settings: Settings | None = None
) -> FastAPI:
    """The pages and their static files as one application, to be served at any prefix; it asks nothing from outside.

    `settings` name the folders of the model and of the state; by default they are those of the environment.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(f"/{STATIC}/plotly.min.js")
    def plotly() -> FileResponse:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=604800"})

    for name in (*SCRIPTS, *STYLES):
        app.add_api_route(f"/{STATIC}/{name}", _asset(name), response_class=FileResponse)
    app.include_router(feeds(service, now).router())
    app.include_router(downloads(service, Scopes(service, now)))

    with warnings.catch_warnings():
        # Said of any application with several pages, also where rendering on the server is off.
        warnings.filterwarnings("ignore", "SSR mode is not supported", UserWarning)
        mounted: FastAPI = gr.mount_gradio_app(
            app,
            pages(service, settings or Settings(), now),
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            theme=theme(),
            head=head(),
        )
    return mounted
