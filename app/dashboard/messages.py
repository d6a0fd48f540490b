"""Message cards. A message is hostile input: it is shown as text and nothing else."""

from __future__ import annotations

import json

from app.adapters.records import MessagePage, StoredMessage
from app.core.feedback import HumanLabel
from app.core.types import Label
from app.dashboard.feedback_words import VERDICTS
from app.dashboard.markup import clock, figure, isolated, safe
from app.dashboard.view import country_name, source_name
from app.services.words import percent

PAGE = 20
"""Messages on a page."""

_LONGEST = 1_500
_WORDS = {Label.NEGATIVE: "Negative", Label.NEUTRAL: "Neutral", Label.POSITIVE: "Positive"}


def _by_people(label: HumanLabel, item: StoredMessage) -> str:
    """What people make of it; the counts stay the model's, and that is said."""
    said = f'{VERDICTS[label.verdict]} <span class="ep-sure">by {isolated(label.who)}'
    if label.disputed:
        said += f", {figure(label.people)} people disagree"
    if item.prediction is None:
        return f"{said}; not scored by the model</span>"
    sure = percent(item.prediction.confidence).replace(" ", "\u00a0")
    return f"{said}; counted as {item.label}, as the model says ({sure} sure)</span>"


def _said(item: StoredMessage) -> str:
    if item.feedback is not None:
        return _by_people(item.feedback, item)
    prediction = item.prediction
    if prediction is None:
        return f"Not scored (language: {isolated(item.message.lang or 'unknown')})"
    sure = percent(prediction.confidence).replace(" ", "\u00a0")
    return f'{_WORDS.get(prediction.label, "Not scored")} <span class="ep-sure">{sure} sure</span>'


def card(item: StoredMessage) -> str:
    """One message: the text first, then what was said of it and where it is from."""
    message = item.message
    kind = (item.feedback.verdict if item.feedback else item.label).replace("_", "-")
    text = message.text[:_LONGEST]
    more = len(message.text) - len(text)
    cut = f'<p class="ep-cut">… {figure(more)} more characters</p>' if more else ""
    meta = [
        f'<span class="ep-label"><i class="ep-dot ep-{kind}" aria-hidden="true"></i>{_said(item)}</span>',
        isolated(source_name(message.source)),
        clock(message.created_at),
        isolated(country_name(message.country)),
    ]
    meta += [isolated(name) for name in (message.publisher, message.author) if name]
    if item.copies:
        meta.append(
            f'<span class="ep-copies">x {figure(item.copies)} {"copy" if item.copies == 1 else "copies"}</span>'
        )
    foot = "".join(f"<li>{part}</li>" for part in meta)
    return (
        f'<article class="ep-card ep-edge-{kind}" data-key="{safe(message.id)}" tabindex="0">'
        f'<p class="ep-text" dir="auto">{safe(text)}</p>{cut}<ul class="ep-meta">{foot}</ul></article>'
    )


def encode(page: MessagePage, *, empty: str, following: bool, scope: str) -> str:
    """A page of cards as the text that the component carries.

    `empty` is HTML for when there is none; `following` says that new messages are to be let in on top; a new `scope`
    (another event, filter or page) replaces the list at once, whatever the reader is doing.
    """
    html = "".join(map(card, page.items)) or f'<p class="ep-none">{empty}</p>'
    return json.dumps({"html": html, "following": following, "scope": scope})
