"""Channels, deliveries and the feed, over the API of a real service with receivers on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from app.adapters.incident_records import Findings
from app.adapters.store import Store
from app.core.incidents import Change, Severity, Update
from app.core.types import Event
from app.service import Service
from app.services.alert_feed import rss
from app.services.alerts import MOST_CHANNELS, ChannelView, DeliveryPage, Trial
from app.services.incident_views import IncidentView
from app.serving.alert_api import ALERT_EXAMPLES, ChannelList
from app.serving.api import build_api
from app.serving.incident_api import INCIDENT_EXAMPLES
from app.settings import Settings
from tests.fakes.alerts import HOSTILE_TEXT, SECRET, change
from tests.fakes.clock import START, Clock
from tests.fakes.receivers import http_receiver, mail_server
from tests.serving.support import EVENT, TOKEN, classify

WEBHOOK = {"name": "Press", "kind": "webhook", "target": "https://1.1.1.1/alerts?key=hidden", "secret": SECRET}


def error(answer: Any) -> dict[str, Any]:
    return dict(answer.json()["error"])


def create(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/alerts/channels", json=WEBHOOK | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def tell(store: Store, *updates: Update, past: tuple[Update, ...] = ()) -> None:
    stands = store.incidents.detector(EVENT)
    findings = Findings(updates=updates, past=past)
    assert store.incidents.advance(EVENT, stands.revision if stands else 0, {}, START, findings)


@pytest.fixture
def opened_up(store: Store, settings: Settings) -> Iterator[TestClient]:
    """The API where private networks are allowed."""
    opened = settings.model_copy(update={"alert_private_networks": True})
    with TestClient(build_api(Service(store, classify, opened, now=Clock()), classify, opened)) as made:
        yield made


def test_a_channel_lives_and_dies_and_its_secrets_are_never_told(client: TestClient) -> None:
    made = client.post("/alerts/channels", json=WEBHOOK | {"least_severity": "high", "digest_minutes": 60})
    channel = made.json()
    assert made.headers["location"] == f"/alerts/channels/{channel['id']}"
    assert (channel["target"], channel["signed"], channel["least_severity"]) == ("https://1.1.1.1/…", True, "high")
    changed = client.put(
        f"/alerts/channels/{channel['id']}", json={"name": "New", "kind": "webhook", "event_id": EVENT}
    )
    assert changed.status_code == 200
    assert changed.json() == channel | {
        "name": "New", "event_id": EVENT, "least_severity": "watch", "digest_minutes": 0,
    }  # fmt: skip
    listed = client.get("/alerts/channels")
    assert listed.json() == {"items": [changed.json()]}
    for answer in (made, changed, listed):
        assert SECRET not in answer.text
        assert "hidden" not in answer.text
    assert client.delete(f"/alerts/channels/{channel['id']}").status_code == 204
    assert client.get("/alerts/channels").json() == {"items": []}


def test_what_is_left_out_of_a_change_stays(opened_up: TestClient) -> None:
    with http_receiver() as receiver:
        made = create(opened_up, target=receiver.url)
        opened_up.put(f"/alerts/channels/{made['id']}", json={"name": "New", "kind": "webhook"})
        assert opened_up.post(f"/alerts/channels/{made['id']}/test").json() == {"delivered": True, "error": ""}
    assert receiver.requests[0].path == "/hook"
    assert receiver.requests[0].headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"target": "http://127.0.0.1/"}, "target", "private network"),
        ({"target": "file:///etc/passwd"}, "target", "begins with https"),
        ({"target": None}, "target", "needs a target"),
        ({"secret": None}, "secret", "needs a secret"),
        ({"secret": "short"}, "secret", "at least 16"),
        ({"secret": "whsec_this is no base64"}, "secret", "base64"),
        ({"kind": "slack"}, "secret", "only webhooks are signed"),
        ({"kind": "email", "secret": None, "target": "a@b.org"}, "kind", "EVENTPULSE_SMTP_HOST"),
        ({"kind": "carrier pigeon"}, "kind", ""),
        ({"name": ""}, "name", ""),
        ({"name": "a\0b"}, "name", "cannot be stored"),
        ({"least_severity": "3"}, "least_severity", ""),
        ({"digest_minutes": 1441}, "digest_minutes", ""),
        ({"digest_minutes": -1}, "digest_minutes", ""),
        ({"colour": "red"}, "colour", ""),
    ],
)
def test_a_channel_that_cannot_be_is_refused_with_the_field(
    client: TestClient, more: dict[str, Any], field: str, words: str
) -> None:
    answer = client.post("/alerts/channels", json=WEBHOOK | more)
    assert answer.status_code == 422
    assert error(answer)["field"] == field
    assert words in error(answer)["message"]
    assert SECRET not in answer.text
    assert client.get("/alerts/channels").json() == {"items": []}


def test_a_channel_of_an_event_that_is_not_there_is_refused(client: TestClient) -> None:
    answer = client.post("/alerts/channels", json=WEBHOOK | {"event_id": "nothing"})
    assert (answer.status_code, error(answer)["field"]) == (404, "event_id")


def test_a_channel_that_becomes_another_kind_needs_a_target_of_its_own(client: TestClient) -> None:
    made = create(client)
    answer = client.put(f"/alerts/channels/{made['id']}", json={"name": "Press", "kind": "slack"})
    assert (answer.status_code, error(answer)["field"]) == (422, "target")
    changed = client.put(
        f"/alerts/channels/{made['id']}", json={"name": "Press", "kind": "slack", "target": "https://1.1.1.1/x"}
    )
    assert (changed.json()["kind"], changed.json()["signed"]) == ("slack", False)


def test_channels_that_are_not_there(client: TestClient) -> None:
    for answer in (
        client.put("/alerts/channels/nothing", json=WEBHOOK),
        client.delete("/alerts/channels/nothing"),
        client.post("/alerts/channels/nothing/test"),
    ):
        assert (answer.status_code, error(answer)["code"]) == (404, "not_found")


def test_there_is_an_end_to_channels(client: TestClient) -> None:
    for _ in range(MOST_CHANNELS):
        create(client)
    answer = client.post("/alerts/channels", json=WEBHOOK)
    assert answer.status_code == 422
    assert "delete one" in error(answer)["message"]


def test_a_test_message_tells_what_the_receiver_made_of_it(opened_up: TestClient) -> None:
    with http_receiver() as receiver:
        made = create(opened_up, target=receiver.url)
        receiver.answers.append((404, {}))
        for expected in ({"delivered": False, "error": "HTTP 404"}, {"delivered": True, "error": ""}):
            assert opened_up.post(f"/alerts/channels/{made['id']}/test").json() == expected
    assert [json.loads(request.body)["type"] for request in receiver.requests] == ["test", "test"]
    assert len(set(receiver.ids)) == 2
    assert opened_up.get("/alerts/deliveries").json()["items"] == []


def test_a_mail_address_is_shown_as_it_is(store: Store, settings: Settings) -> None:
    with mail_server() as mailbox:
        update = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_security": "none"}
        opened = settings.model_copy(update=update)
        with TestClient(build_api(Service(store, classify, opened, now=Clock()), classify, opened)) as client:
            made = create(client, kind="email", target="press@example.org", secret=None)
            assert (made["target"], made["signed"]) == ("press@example.org", False)
            assert client.post(f"/alerts/channels/{made['id']}/test").json()["delivered"] is True
    assert mailbox.receivers == ["press@example.org"]


def test_deliveries_are_told_with_their_state_and_error(client: TestClient, store: Store) -> None:
    made = create(client)
    tell(store, change(1, severity=Severity.HIGH), change(2))
    (parcel,) = store.alerts.claim()
    store.alerts.mark_failed(parcel, "HTTP 410", None)
    waiting, failed = client.get("/alerts/deliveries").json()["items"]
    assert (waiting["number"], waiting["state"], waiting["message"]) == (2, "waiting", None)
    assert (failed["number"], failed["state"], failed["error"], failed["severity"]) == (1, "failed", "HTTP 410", "high")
    assert failed["channel"] == "Press"
    first = client.get("/alerts/deliveries", params={"limit": 1}).json()
    second = client.get("/alerts/deliveries", params={"limit": 1, "after": first["next"]}).json()
    assert [page["items"][0]["number"] for page in (first, second)] == [2, 1]
    assert client.get("/alerts/deliveries", params={"state": "failed"}).json()["items"] == [failed]
    assert client.get("/alerts/deliveries", params={"event_id": "other"}).json()["items"] == []
    assert client.get("/alerts/deliveries", params={"channel_id": made["id"]}).json()["items"] == [waiting, failed]
    assert client.get("/alerts/deliveries", params={"after": "x"}).status_code == 422
    (channel,) = client.get("/alerts/channels").json()["items"]
    assert (channel["waiting"], channel["failed"], channel["error"]) == (1, 1, "HTTP 410")


# The feed


def test_the_feed_has_an_item_for_each_incident_that_was_told(client: TestClient, store: Store) -> None:
    tell(store, change(1), change(1, 2, Change.CLOSED), change(2, severity=Severity.CRITICAL), past=(change(3),))
    answer = client.get(f"/events/{EVENT}/incidents.rss")
    assert answer.headers["content-type"].startswith("application/rss+xml")
    feed = fromstring(answer.text)
    assert feed.findtext("channel/title") == "Apple launch: incidents"
    items = {item.findtext("guid"): item for item in feed.iter("item")}
    assert set(items) == {f"{EVENT}/1/watch", f"{EVENT}/2/critical"}
    item = items[f"{EVENT}/2/critical"]
    assert str(item.findtext("title")).startswith("CRITICAL: incident 2 (open). ")
    assert item.findtext("link") == f"http://127.0.0.1:8000/incidents?event={EVENT}&incident=2"
    assert "where 22 % is usual" in str(item.findtext("description"))
    assert str(items[f"{EVENT}/1/watch"].findtext("title")).startswith("WATCH: incident 1 (closed). ")


def test_no_text_from_outside_is_markup_in_the_feed() -> None:
    examples: Any = INCIDENT_EXAMPLES["incidents"]["items"]
    for text in HOSTILE_TEXT:
        incident = TypeAdapter(IncidentView).validate_python(examples[0] | {"headline": text, "event_id": text})
        feed = fromstring(rss(Event(EVENT, text, "apple"), [incident], "http://127.0.0.1:8000", START))
        for place in ("channel/title", "channel/description", "channel/item/title"):
            assert not re.search("[<>]", str(feed.findtext(place))), text
        description = str(feed.findtext("channel/item/description"))
        assert set(re.findall(r"<[^>]*>", description)) <= {"<p>", "</p>", "<ul>", "</ul>", "<li>", "</li>"}, text
        assert str(feed.findtext("channel/item/link")).startswith("http://127.0.0.1:8000/incidents?event="), text


def test_a_feed_of_an_event_that_is_not_there(client: TestClient) -> None:
    assert client.get("/events/nothing/incidents.rss").status_code == 404
    assert client.get("/events/nothing/feed").status_code == 404


@pytest.fixture
def guarded(store: Store, settings: Settings) -> FastAPI:
    closed = settings.model_validate(settings.model_dump() | {"api_token": TOKEN})
    return build_api(Service(store, classify, closed, now=Clock()), classify, closed)


def test_a_feed_is_opened_by_its_own_key_and_by_nothing_else(guarded: FastAPI, store: Store) -> None:
    store.put_event(Event("other", "Other", "other"))
    with TestClient(guarded) as client:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(f"/events/{EVENT}/feed").status_code == 401
        path = client.get(f"/events/{EVENT}/feed", headers=bearer).json()["path"]
        assert TOKEN not in path
        assert client.get(path).status_code == 200
        assert client.get(f"/events/{EVENT}/incidents.rss", headers=bearer).status_code == 200
        for wrong in (
            path.replace(EVENT, "other"),
            path.replace("incidents.rss", "incidents"),
            path.partition("?")[0],
            f"{path}0",
            f"{path.partition('=')[0]}=",
            f"{path.partition('=')[0]}=%ff%00",
        ):
            assert client.get(wrong).status_code == 401, wrong
        assert client.post(path).status_code == 401


def test_a_feed_needs_no_key_where_no_token_is_asked_for(client: TestClient) -> None:
    assert client.get(f"/events/{EVENT}/feed").json() == {"path": f"/events/{EVENT}/incidents.rss"}


def test_the_examples_are_answers() -> None:
    for name, kind in (
        ("channels", ChannelList),
        ("channel", ChannelView),
        ("trial", Trial),
        ("deliveries", DeliveryPage),
    ):
        TypeAdapter(kind).validate_python(ALERT_EXAMPLES[name])
