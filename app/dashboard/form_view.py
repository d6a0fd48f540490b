"""The form that adds or edits an event, as components."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import gradio as gr

from app.core.errors import AppError, InvalidInput
from app.dashboard.event_form import Fields, codes, refusal, report
from app.dashboard.markup import notice, safe
from app.service import Service

NEW = "Add a new event"
EDIT = "Change an event"
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}


class Choice(gr.Dropdown):
    """A dropdown whose value is judged by the service: after a restart no session remembers what could be chosen."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """The value as the browser sent it."""
        return payload if isinstance(payload, str) else None


def add_form(blocks: gr.Blocks, handlers: FormHandlers) -> None:
    """Draw the form into the page that is being drawn, and make it work."""
    with gr.Accordion("Add or change an event", open=False, elem_id="ep-form") as whole:
        mode = gr.Radio([NEW, EDIT], value=NEW, label="What to do", elem_id="ep-mode")
        event = Choice([], value=None, label="Event", visible=False)
        name = gr.Textbox(label="Name", placeholder="Apple Vision Pro launch", max_length=120)
        query = gr.Textbox(
            label="Query",
            lines=2,
            max_length=4096,
            placeholder='"Vision Pro" OR #VisionPro -giveaway',
            elem_id="ep-query",
        )
        check = gr.HTML(report_nothing(), apply_default_css=False, elem_id="ep-check")
        with gr.Row(elem_classes="ep-pair"):
            languages = gr.Textbox(label="Languages (two letters; empty is any)", placeholder="en, de", min_width=140)
            countries = gr.Textbox(label="Countries (two letters; empty is any)", placeholder="US, GB", min_width=140)
        with gr.Row(elem_classes="ep-pair"):
            start = gr.Textbox(label="Start, UTC (empty is open)", placeholder="2026-11-23 14:00", min_width=140)
            end = gr.Textbox(label="End, UTC (empty is open)", placeholder="2026-11-30 14:00", min_width=140)
        budget = gr.Textbox(label="Read budget: posts from billed sources (empty is the default)", placeholder="5000")
        answer = gr.HTML(elem_id="ep-answer", apply_default_css=False)
        save = gr.Button("Save", variant="primary", elem_id="ep-save")
    fields = [name, query, languages, countries, start, end, budget]
    filled = [event, *fields, check, answer]
    blocks.load(handlers.load, None, [whole, mode, *filled], **_QUIET)
    typed = [query.input, languages.input]
    gr.on(typed, handlers.check, [query, languages], check, trigger_mode="always_last", **_QUIET)
    gr.on([part.input for part in fields], None, None, answer, js="() => ''", api_visibility="private")
    gr.on([mode.input, event.input], handlers.fill, [mode, event], filled, **_QUIET)
    save.click(handlers.save, [mode, event, *fields], [answer, event], **_QUIET)


def report_nothing() -> str:
    """The report on a query that is still empty."""
    return '<p class="ep-none">Write a query to see what each source would be asked.</p>'


class FormHandlers:
    """What the form does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def load(self, request: gr.Request) -> list[Any]:
        """The form on a page that has just been opened: whether it is open, what it does, its parts.

        It is open where there is no event yet, and with `edit=1` in the URL, which changes the event named there.
        """
        wanted = dict(request.query_params)
        mode = EDIT if wanted.get("edit") == "1" else NEW
        filled = self.fill(mode, wanted.get("event"))
        is_open = mode == EDIT or not filled[0]["choices"]
        return [gr.update(open=is_open), mode, *filled]

    def check(self, query: str, languages: str) -> str:
        """The report on the query as it is being written."""
        text = query or ""
        if not text.strip():
            return report_nothing()
        return report(self._service.check_query(text, codes(languages or "")), text)

    def fill(self, mode: str, event_id: str | None) -> list[Any]:
        """The list of events, the fields, the report and the answer for a choice of what to do."""
        fields, answer = Fields(), ""
        choices: list[tuple[str, str]] = []
        try:
            choices = self._choices()
            if mode == EDIT:
                known = [event for _, event in choices]
                if not known:
                    raise InvalidInput("there is no event yet: add one")
                event_id = event_id if event_id in known else known[0]
                fields = Fields.of(self._service.event(event_id))
        except AppError as error:
            answer = notice("error", "Nothing to change.", safe(str(error)))
        shown = gr.update(choices=choices, value=event_id if mode == EDIT else None, visible=mode == EDIT)
        return [shown, *astuple(fields), self.check(fields.query, fields.languages), answer]

    def save(self, mode: str, event_id: str | None, *values: str) -> tuple[str, Any]:
        """Save the event: the answer for the user, and the list of events with this one selected."""
        try:
            draft = Fields(*(value or "" for value in values)).draft()
            if mode == EDIT:
                if not event_id:
                    raise InvalidInput("choose the event to change")
                event = self._service.update_event(event_id, draft)
            else:
                event = self._service.create_event(draft)
            choices = self._choices()
        except InvalidInput as error:
            return refusal(error), gr.skip()
        except AppError as error:
            return notice("error", "Not saved.", f"{safe(str(error))}. Try again."), gr.skip()
        done = "Reading starts within a few seconds." if mode == NEW else "Its messages are kept."
        return notice("calm", f"Saved “{event.name}”.", done), gr.update(choices=choices, value=event.id)

    def _choices(self) -> list[tuple[str, str]]:
        return [(summary.event.name, summary.event.id) for summary in self._service.events()]
