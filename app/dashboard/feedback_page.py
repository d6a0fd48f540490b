"""The Feedback page: one message at a time, judged with a key, and what all the labels say.

The messages are shown by `assets/feedback.js`, which sets them as text. What is judged from other pages goes through
`app.dashboard.feedback_actions`.
"""

from __future__ import annotations

import gradio as gr

from app.dashboard.feedback_actions import functions
from app.dashboard.shell import html, opened, panel
from app.service import Service

FEED = "feedback"


def add_page(blocks: gr.Blocks, service: Service) -> None:
    """Add the page to the application, at /feedback."""
    with opened(blocks, "Feedback"):
        panel("controls", FEED, elem_id="ep-controls")
        panel("banner", FEED, elem_id="ep-banner")
        with gr.Row(elem_id="ep-judging"):
            with gr.Column(min_width=280):
                panel("judging", FEED, '<p class="ep-none">Looking for messages …</p>', elem_id="ep-j")
            with gr.Column(min_width=280):
                panel("labels", FEED, elem_id="ep-labels")
        html("", js_on_load="(window.ep ??= {}).judge = server;", server_functions=functions(service))
