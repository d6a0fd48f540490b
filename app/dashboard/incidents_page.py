"""The Incidents page: what stood out, what it rests on, what people made of it, and who is told."""

from __future__ import annotations

import gradio as gr

from app.dashboard.actions import Actions
from app.dashboard.headline import empty
from app.dashboard.shell import answers, opened, panel

FEED = "incidents"
WHY = "incident-why"


def add_page(blocks: gr.Blocks, actions: Actions) -> None:
    """Add the page to the application, at /incidents."""
    with opened(blocks, "Incidents"):
        panel("controls", FEED, elem_id="ep-controls")
        panel("banner", FEED, elem_id="ep-banner")
        with gr.Row(elem_id="ep-columns"):
            with gr.Column(elem_id="ep-left", min_width=280):
                panel("incidents", FEED, empty("Loading …", "Asking for the incidents."))
            with gr.Column(elem_id="ep-right", min_width=280):
                panel("detail", FEED, elem_id="ep-detail")
                panel("why", WHY, every_s=10)
        with gr.Row(elem_classes="ep-pairs"):
            with gr.Column(min_width=280):
                panel("rule", FEED)
            with gr.Column(min_width=280):
                panel("channels", FEED)
                panel("insight", FEED)
        answers(actions)
