"""The Compare page: events, periods, countries and sources next to each other, and before and after a moment."""

from __future__ import annotations

import gradio as gr

from app.dashboard.headline import empty
from app.dashboard.shell import opened, panel

FEED = "compare"
_EVERY_S = 5.0  # a comparison takes longer to make than the other pages


def add_page(blocks: gr.Blocks) -> None:
    """Add the page to the application, at /compare."""
    with opened(blocks, "Compare"):
        panel("controls", FEED, elem_id="ep-compare", every_s=_EVERY_S)
        panel("banner", FEED, elem_id="ep-banner")
        panel("said", FEED, empty("Loading …", "Asking for the latest numbers."))
        panel("compared", FEED)
        panel("steps", FEED)
        panel("warnings", FEED)
        panel("voice", FEED)
        panel("numbers", FEED)
        panel("take", FEED)
