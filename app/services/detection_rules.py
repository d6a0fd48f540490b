"""The rule of an event for people: what was asked, what the verdicts made of it, and what it would have done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.adapters.detector_input import past, reading
from app.adapters.store import Store
from app.core.detection import Memory
from app.core.dial import tune
from app.core.errors import InvalidInput
from app.core.incidents import Incident
from app.core.watch import Rule
from app.services.incident_views import DryRun, RuleDraft, RuleView, WouldBe
from app.services.incident_words import kinds, severity_name
from app.services.words import at

MOST_DAYS: Final = 30
"""How far back a dry run may go."""

_WARM_UP: Final = timedelta(days=14)
_LISTED: Final = 5


def rule_of(draft: RuleDraft) -> Rule:
    """The detector's rule. Raises InvalidInput."""
    if not draft.kinds:
        raise InvalidInput("choose at least one kind, or switch the rule off with enabled", field="kinds")
    return Rule.from_json(draft.model_dump(mode="json", exclude={"enabled"}))


def view(store: Store, event_id: str) -> RuleView:
    """The rule of an event, or the default."""
    stored = store.incidents.rule(event_id)
    asked = {name: value for name, value in stored.rule.as_json().items() if name in RuleDraft.model_fields}
    draft = RuleDraft.model_validate({**asked, "enabled": stored.enabled})
    detector = store.incidents.detector(event_id)
    memory = None if detector is None else Memory.from_json(detector.state)
    return RuleView(
        event_id=event_id,
        rule=draft,
        is_default=stored.updated_at is None,
        effective=draft.alarms_per_week * (memory.dial.factor if memory else 1.0),
        tuned_at=None if memory is None else memory.reviewed_at,
        note=_note(memory),
    )


def _note(memory: Memory | None) -> str:
    if memory is None:
        return "no history to replay yet"
    left = memory.dial.still_alarming
    if left:
        return (
            f"{left} false alarm{'s' if left > 1 else ''} would still come: a stricter rule would lose a real incident"
        )
    return ""


def dry_run(store: Store, event_id: str, draft: RuleDraft, days: int, now: datetime) -> DryRun:
    """What a rule would have done, tuned to the verdicts as it would be. Raises NotFound or InvalidInput."""
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"a dry run over {days} days: choose 1 to {MOST_DAYS}", field="days")
    rule = rule_of(draft)
    read = reading(store.incidents.watched(event_id), now)
    history = past(store, read, days=timedelta(days=days) + _WARM_UP)
    if read.front is None or not history:
        return DryRun(event_id, "There is no history yet to try this rule on.", 0.0, 0, ())
    since = max(read.front - timedelta(days=days), next(iter(history[0].values())).start)
    covered = (read.front - since) / timedelta(days=1)
    found = tune(history, rule, store.incidents.judged(event_id)).incidents
    fired = [incident for incident in found if incident.opened_at >= since]
    would = tuple(_would_be(incident, now) for incident in reversed(fired))
    return DryRun(event_id, _text(would, covered, days), covered, len(would), would)


def _text(found: Sequence[WouldBe], covered: float, days: int) -> str:
    if covered > days - 1:
        span = f"in the last {days} days" if days > 1 else "in the last day"
    else:
        span = f"in the {covered:.1f} days of history that there are"
    if not found:
        return f"This rule would not have fired {span}."
    times = "once" if len(found) == 1 else f"{len(found)} times"
    listed = "; ".join(each.text for each in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"This rule would have fired {times} {span}: {listed}{more}."


def _would_be(incident: Incident, now: datetime) -> WouldBe:
    severity = severity_name(incident.severity)
    return WouldBe(
        kinds=incident.kinds,
        severity=severity,
        started_at=incident.started_at,
        opened_at=incident.opened_at,
        ended_at=incident.ended_at,
        text=f"{at(incident.opened_at, now)} ({kinds(incident.kinds)}; {severity})",
    )
