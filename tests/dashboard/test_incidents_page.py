from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.core.incidents import Change, Kind, Severity
from app.core.types import Event
from app.dashboard.actions import Actions
from app.dashboard.downloads import downloads
from app.dashboard.incident_actions import actions
from app.dashboard.incident_rule import DIAL, words_of
from app.dashboard.incidents_feed import IncidentsFeed
from app.dashboard.scope import Scopes
from app.services.incidents import RuleDraft, Verdict
from app.services.insight import InsightStep
from tests.dashboard.rig import EVENT, NOON, Rig, an_incident, fill

OTHER = Event("other", "Another <b>event</b>", "other")
RULE = {
    "event": EVENT.id,
    "dial": "2",
    "kinds": ["volume"],
    "least_size": "20",
    "calm_minutes": "30",
    "cooldown_hours": "0",
    "enabled": "1",
}


@pytest.fixture
def troubled(rig: Rig) -> Rig:
    """An event with a closed and an open incident, and another event with one."""
    fill(rig, 300)
    rig.watch(OTHER)
    rig.incident(an_incident(1, hours_ago=30, hours=1, severity=Severity.WATCH))
    rig.incident(an_incident(2, hours_ago=2))
    rig.incident(an_incident(1, hours_ago=5, kind=Kind.VOLUME), event=OTHER)
    return rig


def panels(rig: Rig, **query: str) -> dict[str, str]:
    return dict(IncidentsFeed(rig.service, rig.clock).panels(query))


def act(rig: Rig, action: str, /, **fields: Any) -> dict[str, Any]:
    return Actions(actions(rig.service, rig.clock)).act([action, fields])


def listed(html: str) -> list[str]:
    return re.findall(r'<li data-key="([^"]+)"', html)


def test_the_list_is_of_all_events_or_of_one(troubled: Rig) -> None:
    assert listed(panels(troubled)["incidents"]) == ["vision-pro/2", "other/1", "vision-pro/1"]
    assert listed(panels(troubled, event="other")["incidents"]) == ["other/1"]
    assert len(listed(panels(troubled, event="other", every="1")["incidents"])) == 3


def test_an_event_that_is_gone_is_said(troubled: Rig) -> None:
    shown = panels(troubled, event="<b>gone", incident="1")
    assert "“<bdi>&lt;b&gt;gone</bdi>” is not watched" in shown["banner"]
    assert len(listed(shown["incidents"])) == 3


def test_the_list_is_taken_along_as_it_is_filtered(troubled: Rig) -> None:
    shown = panels(troubled, event=EVENT.id, state="closed")["incidents"]
    assert 'href="incidents.csv?event=vision-pro&amp;state=closed"' in shown
    app = FastAPI()
    app.include_router(downloads(troubled.service, Scopes(troubled.service, troubled.clock)))
    client = TestClient(app)
    for query, numbers in (("event=vision-pro&state=closed", ["1"]), ("", ["2", "1", "1"])):
        rows = csv.DictReader(io.StringIO(client.get(f"/incidents.csv?{query}").text))
        assert [row["number"] for row in rows] == numbers


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "open"}, ["vision-pro/2", "other/1"]),
        ({"state": "closed"}, ["vision-pro/1"]),
        ({"severity": "high"}, ["vision-pro/2", "other/1"]),
        ({"severity": "critical"}, []),
        ({"state": "<b>", "severity": "?"}, ["vision-pro/2", "other/1", "vision-pro/1"]),
    ],
)
def test_the_list_is_filtered(troubled: Rig, query: dict[str, str], found: list[str]) -> None:
    shown = panels(troubled, **query)
    assert listed(shown["incidents"]) == found
    assert "<b>" not in shown["query"]


def test_a_row_says_what_it_is_when_it_opened_and_what_changed(troubled: Rig) -> None:
    troubled.incident(an_incident(2, hours_ago=2, severity=Severity.CRITICAL, revision=2), Change.RAISED)
    row = panels(troubled, event=EVENT.id)["incidents"].split("<li")[1]
    for part in ("Negative share", "critical, open", "opened <time", "raised from high to critical", "False alarm"):
        assert part in row


def test_nothing_of_an_events_name_is_markup(troubled: Rig) -> None:
    shown = panels(troubled, event="other", incident="1")
    assert "<b>event" not in "".join(shown.values())
    assert "Another &lt;b&gt;event" in shown["detail"]


def test_one_incident_shows_its_findings_and_its_history_and_counts_as_shown(troubled: Rig) -> None:
    shown = panels(troubled, event=EVENT.id, incident="2")
    for part in ("Incident 2", "noticed 10 min later", "18 % is usual", "opened as high", "On the chart"):
        assert part in shown["detail"]
    assert 'class="ep-chosen"' in shown["incidents"]
    assert InsightStep.SHOWN in troubled.store.incidents.steps(EVENT.id)[EVENT.id, 2]


def test_an_incident_that_is_not_there_is_said(troubled: Rig) -> None:
    shown = panels(troubled, event=EVENT.id, incident="77")
    assert "No such incident." in shown["banner"]
    assert "Choose an incident" in shown["detail"]


def test_a_verdict_is_given_noted_and_taken_back(troubled: Rig) -> None:
    done = act(troubled, "verdict", event=EVENT.id, number="2", verdict="real", note="<i>the screen</i>")
    assert (done["ok"], "Real." in done["html"]) == (True, True)
    shown = panels(troubled, event=EVENT.id, incident="2")
    assert ": “<bdi>&lt;i&gt;the screen" in shown["incidents"]
    assert 'value="real" aria-pressed="true"' in shown["detail"]
    assert "verdict: Real" in shown["detail"]
    assert act(troubled, "withdraw", event=EVENT.id, number=2)["ok"]
    assert "verdict withdrawn" in panels(troubled, event=EVENT.id, incident="2")["detail"]
    assert troubled.service.incidents.get(EVENT.id, 2).incident.verdict is None


@pytest.mark.parametrize(
    "fields", [{"verdict": "maybe"}, {"number": "two"}, {"number": "9"}, {"event": "gone"}, {"note": "a" * 5000}]
)
def test_a_verdict_that_can_not_be_is_refused(troubled: Rig, fields: dict[str, str]) -> None:
    given = {"event": EVENT.id, "number": "2", "verdict": "real", "note": ""} | fields
    assert act(troubled, "verdict", **given)["ok"] is False


def test_an_expected_incident_offers_an_expected_moment(troubled: Rig) -> None:
    troubled.service.incidents.give_verdict(OTHER.id, 1, Verdict.EXPECTED)
    html = panels(troubled, event=OTHER.id, incident="1")["detail"]
    assert "Add the expected moment" in html
    assert "&quot;kind&quot;: &quot;expected&quot;" in html


def test_the_rule_is_tried_saved_and_shown(troubled: Rig) -> None:
    assert "this is the default" in panels(troubled, event=EVENT.id)["rule"]
    tried = act(troubled, "dry-run", **RULE)
    assert tried["ok"]
    assert "This rule would" in tried["html"] or "no history" in tried["html"]
    assert troubled.service.incidents.rule(EVENT.id).is_default
    assert act(troubled, "rule", **RULE)["ok"]
    rule = troubled.service.incidents.rule(EVENT.id).rule
    assert rule == RuleDraft(
        alarms_per_week=0.25, kinds=(Kind.VOLUME,), least_size=20, calm_minutes=30, cooldown_hours=0, enabled=True
    )
    html = panels(troubled, event=EVENT.id)["rule"]
    assert "<output>1 in 4 weeks</output>" in html
    assert html.count(" checked") == 2
    assert "Choose an event" in panels(troubled)["rule"]


@pytest.mark.parametrize(
    "wrong",
    [{"dial": "99"}, {"dial": "x"}, {"kinds": ["love"]}, {"kinds": []}, {"least_size": "no"}, {"calm_minutes": "1"}],
)
def test_a_rule_that_can_not_be_is_refused(troubled: Rig, wrong: dict[str, Any]) -> None:
    assert act(troubled, "rule", **RULE | wrong)["ok"] is False
    assert troubled.service.incidents.rule(EVENT.id).is_default


def test_a_rule_is_off_without_its_switch(troubled: Rig) -> None:
    assert act(troubled, "rule", **{name: value for name, value in RULE.items() if name != "enabled"})["ok"]
    assert "it is off" in panels(troubled, event=EVENT.id)["rule"]


def test_every_setting_of_the_dial_has_words() -> None:
    assert [words_of(each) for each in DIAL][3:6] == ["1 in 2 weeks", "1 a week", "2 a week"]
    assert (words_of(0.033), words_of(3)) == ("1 in 30 weeks", "3 a week")


CHANNEL = {
    "name": "Press <b>office",
    "kind": "webhook",
    "target": "https://93.184.216.34/hook?key=hidden",
    "secret": "a secret of some length",
    "event": "",
    "severity": "high",
    "digest": "60",
}


def test_a_channel_is_added_switched_off_and_deleted(troubled: Rig) -> None:
    assert act(troubled, "channel-add", **CHANNEL)["ok"]
    html = panels(troubled, event=EVENT.id)["channels"]
    for part in ("Press &lt;b&gt;office", "Webhook", "all events", "high and critical", "hourly", "0 sent"):
        assert part in html
    assert "hidden" not in html
    assert "a secret" not in html
    (channel,) = troubled.service.alerts.channels()
    assert act(troubled, "channel-turn", id=channel.id, enabled="")["ok"]
    assert "Switch on" in panels(troubled)["channels"]
    assert act(troubled, "channel-turn", id=channel.id, enabled="1")["ok"]
    assert act(troubled, "channel-delete", id=channel.id)["ok"]
    assert "No channel yet" in panels(troubled)["channels"]
    assert act(troubled, "channel-turn", id=channel.id, enabled="1")["ok"] is False


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"target": "http://127.0.0.1/x"}, "Target:"),
        ({"target": ""}, "Target:"),
        ({"secret": ""}, "Secret:"),
        ({"kind": "pigeon"}, "Kind:"),
        ({"digest": "soon"}, "Digest minutes:"),
    ],
)
def test_a_channel_that_can_not_be_is_refused_with_its_field(troubled: Rig, wrong: dict[str, str], said: str) -> None:
    done = act(troubled, "channel-add", **CHANNEL | wrong)
    assert done["ok"] is False
    assert said in done["html"]


def test_the_feed_of_the_event_is_linked(troubled: Rig) -> None:
    assert 'href="v1/events/vision-pro/incidents.rss"' in panels(troubled, event=EVENT.id)["channels"]


def test_time_to_insight_is_shown_as_measured(troubled: Rig) -> None:
    panels(troubled, event=EVENT.id, incident="2")
    troubled.clock.advance(90)
    troubled.service.insight.record(EVENT.id, 2, InsightStep.EVIDENCE)
    html = panels(troubled, event=EVENT.id)["insight"]
    assert "From the first look at it to its evidence" in html
    assert "90 s" in html


def test_what_has_not_been_measured_is_not_invented(rig: Rig) -> None:
    rig.watch()
    assert "Nothing measured yet" in panels(rig, event=EVENT.id)["insight"]


def test_alerts_and_incidents_change_the_revision(troubled: Rig) -> None:
    feed = IncidentsFeed(troubled.service, troubled.clock)
    first = feed.revision({})
    assert feed.revision({}) == first
    act(troubled, "channel-add", **CHANNEL)
    second = feed.revision({})
    act(troubled, "verdict", event=EVENT.id, number="2", verdict="real")
    assert len({first, second, feed.revision({})}) == 3
    assert NOON == troubled.clock()
