"""The Sources page: what is read, how far, at what cost, what could not be used, and how to connect more."""

from __future__ import annotations

import gradio as gr

from app.dashboard.headline import empty
from app.dashboard.shell import opened, panel

FEED = "sources"


def add_page(blocks: gr.Blocks) -> None:
    """Add the page to the application, at /sources."""
    with opened(blocks, "Sources"):
        panel("controls", FEED, elem_id="ep-controls")
        panel("banner", FEED, elem_id="ep-banner")
        panel("sources", FEED, empty("Loading …", "Asking how the sources are doing."))
        panel("dead", FEED)
        panel("connect", FEED)
