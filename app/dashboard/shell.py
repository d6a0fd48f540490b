"""What all pages have in common: the way between them, and the panels that the page's script keeps up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import gradio as gr
from gradio.components import Navbar

from app.dashboard.actions import Actions
from app.dashboard.markup import safe

TITLE: Final = "EventPulse"
PAGES: Final = (
    ("Overview", ""),
    ("Event", "event"),
    ("Map", "map"),
    ("Compare", "compare"),
    ("Incidents", "incidents"),
    ("Feedback", "feedback"),
    ("Models", "models"),
    ("Sources", "sources"),
)
"""What the navigation calls the pages, and where they are."""


def html(value: str, **options: Any) -> gr.HTML:
    """A piece of HTML that is styled by our style sheet alone."""
    return gr.HTML(value, **{"apply_default_css": False, "js_on_load": None, **options})


def panel(name: str, feed: str, waiting: str = "", *, every_s: float = 1.0, **options: Any) -> gr.HTML:
    """A place that the page's script fills with the panel of that name from a feed; `waiting` is HTML until then.

    `every_s` is how often the feed is asked; that of its first panel on the page counts.
    """
    marks = f'data-panel="{safe(name)}" data-feed="{safe(feed)}" data-every="{1000 * every_s:.0f}"'
    place = f'<div class="ep-panel" {marks} aria-busy="true">{waiting}</div>'
    return html("", html_template=place, **options)


def navigation(current: str) -> str:
    """The head of a page: the skip link, the pages with `current` marked, and how the connection is doing."""
    links = "".join(
        f'<li><a href="{path or "./"}" data-carry{" aria-current=page" if name == current else ""}>{name}</a></li>'
        for name, path in PAGES
    )
    return (
        '<a class="ep-skip" href="#ep-main">Skip to content</a>'
        f'<div class="ep-head"><a class="ep-brand" href="./" data-carry>{TITLE}</a>'
        f'<button type="button" class="ep-menu" aria-expanded="false" aria-controls="ep-pages">{safe(current)}</button>'
        f'<nav id="ep-pages" aria-label="Pages"><ul>{links}</ul></nav>'
        '<p class="ep-link" role="status" data-connection></p></div>'
    )


@contextmanager
def opened(blocks: gr.Blocks, name: str) -> Iterator[None]:
    """Draw the page of that name, one of `PAGES`; the first of them is the front page."""
    path = dict(PAGES)[name]
    with blocks.route(name, f"/{path}") if path else blocks:
        Navbar(visible=False)
        html(navigation(name), elem_id="ep-head")
        html('<div id="ep-main" tabindex="-1"></div>', elem_id="ep-anchor")
        yield


def answers(actions: Actions) -> gr.HTML:
    """What lets the page's script perform actions; goes onto each page that has any."""

    def act(request: Any) -> dict[str, Any]:  # Gradio marks a function as one that may be called; a method it cannot
        return actions.act(request)

    return html("", js_on_load="(window.ep ??= {}).server = server;", server_functions=[act], elem_id="ep-server")
