"""Judging messages from a page.

Anywhere a message is shown, it can be judged with two of the actions that the page's script performs by name
(`app.dashboard.actions`); `feedback.js` gives the script the name of who is sitting there:

    ep.act("mark", { event, message, verdict, who: ep.who() })    // verdict: negative, neutral, positive, off_topic
    ep.act("unmark", { event, message, who: ep.who() })           // takes back what this person said of the message

Both give {ok, html}. A card then shows what people say when its panel comes anew, which `ep.act` asks for at once:
`StoredMessage.feedback` holds it and `app.dashboard.messages` words it.

The Feedback page itself needs more than HTML; its script calls `functions` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from app.core.errors import AppError, InvalidInput
from app.core.types import Prediction
from app.dashboard.actions import Action, Fields, refused, text
from app.dashboard.feedback_words import STRATA, VERDICTS
from app.dashboard.markup import notice
from app.dashboard.view import country_name, source_name
from app.service import Service
from app.services.feedback import Judged, QueueItem, UndoDraft, VerdictDraft
from app.services.words import percent

AT_ONCE: Final = 20
"""Messages that the page asks for at once."""

_LONGEST: Final = 5_000
_DRAFTED: Final = ("verdict", "stratum", "who")


def actions(service: Service) -> Mapping[str, Action]:
    """The actions on a message by name."""

    def mark(fields: Fields) -> str:
        judged = _judge(service, fields)
        return notice("calm", f"{VERDICTS[judged.judgement.verdict]}.", "The counts stay the model’s.")

    def unmark(fields: Fields) -> str:
        taken = _undo(service, fields)
        return notice("calm", "Taken back:", VERDICTS[taken.judgement.verdict])

    return {"mark": mark, "unmark": unmark}


def functions(service: Service) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
    """What the script of the Feedback page calls: each takes its fields and gives {ok, ...}; {ok, html} on a refusal.

    `queue` (event, who) gives the next messages, `judge` (event, message, verdict, stratum, who) takes a verdict,
    `undo` (event, who) takes back that person's latest one and gives its message again.
    """

    def queue(fields: dict[str, Any]) -> dict[str, Any]:
        return _answered(lambda: _queue(service, fields))

    def judge(fields: dict[str, Any]) -> dict[str, Any]:
        return _answered(lambda: {"verdict": _judge(service, fields).judgement.verdict.value})

    def undo(fields: dict[str, Any]) -> dict[str, Any]:
        return _answered(lambda: _taken_back(service, fields))

    return [queue, judge, undo]


def _answered(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ok": True, **call()}
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        return {"ok": False, "html": refused(InvalidInput(str(first["msg"]), field=field))}
    except AppError as error:
        return {"ok": False, "html": refused(error)}


def _queue(service: Service, fields: Fields) -> dict[str, Any]:
    found = service.feedback.queue(text(fields, "event"), text(fields, "who"), limit=AT_ONCE)
    return {"items": list(map(_item, found.items)), "judged": found.judged, "skipped": found.skipped}


def _judge(service: Service, fields: Fields) -> Judged:
    given = {name: text(fields, name) for name in _DRAFTED if text(fields, name)}
    draft = VerdictDraft.model_validate({"message_id": text(fields, "message"), **given})
    return service.feedback.judge(text(fields, "event"), draft)


def _undo(service: Service, fields: Fields) -> Judged:
    draft = UndoDraft(who=text(fields, "who"), message_id=text(fields, "message") or None)
    return service.feedback.undo(text(fields, "event"), draft)


def _taken_back(service: Service, fields: Fields) -> dict[str, Any]:
    row = _undo(service, fields).judgement
    again = service.feedback.item(row)
    return {"message": row.message_id, "verdict": row.verdict.value, "item": _item(again) if again else None}


def _item(item: QueueItem) -> dict[str, Any]:
    """A message as plain texts, which the script sets as text; what the model says is shown after the verdict."""
    message, copies = item.message.message, item.message.copies
    cut = message.text[:_LONGEST]
    more = len(message.text) - len(cut)
    about = [source_name(message.source), country_name(message.country), message.publisher or "", message.author or ""]
    about.append("" if not copies else f"x {copies:,} {'copy' if copies == 1 else 'copies'}")
    return {
        "id": message.id,
        "text": cut,
        "more": f"… {more:,} more characters" if more else "",
        "at": message.created_at.isoformat(),
        "about": [each for each in about if each],
        "stratum": item.stratum.value,
        "why": STRATA[item.stratum],
        "said": _said(item.message.prediction),
        "label": item.message.label.value,
    }


def _said(prediction: Prediction | None) -> str:
    if prediction is None:
        return "not scored"
    return f"{prediction.label}, {percent(prediction.confidence)} sure"
