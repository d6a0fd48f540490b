"""How it looks: the Gradio theme, and the files the browser gets. Nothing comes from outside."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import gradio as gr

ASSETS = Path(str(files("app.dashboard") / "assets"))
PLOTLY = Path(str(files("plotly") / "package_data" / "plotly.min.js"))
STATIC = "dashboard-static"
SCRIPTS = ("live.js", "page.js", "chart.js", "cards.js", "compare.js", "feedback.js")
"""The page's own scripts, in the order in which they are loaded."""
STYLES = ("dashboard.css", "feedback.css", "map.css")

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def head() -> str:
    """What goes into the head of the page: the chart library and the page's own files, all from this server."""
    scripts = [f"plotly.min.js?v={version('plotly')}", *SCRIPTS]
    return (
        "".join(f'<script src="{STATIC}/{name}" defer></script>' for name in scripts)
        + "".join(f'<link rel="stylesheet" href="{STATIC}/{name}">' for name in STYLES)
        + '<meta name="color-scheme" content="light dark">'
    )


def theme() -> gr.themes.Base:
    """A calm theme with one accent colour and the fonts that the reader's system has."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo, neutral_hue=gr.themes.colors.gray, font=_SANS, font_mono=_MONO
    )
    return base.set(
        body_background_fill="#f7f7f8",
        body_background_fill_dark="#101317",
        body_text_color="#1b1f24",
        body_text_color_dark="#e8eaed",
        body_text_color_subdued="#57606a",
        body_text_color_subdued_dark="#a3abb5",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_text_color="#57606a",
        block_label_text_color_dark="#a3abb5",
        block_title_text_color="#57606a",
        block_title_text_color_dark="#a3abb5",
        block_title_text_size="13px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#191d23",
        input_border_color="#8b929c",
        input_border_color_dark="#5d6672",
        input_border_width="1px",
        input_border_color_focus="#4338ca",
        input_border_color_focus_dark="#a5b4fc",
        input_placeholder_color="#6b7280",
        input_placeholder_color_dark="#98a1ac",
        button_primary_background_fill="#4338ca",
        button_primary_background_fill_hover="#3730a3",
        button_primary_background_fill_dark="#4f46e5",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#191d23",
        button_secondary_border_color="#8b929c",
        button_secondary_border_color_dark="#5d6672",
        button_secondary_text_color="#1b1f24",
        button_secondary_text_color_dark="#e8eaed",
    )
