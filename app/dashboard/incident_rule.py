"""The rule of an event: a dial in false alarms a week, and what it would have done."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from app.core.errors import InvalidInput
from app.core.incidents import Kind
from app.dashboard.actions import Fields, several, text
from app.dashboard.forms import attributes, check, entry, form, hidden
from app.dashboard.markup import day, isolated, safe, spoken
from app.services.incident_views import DryRun, RuleDraft, RuleView
from app.services.incident_words import KINDS

DIAL: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""The settings of the dial, in false alarms a week."""

_WORDS: Final = (
    "1 in 20 weeks",
    "1 in 10 weeks",
    "1 in 4 weeks",
    "1 in 2 weeks",
    "1 a week",
    "2 a week",
    "5 a week",
    "10 a week",
    "20 a week",
)
_NUMBERS: Final = (
    ("least_size", "Smallest incident, messages above the usual"),
    ("calm_minutes", "Closes after so many calm minutes"),
    ("cooldown_hours", "The same again within so many hours reopens it"),
)


def words_of(alarms_per_week: float) -> str:
    """A setting of the dial in words."""
    if alarms_per_week in DIAL:
        return _WORDS[DIAL.index(alarms_per_week)]
    return f"{alarms_per_week:.2g} a week" if alarms_per_week >= 1 else f"1 in {1 / alarms_per_week:.2g} weeks"


def editor(view: RuleView, name: str) -> str:
    """The form with the rule of an event of that name."""
    rule = view.rule
    at = min(range(len(DIAL)), key=lambda place: abs(DIAL[place] - rule.alarms_per_week))
    kinds = "".join(check("kinds", kind.value, KINDS[kind].capitalize(), on=kind in rule.kinds) for kind in Kind)
    numbers = "".join(
        entry(field, words, inputmode="decimal", value=f"{getattr(rule, field):g}") for field, words in _NUMBERS
    )
    inside = (
        hidden(event=view.event_id)
        + _dial(at)
        + f'<fieldset class="ep-wide"><legend>What opens an incident</legend>{kinds}</fieldset>{numbers}'
        + f'<div class="ep-wide">{check("enabled", "1", "Watch this event", on=rule.enabled)}</div>'
        + '<button type="submit" data-act="dry-run">Try it on the last 30 days</button>'
        + '<button type="submit" class="ep-primary">Save the rule</button>'
    )
    made = form("rule", inside, kind="ep-form ep-rule")
    return f"<h2>Rule of {isolated(name)}</h2><p class='ep-note'>{_state(view)}</p>{made}"


def _dial(at: int) -> str:
    given = attributes(
        {
            "type": "range",
            "name": "dial",
            "min": 0,
            "max": len(DIAL) - 1,
            "step": 1,
            "value": at,
            "data_words": json.dumps(_WORDS),
            "aria_valuetext": _WORDS[at],
        }
    )
    title = f"False alarms I can live with: <output>{_WORDS[at]}</output>"
    return f'<label class="ep-field ep-wide"><span>{title}</span><input{given}></label>'


def _state(view: RuleView) -> str:
    said = ["Nobody has set one: this is the default" if view.is_default else "Set by hand"]
    if not view.rule.enabled:
        said.append("it is off")
    if abs(view.effective - view.rule.alarms_per_week) > 1e-9:
        said.append(f"after your verdicts it runs at {words_of(view.effective)}")
    if view.tuned_at:
        said.append(f"its history was last replayed {day(view.tuned_at)}")
    if view.note:
        said.append(safe(view.note))
    return "; ".join(said) + "."


def draft_of(fields: Fields) -> RuleDraft:
    """The rule that the form describes. Raises InvalidInput or pydantic's ValidationError."""
    place = text(fields, "dial")
    if not place.isdecimal() or int(place) >= len(DIAL):
        raise InvalidInput(f"the dial has no setting {place!r}", field="dial")
    numbers = {field: text(fields, field) for field, _ in _NUMBERS}
    is_on = text(fields, "enabled") == "1"
    given = {"alarms_per_week": DIAL[int(place)], "kinds": several(fields, "kinds"), "enabled": is_on}
    return RuleDraft.model_validate(given | numbers)


def outcome(tried: DryRun, now: datetime) -> str:
    """What a dry run gave."""
    rows = "".join(
        f"<li>{day(each.opened_at)}: {', '.join(safe(KINDS[kind]) for kind in each.kinds)}, {each.severity}</li>"
        for each in tried.incidents
    )
    listed = f'<details data-key="tried"><summary>All of them</summary><ol class="ep-plainlist">{rows}</ol></details>'
    return f'<p class="ep-lead">{spoken(tried.text, now)}</p>{listed if len(tried.incidents) > 5 else ""}'
