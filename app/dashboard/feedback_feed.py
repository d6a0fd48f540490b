"""What stands on the Feedback page beside the message: which event, and what its labels say."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import replace

from app.core.errors import AppError
from app.dashboard.controls import choice, drawer
from app.dashboard.event_feed import trouble
from app.dashboard.feedback_words import summary
from app.dashboard.live import CANONICAL, Query
from app.dashboard.markup import notice, safe
from app.dashboard.view import View
from app.service import Service


class FeedbackFeed:
    """The panels of the Feedback page."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def revision(self, query: Query) -> Hashable:
        """Which events there are, and the last thing that anybody said."""
        return tuple(self._service.versions()), self._service.feedback.version()

    def panels(self, query: Query) -> Mapping[str, str]:
        """All panels of the page; `judging` names the event for the script that shows the messages. Raises AppError."""
        events = [(found.event.name, found.event.id) for found in self._service.events()]
        known = [event for _, event in events]
        asked = query.get("event", "")
        if not known:
            return {"controls": "", "banner": "", "judging": json.dumps({"event": ""}), "labels": ""}
        event = asked if asked in known else known[0]
        banner = ""
        if asked and event != asked:
            said = f"“<bdi>{safe(asked)}</bdi>” is not watched (any more). This is the newest one."
            banner = notice("stale", "Another event.", said)
        name = next(name for name, each in events if each == event)
        return {
            CANONICAL: replace(View.from_query(query), event=event).to_query(),
            "controls": drawer(name, [choice("event", "Event", events, event, default="")]),
            "banner": banner,
            "judging": json.dumps({"event": event}),
            "labels": summary(self._service.feedback.summary(event)),
        }

    def failed(self, error: AppError) -> Mapping[str, str]:
        """What the service could not do: what it is, and what to do."""
        return {"banner": trouble(error)}
