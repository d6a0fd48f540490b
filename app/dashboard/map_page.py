"""The Map page: where the reaction comes from, and where it differs."""

from __future__ import annotations

import gradio as gr

from app.dashboard.headline import empty
from app.dashboard.shell import opened, panel

FEED = "map"


def add_page(blocks: gr.Blocks) -> None:
    """Add the page to the application, at /map."""
    with opened(blocks, "Map"):
        panel("controls", FEED, elem_id="ep-controls", every_s=2)
        panel("banner", FEED, elem_id="ep-banner")
        panel("sentence", FEED, empty("Loading …", "Asking for the latest numbers."), elem_id="ep-top")
        panel("outlines", FEED, elem_id="ep-outlines")
        with gr.Row(elem_id="ep-geography"):
            with gr.Column(min_width=280):
                panel("map", FEED)
            with gr.Column(min_width=280):
                panel("countries", FEED, elem_id="ep-countries")
        panel("publishers", FEED, elem_id="ep-publishers")
        panel("take", FEED)
