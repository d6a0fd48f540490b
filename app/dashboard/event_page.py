"""The Event page: the chart with its incidents, why a window differs, and the messages in it."""

from __future__ import annotations

import gradio as gr

from app.dashboard.actions import Actions
from app.dashboard.headline import empty
from app.dashboard.shell import answers, opened, panel

FEED = "event"
WHY = "why"


def add_page(blocks: gr.Blocks, actions: Actions) -> None:
    """Add the page to the application, at /event."""
    with opened(blocks, "Event"):
        panel("controls", FEED, elem_id="ep-controls")
        panel("banner", FEED, elem_id="ep-banner")
        panel("headline", FEED, empty("Loading …", "Asking for the latest numbers."), elem_id="ep-top")
        panel("chart", FEED, elem_id="ep-c")
        panel("marks", FEED, elem_id="ep-marks")
        with gr.Row(elem_id="ep-columns"):
            with gr.Column(elem_id="ep-left", min_width=280):
                panel("why", WHY, "<h2>Why</h2><p class='ep-none'>Looking for reasons …</p>", every_s=10)
            with gr.Column(elem_id="ep-right", min_width=280):
                panel("filters", FEED)
                panel("messages", FEED, elem_id="ep-m")
                panel("paging", FEED)
        answers(actions)
