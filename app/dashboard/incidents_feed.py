"""What stands on the Incidents page: asked of the service, made into panels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Final

from app.core.errors import AppError, NotFound
from app.dashboard import channels, incident_list, incident_rule, incidents
from app.dashboard.controls import choice, drawer, switch
from app.dashboard.downloads import incident_links
from app.dashboard.event_feed import trouble
from app.dashboard.headline import empty
from app.dashboard.live import CANONICAL, Query
from app.dashboard.markup import duration, notice, safe
from app.dashboard.tables import table
from app.dashboard.view import View
from app.service import Service
from app.services.insight import InsightReport, InsightStep

_API = "v1"  # beside the dashboard, on the same server
_MOST = 50
_DELIVERIES = 20
_STATES: Final = (("Open and closed", ""), ("Open", "open"), ("Closed", "closed"))
_SEVERITIES: Final = (("All", "watch"), ("High and critical", "high"), ("Critical", "critical"))
_STEPS: Final = {
    InsightStep.BEGAN: "the first message",
    InsightStep.NOTICED: "the incident",
    InsightStep.SHOWN: "the first look at it",
    InsightStep.EVIDENCE: "its evidence",
    InsightStep.VERDICT: "a verdict",
}


class IncidentsFeed:
    """The panels of the Incidents page but for the reasons. `now` is the clock, in UTC.

    Beyond the view, the URL has `every` (the incidents of all events are listed), `state` and `severity`.
    """

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def revision(self, query: Query) -> Hashable:
        """The versions of all events, what became of alerts, and the minute."""
        versions = tuple(self._service.versions().items())
        return versions, self._service.alerts.channels(), int(self._now().timestamp() // 60)

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page. Raises AppError."""
        names = {summary.event.id: summary.event.name for summary in self._service.events()}
        view = View.from_query(query)
        banner = ""
        if view.event not in names:
            if view.event:
                said = f"“<bdi>{safe(view.event)}</bdi>” is not watched (any more). These are those of all events."
                banner = notice("stale", "No such event.", said)
            view = View()
        listed = {**query, "event": view.event}
        found = incident_list.find(self._service, listed, limit=_MOST)
        card = None
        if view.incident is not None:
            try:
                card = self._service.incidents.get(view.event, view.incident)
                self._service.insight.record(view.event, view.incident, InsightStep.SHOWN)
            except NotFound as error:
                banner = notice("stale", "No such incident.", safe(str(error)))
        changes = {
            (each.event_id, each.number): self._service.incidents.latest_change(each.event_id, each.number).text
            for each in found.items
        }
        detail = incidents.detail(card, self._now()) if card else _nothing_chosen(bool(found.items))
        return {
            CANONICAL: _query(view, query),
            "banner": banner,
            "controls": _controls(view, query, names),
            "incidents": incidents.listing(found.items, changes, view, self._now())
            + (incident_links(_query(view, query)) if found.items else ""),
            "detail": detail,
            "rule": self._rule(view.event, names),
            "channels": self._channels(view.event, names),
            "insight": insight(self._service.insight.report(view.event or None)),
        }

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}

    def _rule(self, event: str, names: Mapping[str, str]) -> str:
        if not event:
            return '<h2>Rule</h2><p class="ep-none">Choose an event above to see and set its rule.</p>'
        return incident_rule.editor(self._service.incidents.rule(event), names[event])

    def _channels(self, event: str, names: Mapping[str, str]) -> str:
        alerts = self._service.alerts
        deliveries = alerts.deliveries(event_id=event or None, limit=_DELIVERIES).items
        feed = f"{_API}{alerts.feed_path(event)}" if event else ""
        return channels.panel(alerts.channels(), deliveries, event, names.get(event, ""), feed)


def _query(view: View, query: Query) -> str:
    own = [f"{name}={query[name]}" for name in ("every", "state", "severity") if query.get(name, "").isalnum()]
    return "&".join(part for part in (view.to_query(), *own) if part)


def _controls(view: View, query: Query, names: Mapping[str, str]) -> str:
    events = [("All events", ""), *((name, event) for event, name in names.items())]
    state, severity = query.get("state", ""), query.get("severity", "watch")
    fields = [
        choice("event", "Event", events, view.event, default="", clears="incident about against every"),
        choice("state", "State", _STATES, state, default=""),
        choice("severity", "Severity", _SEVERITIES, severity, default="watch"),
    ]
    if view.event:
        fields.append(switch("every", "List those of all events", query.get("every") == "1"))
    return drawer(names.get(view.event, "All events"), fields)


def _nothing_chosen(some: bool) -> str:
    if some:
        return empty("Choose an incident", "to see what it rests on, what became of it, and to say what it was.")
    return ""


def insight(report: InsightReport) -> str:
    """How long it takes from a spike in the input to a verdict, as measured."""
    title = "<h2>Time to insight</h2>"
    if not report.stretches:
        return (
            f'{title}<p class="ep-none">Nothing measured yet: it begins with the first incident that is looked at.</p>'
        )
    rows = [
        (
            f"From {_STEPS[each.start]} to {_STEPS[each.end]}",
            duration(each.median_s),
            duration(each.p95_s),
            f"{each.incidents:,}",
        )
        for each in report.stretches
    ]
    head = ("Step", "Half take at most", "95 of 100 take at most", "Incidents")
    return title + table("Time to insight", head, rows)
