"""The Feedback page without a browser: its panels, what its script may call, and what other pages may do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from app.core.errors import StoreError
from app.core.feedback import MessageVerdict
from app.core.types import Event, Label
from app.dashboard.actions import Actions
from app.dashboard.feedback_actions import actions, functions
from app.dashboard.feedback_feed import FeedbackFeed
from app.dashboard.mount import dashboard_app
from tests.dashboard.rig import EVENT, HOSTILE, Rig, record
from tests.fakes.clock import START as NOON

Call = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def filled(rig: Rig) -> Rig:
    """Forty messages, some of them hostile."""
    rig.watch()
    labels = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE)
    rig.put(*(record(n, NOON - timedelta(minutes=n), labels[n % 3], said=f"Message {n}") for n in range(36)))
    rig.put(*(record(100 + n, NOON - timedelta(seconds=n), said=said) for n, said in enumerate(HOSTILE)))
    return rig


def called(rig: Rig) -> dict[str, Call]:
    return {function.__name__: function for function in functions(rig.service)}


def ask(rig: Rig, name: str, **fields: Any) -> dict[str, Any]:
    return called(rig)[name]({"event": EVENT.id, "who": "ann", **fields})


def test_the_script_gets_messages_as_plain_text(filled: Rig) -> None:
    answer = ask(filled, "queue")
    assert answer["ok"]
    assert (len(answer["items"]), answer["judged"], answer["skipped"]) == (20, 0, 0)
    by_id = {item["id"]: item for item in answer["items"]}
    assert any(by_id[f"m{100 + n}"]["text"] == said for n, said in enumerate(HOSTILE) if f"m{100 + n}" in by_id)
    first = answer["items"][0]
    assert first["about"][0] == "X"
    assert first["said"].endswith("86 % sure")
    json.dumps(answer)


def test_a_long_text_is_cut_and_says_by_how_much(rig: Rig) -> None:
    rig.watch()
    rig.put(record(1, NOON, said="a" * 6_000, publisher="The Paper"), record(2, NOON, said="b", duplicate_of="m1"))
    (item,) = ask(rig, "queue")["items"]
    assert (len(item["text"]), item["more"]) == (5_000, "… 1,000 more characters")
    assert item["about"] == ["X", "unknown place", "The Paper", "user1", "x 1 copy"]


def test_a_verdict_is_stored_and_taken_back(filled: Rig) -> None:
    item = ask(filled, "queue")["items"][0]
    given = ask(filled, "judge", message=item["id"], verdict="off_topic", stratum=item["stratum"])
    assert given == {"ok": True, "verdict": "off_topic"}
    row = filled.store.feedback.log()[0]
    assert (row.message_id, row.verdict.value, row.stratum.value, row.who) == (
        item["id"], "off_topic", item["stratum"], "ann",
    )  # fmt: skip
    taken = ask(filled, "undo")
    assert (taken["message"], taken["verdict"], taken["item"]) == (item["id"], "off_topic", item)
    assert ask(filled, "undo")["ok"] is False


def test_a_message_that_was_deleted_meanwhile_is_taken_back_without_its_text(filled: Rig) -> None:
    ask(filled, "judge", message="m1", verdict="neutral")
    filled.store.delete_messages(EVENT.id, ["m1"])
    assert ask(filled, "undo") == {"ok": True, "message": "m1", "verdict": "neutral", "item": None}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("queue", {"event": "nowhere"}),
        ("queue", {"event": ["x"]}),
        ("queue", {"who": " "}),
        ("judge", {"message": "m1", "verdict": "angry"}),
        ("judge", {"message": "m1", "verdict": "undone"}),
        ("judge", {"message": "m1", "verdict": {"a": 1}}),
        ("judge", {"message": "nothing", "verdict": "neutral"}),
        ("judge", {"verdict": "neutral"}),
        ("judge", {"message": "m1", "verdict": "neutral", "who": "\0"}),
        ("judge", {"message": "\ud800", "verdict": "neutral"}),
        ("undo", {"who": "a" * 61}),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_stored(filled: Rig, name: str, fields: dict[str, Any]) -> None:
    answer = ask(filled, name, **fields)
    assert answer["ok"] is False
    assert 'role="alert"' in answer["html"]
    assert filled.store.feedback.log() == []


def test_what_is_refused_is_only_text(filled: Rig) -> None:
    answer = ask(filled, "judge", message="<img src=x onerror=alert(1)>", verdict="neutral")
    assert "<img" not in answer["html"]


def test_messages_are_marked_from_other_pages(filled: Rig) -> None:
    acts = Actions(actions(filled.service))
    fields = {"event": EVENT.id, "message": "m1", "verdict": "positive", "who": "ann"}
    done = acts.act(["mark", fields])
    assert done["ok"] and "Positive." in done["html"] and "stay the model" in done["html"]
    feedback = filled.store.message(EVENT.id, "m1").feedback
    assert feedback is not None
    assert feedback.verdict is MessageVerdict.POSITIVE
    assert acts.act(["unmark", fields])["ok"]
    assert filled.store.message(EVENT.id, "m1").feedback is None
    assert acts.act(["unmark", fields])["ok"] is False
    assert acts.act(["mark", {"event": EVENT.id}])["ok"] is False


def test_the_panels_name_the_event_and_what_its_labels_say(filled: Rig) -> None:
    feed = FeedbackFeed(filled.service)
    panels = feed.panels({"event": EVENT.id, "window": "6h"})
    assert panels["query"] == f"event={EVENT.id}&window=6h"
    assert json.loads(panels["judging"]) == {"event": EVENT.id}
    assert "No labels yet" in panels["labels"]
    before = feed.revision({})
    ask(filled, "judge", message="m1", verdict="neutral", stratum="random")
    assert feed.revision({}) != before
    assert "Right on" in feed.panels({"event": EVENT.id})["labels"]


def test_an_unknown_event_is_said_and_another_is_shown(filled: Rig) -> None:
    panels = FeedbackFeed(filled.service).panels({"event": "<b>gone"})
    assert "&lt;b&gt;gone" in panels["banner"]
    assert json.loads(panels["judging"]) == {"event": EVENT.id}


def test_events_can_be_chosen_and_their_names_are_only_text(filled: Rig) -> None:
    filled.watch(Event("evil", '<script>"', "x"))
    panels = FeedbackFeed(filled.service).panels({"event": "evil"})
    assert "<script>" not in panels["controls"]
    assert panels["controls"].count("<option") == 2


def test_without_events_the_script_is_told_so(rig: Rig) -> None:
    panels = FeedbackFeed(rig.service).panels({})
    assert json.loads(panels["judging"]) == {"event": ""}


def test_when_the_store_refuses_the_panels_stay_and_a_banner_says_so(filled: Rig) -> None:
    assert "trying again" in FeedbackFeed(filled.service).failed(StoreError("the disk is full"))["banner"]
    with filled.broken():
        assert ask(filled, "queue")["ok"] is False


def test_the_dashboard_has_the_page(rig: Rig) -> None:
    async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
        return dashboard_app(rig.service, rig.clock, rig.settings)

    mounted = [getattr(route, "app", None) for route in asyncio.run(made()).routes]
    blocks = next(app.get_blocks() for app in mounted if app is not None and hasattr(app, "get_blocks"))
    assert ("feedback", "Feedback") in [(path, name) for path, name, *_ in blocks.pages]
