"""The Overview page, the front one: is anything wrong now? And the form that adds an event."""

from __future__ import annotations

import gradio as gr

from app.dashboard.form_view import FormHandlers, add_form
from app.dashboard.headline import empty
from app.dashboard.shell import opened, panel
from app.service import Service

FEED = "overview"


def add_page(blocks: gr.Blocks, service: Service) -> None:
    """Add the page to the application, at /."""
    with opened(blocks, "Overview"):
        panel("banner", FEED, elem_id="ep-banner")
        panel("events", FEED, empty("Loading …", "Asking for the latest numbers."), elem_id="ep-events")
        add_form(blocks, FormHandlers(service))
