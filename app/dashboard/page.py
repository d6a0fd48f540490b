"""The page: its components and how they hang together. What they show is made by `screen`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import gradio as gr
from gradio.components import Navbar

from app.core.errors import AppError
from app.core.types import Label
from app.dashboard import theme
from app.dashboard.form_view import FormHandlers, FormParts, layout
from app.dashboard.headline import empty
from app.dashboard.markup import notice, safe
from app.dashboard.screen import Choices, Picture, Screen, trouble
from app.dashboard.view import ANY, LABELS, WINDOWS, View
from app.service import Service

MAIN = "Event"
"""What the navigation calls this page."""

_PANELS = ("banner", "headline", "chart", "messages", "sources", "source", "country", "older", "newest", "url")
_LABELS = [("All labels", ANY), *((label.capitalize(), label.value) for label in Label)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a session has on its screen: the state it was made from, and a digest of each panel that was sent."""

    key: tuple[View, str | None, int, int] | None = None
    sent: dict[str, str] = field(default_factory=dict)
    older: str | None = None


class Handlers:
    """What the page does. All answers list the values of `_PANELS`, then the cursor and what has been seen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def tick(self, *state: Any) -> Any:
        """Bring the screen up to date; nothing is sent while nothing has changed."""
        *controls, cursor, seen = state
        return self._answer(_view(controls), cursor, seen)

    def changed(self, *state: Any) -> Any:
        """Show what the controls say now, from the newest message on."""
        *controls, _, seen = state
        return self._answer(_view(controls), None, seen)

    def event_changed(self, *state: Any) -> Any:
        """Show another event, whose sources and countries are its own."""
        *controls, _, seen = state
        view = replace(_view(controls), source=ANY, country=ANY)
        return self._answer(view, None, replace(seen, sent={}))

    def older(self, *state: Any) -> Any:
        """Show the next page of messages."""
        *controls, cursor, seen = state
        return self._answer(_view(controls), seen.older or cursor, seen)

    def load(self, request: gr.Request) -> list[Any]:
        """Everything for a page that has just been opened: the controls, then the panels; the timer starts."""
        view = View.from_query(dict(request.query_params))
        banner = ""
        choices: Choices = []
        try:
            choices = self._screen.events()
        except AppError as error:
            banner = trouble(error)
        known = [event for _, event in choices]
        if known and view.event not in known:
            if view.event:
                said = f"“<bdi>{safe(view.event)}</bdi>” is not watched (any more). This is the newest one."
                banner = notice("stale", "Another event.", said)
            view = replace(view, event=known[0], source=ANY, country=ANY)
        elif not known:
            view = replace(view, event="")
        controls = [
            gr.update(choices=choices, value=view.event or None),
            view.window,
            view.label,
            view.text,
            view.distinct,
        ]
        answer = self._answer(view, None, Seen())
        if banner:
            answer[0] = banner
        return [*controls, *answer, gr.Timer(active=True)]

    def _answer(self, view: View, cursor: str | None, seen: Seen) -> Any:
        try:
            key = (view, cursor, self._screen.version(view), self._screen.minute())
            if key == seen.key:
                return gr.skip()
            picture = self._screen.picture(view, cursor)
        except AppError as error:
            return self._failed(trouble(error), cursor, seen)
        values = _values(picture, view, cursor)
        sent = {name: _digest(value) for name, value in values.items()}
        fresh = [value if sent[name] != seen.sent.get(name) else gr.skip() for name, value in values.items()]
        return [*fresh, cursor, Seen(key, sent, picture.older)]

    @staticmethod
    def _failed(banner: str, cursor: str | None, seen: Seen) -> Any:
        if seen.key is None and seen.sent.get("banner") == _digest(banner):
            return gr.skip()
        rest = [gr.skip()] * (len(_PANELS) - 1)
        return [banner, *rest, cursor, Seen(None, {**seen.sent, "banner": _digest(banner)}, seen.older)]


def _view(controls: Iterable[Any]) -> View:
    event, window, source, country, label, text, distinct = controls
    return View(
        event=event or "",
        window=window if window in WINDOWS else "24h",
        source=source or ANY,
        country=country or ANY,
        label=label if label in LABELS else ANY,
        text=text or "",
        distinct=bool(distinct),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()


def _values(picture: Picture, view: View, cursor: str | None) -> dict[str, Any]:
    made = (
        picture.banner,
        picture.headline,
        picture.chart,
        picture.messages,
        picture.sources,
        gr.update(choices=list(picture.source_choices) or [("All sources", ANY)], value=view.source),
        gr.update(choices=list(picture.country_choices) or [("All countries", ANY)], value=view.country),
        gr.update(interactive=picture.older is not None),
        gr.update(interactive=cursor is not None),
        view.to_query(),
    )
    return dict(zip(_PANELS, made, strict=True))


@dataclass(frozen=True, slots=True)
class _Parts:
    controls: list[Any]
    panels: list[Any]
    cursor: gr.State
    seen: gr.State
    timer: gr.Timer
    form: FormParts


def html(value: str, **options: Any) -> gr.HTML:
    """A piece of HTML that is styled by our style sheet alone."""
    return gr.HTML(value, apply_default_css=False, **options)


class Choice(gr.Dropdown):
    """A dropdown whose value is judged by the service: after a restart no session remembers what could be chosen."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """The value as the browser sent it."""
        return payload if isinstance(payload, str) else None


def _dropdown(label: str, choices: Choices, value: str | None) -> gr.Dropdown:
    return Choice(choices, value=value, label=label, min_width=90, filterable=len(choices) == 0)


def _layout() -> _Parts:
    with gr.Row(elem_id="ep-controls"):
        event = Choice([], value=None, label="Event", min_width=90, elem_id="ep-event")
        windows = [(words, window) for window, (words, _) in WINDOWS.items()]
        window = _dropdown("Window", windows, "24h")
        source = _dropdown("Source", [("All sources", ANY)], ANY)
        country = _dropdown("Country", [("All countries", ANY)], ANY)
    banner = html("", elem_id="ep-banner")
    headline = html(empty("Loading …", "Asking for the latest numbers."), elem_id="ep-top")
    chart = html("", html_template='<div class="ep-chart"></div>', js_on_load=theme.script("chart.js"), elem_id="ep-c")
    with gr.Row(elem_id="ep-columns"):
        with gr.Column(elem_id="ep-left", min_width=280):
            html("<h2>Messages</h2>")
            with gr.Row(elem_id="ep-filters"):
                label = _dropdown("Label", _LABELS, ANY)
                text = gr.Textbox(label="Text contains", placeholder="battery", max_length=200, min_width=120)
                distinct = gr.Checkbox(label="Distinct only", elem_id="ep-distinct", min_width=90)
            cards = html(
                "", html_template='<div class="ep-list"></div>', js_on_load=theme.script("messages.js"), elem_id="ep-m"
            )
            with gr.Row(elem_id="ep-paging"):
                newest = gr.Button("Newest", interactive=False, min_width=90, elem_id="ep-newest")
                older = gr.Button("Older", interactive=False, min_width=90, elem_id="ep-older")
        with gr.Column(elem_id="ep-right", min_width=280):
            html("<h2>Sources</h2>")
            sources = html("", elem_id="ep-s")
            with gr.Accordion("Add or edit an event", open=False, elem_id="ep-form"):
                form = layout()
    url = gr.Textbox(visible="hidden", label="Address", elem_id="ep-url")
    return _Parts(
        [event, window, source, country, label, text, distinct],
        [banner, headline, chart, cards, sources, source, country, older, newest, url],
        gr.State(None),
        gr.State(Seen()),
        gr.Timer(1.0, active=False),
        form,
    )


def _wire(page: gr.Blocks, parts: _Parts, handlers: Handlers) -> None:
    event, window, source, country, label, text, distinct = parts.controls
    newest, older, url = parts.panels[8], parts.panels[7], parts.panels[9]
    inputs = [*parts.controls, parts.cursor, parts.seen]
    outputs = [*parts.panels, parts.cursor, parts.seen]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
    page.load(handlers.load, None, [event, window, label, text, distinct, *outputs, parts.timer], **quiet)
    parts.timer.tick(handlers.tick, inputs, outputs, **quiet)
    event.input(handlers.event_changed, inputs, outputs, **quiet)
    gr.on(
        [window.input, source.input, country.input, label.input, text.input, distinct.input, newest.click],
        handlers.changed,
        inputs,
        outputs,
        trigger_mode="always_last",
        **quiet,
    )
    older.click(handlers.older, inputs, outputs, **quiet)
    url.change(None, [url], None, js=theme.script("address.js"), api_visibility="private")


def _wire_form(parts: _Parts, handlers: Handlers, actions: FormHandlers) -> None:
    form, event = parts.form, parts.controls[0]
    query, languages = form.fields[1], form.fields[2]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
    gr.on(
        [query.input, languages.input],
        actions.check,
        [query, languages],
        form.check,
        trigger_mode="always_last",
        **quiet,
    )
    gr.on([part.input for part in form.fields], None, None, form.answer, js="() => ''", api_visibility="private")
    form.mode.input(actions.fill, [form.mode, event], [*form.fields, form.check, form.answer], **quiet)
    saved = form.save.click(actions.save, [form.mode, event, *form.fields], [form.answer, event], **quiet)
    inputs = [*parts.controls, parts.cursor, parts.seen]
    saved.then(handlers.event_changed, inputs, [*parts.panels, parts.cursor, parts.seen], **quiet)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build(service: Service, now: Callable[[], datetime] = _utc_now) -> gr.Blocks:
    """The page of a service. `now` is the clock, in UTC."""
    handlers = Handlers(Screen(service, now))
    page: gr.Blocks
    with gr.Blocks(analytics_enabled=False, title="EventPulse", fill_width=True) as page:
        Navbar(main_page_name=MAIN)
        parts = _layout()
        _wire(page, parts, handlers)
        _wire_form(parts, handlers, FormHandlers(service))
    return page
