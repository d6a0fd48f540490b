from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from app.adapters.alert_formats import inert, slack_body, webhook_body
from app.core.alert_content import SHOWN, Alert
from tests.fakes.alerts import HOSTILE_TEXT, entry
from tests.fakes.clock import START

PUBLIC = "http://127.0.0.1:8000"
ALERT = Alert("msg_1", (entry(),))


def slack(alert: Alert) -> Any:
    return json.loads(slack_body(alert, PUBLIC))


def texts(body: Any, kind: str) -> list[str]:
    return [block["text"]["text"] for block in body["blocks"] if block["text"]["type"] == kind]


def test_a_webhook_carries_the_incident_with_its_evidence() -> None:
    body = json.loads(webhook_body(ALERT, START))
    assert (body["id"], body["type"], body["sent_at"]) == ("msg_1", "incidents.changed", "2026-11-23T12:00:00Z")
    (incident,) = body["incidents"]
    assert incident["negative_share"] == {"value": 0.41, "low": 0.36, "high": 0.47, "n": 600}
    assert incident["changes"] == [
        {"revision": 1, "change": "opened", "at": "2026-11-23T12:00:00Z", "text": "opened as high: negative share"}
    ]
    assert (incident["severity"], incident["number"], incident["is_open"]) == ("high", 1, True)
    assert incident["evidence"]["phrases"] == [{"text": "the screen flickers", "authors": 31, "times_at_least": 4.2}]
    assert incident["evidence"]["exemplars"][0]["id"] == "x:1"
    assert incident["url"] == "http://127.0.0.1:8000/incidents?event=launch&incident=1"


def test_a_webhook_says_of_every_change_which_it_is() -> None:
    many = Alert("msg_2", tuple(entry(number) for number in range(1, 31)))
    found = json.loads(webhook_body(many, START))["incidents"]
    assert [incident["number"] for incident in found] == list(range(1, 31))


def test_what_is_not_known_is_null() -> None:
    bare = replace(entry(), negative=None, negative_before=None, evidence=None)
    (incident,) = json.loads(webhook_body(Alert("m", (bare,)), START))["incidents"]
    assert (incident["negative_share"], incident["evidence"], incident["ended_at"]) == (None, None, None)


def test_slack_gets_the_headline_the_evidence_and_the_link() -> None:
    body = slack(ALERT)
    assert body["blocks"][0]["text"]["text"].startswith("HIGH: Launch the screen flickers: incident 1 opened")
    plain = "\n".join(texts(body, "plain_text"))
    assert "Negative share 41 % (36-47), up from 22 %; 812 messages" in plain
    assert "“the screen flickers” (31 authors, at least 4.2 x the usual share)" in plain
    assert "12 messages like it" in plain
    assert texts(body, "mrkdwn") == [
        "<http://127.0.0.1:8000/incidents?event=launch&amp;incident=1|Open incident 1 with its evidence>"
    ]
    assert "41 %" in body["text"]


def test_people_are_shown_the_most_severe_and_told_how_many_there_are_besides() -> None:
    body = slack(Alert("m", tuple(entry(number) for number in range(1, SHOWN + 13))))
    assert "and 16 more" in body["blocks"][0]["text"]["text"]
    assert "incident 5" in json.dumps(body)
    assert "incident 6 " not in json.dumps(body)
    assert texts(body, "mrkdwn")[-1] == "<http://127.0.0.1:8000/incidents|And 12 more>"


def test_no_text_from_outside_is_markup_for_slack() -> None:
    assert len(HOSTILE_TEXT) >= 200
    for text in HOSTILE_TEXT:
        body = slack(Alert("m", (entry(text=text), entry(2, text=text))))
        for written in texts(body, "mrkdwn"):
            assert re.fullmatch(r"<http://127\.0\.0\.1:8000/[^<>|]*\|[A-Za-z0-9 ]*>", written), text
        line = body["text"].removesuffix(" <http://127.0.0.1:8000/incidents?event=launch&amp;incident=1|Open>")
        assert not re.search(r"[<>*_`\[\]|~]|@\w|://", line), text
        for written in [body["text"], *texts(body, "plain_text")]:
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b]", written), text


def test_slacks_limits_are_kept() -> None:
    body = slack(Alert("m", tuple(entry(number, text="long " * 2_000) for number in range(40))))
    assert len(body["blocks"]) <= 50
    assert len(body["blocks"][0]["text"]["text"]) <= 150
    assert all(len(text) <= 3_000 for text in [*texts(body, "plain_text"), *texts(body, "mrkdwn")])


def test_a_test_message_says_that_it_is_one() -> None:
    assert json.loads(webhook_body(Alert("t"), START)) == {
        "id": "t",
        "type": "test",
        "sent_at": "2026-11-23T12:00:00Z",
        "incidents": [],
    }
    assert "This is a test" in slack(Alert("t"))["text"]


def test_foreign_text_is_inert() -> None:
    assert (
        inert("see [this](https://evil.example) @channel <!here>")
        == "see  this (https:\u2060//evil.example) @\u2060channel  !here "
    )
