"""The dashboard as a web application."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import FileResponse

from app.dashboard.models import Models, add_page
from app.dashboard.page import build
from app.dashboard.theme import ASSETS, PLOTLY, STATIC, head, theme
from app.service import Service
from app.settings import Settings


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _asset(name: str, media: str) -> Callable[[], FileResponse]:
    def answer() -> FileResponse:
        return FileResponse(ASSETS / name, media_type=media, headers={"Cache-Control": "no-cache"})

    return answer


def dashboard_app(
    service: Service, now: Callable[[], datetime] = _utc_now, settings: Settings | None = None
) -> FastAPI:
    """The pages and their static files as one application, to be served at any prefix; it asks nothing from outside.

    `settings` name the folders of the model and of the state; by default they are those of the environment.
    """
    chosen = settings or Settings()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(f"/{STATIC}/plotly.min.js")
    def plotly() -> FileResponse:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=604800"})

    for name, media in (("page.js", "text/javascript"), ("dashboard.css", "text/css")):
        app.add_api_route(f"/{STATIC}/{name}", _asset(name, media), response_class=FileResponse)

    pages = build(service, now)
    add_page(pages, Models(chosen.model_dir, chosen.state_dir))
    with warnings.catch_warnings():
        # Said of any application with several pages, also where rendering on the server is off.
        warnings.filterwarnings("ignore", "SSR mode is not supported", UserWarning)
        mounted: FastAPI = gr.mount_gradio_app(
            app,
            pages,
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            theme=theme(),
            head=head(),
        )
    return mounted
