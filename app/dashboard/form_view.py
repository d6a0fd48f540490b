"""The form that adds or edits an event, as components."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import gradio as gr

from app.core.errors import AppError, InvalidInput
from app.dashboard.event_form import Fields, codes, refusal, report
from app.dashboard.markup import notice, safe
from app.service import Service

NEW = "Add a new event"
EDIT = "Change the selected event"


@dataclass(frozen=True, slots=True)
class FormParts:
    """The components of the form."""

    mode: gr.Radio
    fields: list[gr.Textbox]
    check: gr.HTML
    save: gr.Button
    answer: gr.HTML


def layout() -> FormParts:
    """Draw the form into the open Blocks."""
    mode = gr.Radio([NEW, EDIT], value=NEW, label="What to do", elem_id="ep-mode")
    name = gr.Textbox(label="Name", placeholder="Apple Vision Pro launch", max_length=120)
    query = gr.Textbox(
        label="Query", lines=2, max_length=4096, placeholder='"Vision Pro" OR #VisionPro -giveaway', elem_id="ep-query"
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
    return FormParts(mode, [name, query, languages, countries, start, end, budget], check, save, answer)


def report_nothing() -> str:
    """The report on a query that is still empty."""
    return '<p class="ep-none">Write a query to see what each source would be asked.</p>'


class FormHandlers:
    """What the form does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def check(self, query: str, languages: str) -> str:
        """The report on the query as it is being written."""
        text = query or ""
        if not text.strip():
            return report_nothing()
        return report(self._service.check_query(text, codes(languages or "")), text)

    def fill(self, mode: str, event_id: str | None) -> list[str]:
        """The fields, the report and the answer for a choice of what to do."""
        fields, answer = Fields(), ""
        if mode == EDIT:
            try:
                if not event_id:
                    raise InvalidInput("no event is selected above")
                fields = Fields.of(self._service.event(event_id))
            except AppError as error:
                answer = notice("error", "Nothing to change.", safe(str(error)))
        return [*astuple(fields), self.check(fields.query, fields.languages), answer]

    def save(self, mode: str, event_id: str | None, *values: str) -> tuple[str, Any]:
        """Save the event: the answer for the user, and the list of events with this one selected."""
        try:
            draft = Fields(*(value or "" for value in values)).draft()
            if mode == EDIT:
                if not event_id:
                    raise InvalidInput("no event is selected above")
                event = self._service.update_event(event_id, draft)
            else:
                event = self._service.create_event(draft)
            choices = [(summary.event.name, summary.event.id) for summary in self._service.events()]
        except InvalidInput as error:
            return refusal(error), gr.skip()
        except AppError as error:
            return notice("error", "Not saved.", f"{safe(str(error))}. Try again."), gr.skip()
        done = "Reading starts within a few seconds." if mode == NEW else "Its messages are kept."
        return notice("calm", f"Saved “{event.name}”.", done), gr.update(choices=choices, value=event.id)
