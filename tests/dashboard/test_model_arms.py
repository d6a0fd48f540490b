from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app.adapters.records import Record
from app.core.types import Event, Label
from app.dashboard.model_arms import arms
from tests.dashboard.rig import NOON, Rig, record

OTHER = Event("other", "Another event", "other")


def scored(number: int, arm: str, model: str) -> Record:
    made = record(number, NOON - timedelta(seconds=number), Label.NEGATIVE)
    assert made.prediction is not None
    return replace(made, prediction=replace(made.prediction, arm=arm, model=model))


def test_arms_are_counted_on_the_newest_messages_of_all_events(rig: Rig) -> None:
    rig.watch()
    rig.watch(OTHER)
    rig.put(*(scored(n, "champion", "old") for n in range(30)))
    rig.put(*(scored(n, "canary", "<b>new") for n in range(10)), event=OTHER)
    html = arms(rig.service)
    assert html.index("champion") < html.index("canary")
    assert "75\u00a0% (30 of 40)" in html
    assert "<bdi>&lt;b&gt;new</bdi>" in html
    assert "newest 40 scored messages" in html


def test_nothing_scored_and_a_store_that_refuses_are_said(rig: Rig) -> None:
    rig.watch()
    assert "No message has been scored yet." in arms(rig.service)
    with rig.broken():
        assert "can&#x27;t be read right now" in arms(rig.service)
