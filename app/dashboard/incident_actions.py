"""What people can do on the Incidents page: judge an incident, set the rule, and say where alerts go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from app.core.errors import InvalidInput, NotFound
from app.dashboard import channels, incident_rule
from app.dashboard.actions import Action, Fields, text, whole
from app.dashboard.incidents import VERDICTS
from app.dashboard.markup import notice, safe
from app.service import Service
from app.services.incidents import Verdict


def actions(service: Service, now: Callable[[], datetime]) -> Mapping[str, Action]:
    """The actions of the Incidents page by name. `now` is the clock, in UTC."""

    def verdict(fields: Fields) -> str:
        given = text(fields, "verdict")
        if given not in [*Verdict]:
            raise InvalidInput(f"{given!r} is no verdict", field="verdict")
        said = Verdict(given)
        service.incidents.give_verdict(
            text(fields, "event"), whole(fields, "number"), said, text(fields, "note").strip()
        )
        return notice("calm", f"{VERDICTS[said]}.", "")

    def withdraw(fields: Fields) -> str:
        service.incidents.withdraw_verdict(text(fields, "event"), whole(fields, "number"))
        return notice("calm", "Taken back.", "")

    def dry_run(fields: Fields) -> str:
        draft = incident_rule.draft_of(fields)
        return incident_rule.outcome(service.incidents.dry_run(text(fields, "event"), draft), now())

    def rule(fields: Fields) -> str:
        service.incidents.put_rule(text(fields, "event"), incident_rule.draft_of(fields))
        return notice("calm", "Saved.", "It holds from the next test on.")

    return {"verdict": verdict, "withdraw": withdraw, "dry-run": dry_run, "rule": rule} | _channels(service)


def _channels(service: Service) -> dict[str, Action]:
    def add(fields: Fields) -> str:
        made = service.alerts.create(channels.draft_of(fields))
        return notice("calm", "Added.", f"Send a test to “<bdi>{safe(made.name)}</bdi>” to see that it works.")

    def turn(fields: Fields) -> str:
        channel = next((each for each in service.alerts.channels() if each.id == text(fields, "id")), None)
        if channel is None:
            raise NotFound("this channel is gone")
        enabled = text(fields, "enabled") == "1"
        service.alerts.update(channel.id, channels.turned(channel, enabled=enabled))
        return notice("calm", "Switched on." if enabled else "Switched off.", "")

    def delete(fields: Fields) -> str:
        service.alerts.delete(text(fields, "id"))
        return notice("calm", "Deleted.", "")

    def test(fields: Fields) -> str:
        tried = service.alerts.test(text(fields, "id"))
        if tried.delivered:
            return notice("calm", "Delivered.", "The test message was taken.")
        return notice("error", "Not delivered.", safe(tried.error))

    return {"channel-add": add, "channel-turn": turn, "channel-delete": delete, "channel-test": test}
