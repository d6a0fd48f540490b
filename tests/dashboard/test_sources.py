from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest

from app.adapters.records import Progress
from app.core.types import DeadLetter, Event, SourceState, SourceStatus
from app.dashboard.sources import billed, next_step, table
from app.dashboard.sources_feed import Rates, SourcesFeed
from app.views import Statuses
from tests.dashboard.rig import EVENT, NOON, Rig, record


def status(state: SourceState, source: str = "x", **fields: int) -> SourceStatus:
    return SourceStatus("e", source, state, **fields)


@pytest.mark.parametrize(
    ("state", "source", "said"),
    [
        (SourceState.NOT_CONNECTED, "x_stream", "EVENTPULSE_X_BEARER_TOKEN"),
        (SourceState.NOT_CONNECTED, "newsapi", "EVENTPULSE_NEWSAPI_KEY"),
        (SourceState.UNAUTHORIZED, "x_search", "Check EVENTPULSE_X_BEARER_TOKEN"),
        (SourceState.BUDGET_USED, "x", "Raise the read budget"),
        (SourceState.ERROR, "x", "tries again by itself"),
        (SourceState.LIVE, "x", ""),
    ],
)
def test_each_state_says_what_to_do(state: SourceState, source: str, said: str) -> None:
    assert said in next_step(status(state, source))
    assert bool(said) == bool(next_step(status(state, source)))


def test_a_missing_key_is_one_readable_text_under_the_connectors_name() -> None:
    missing = SourceStatus("e", "x_stream", SourceState.NOT_CONNECTED, "EVENTPULSE_X_BEARER_TOKEN is not set")
    html = table(Statuses((missing,), 0), EVENT)
    assert "X live stream" in html
    assert "is not set</bdi>. Set EVENTPULSE_X_BEARER_TOKEN in the environment" in html


def test_dead_letters_are_pointed_at() -> None:
    assert "dead letters" in next_step(status(SourceState.LIVE, dead_letters=2))


def test_billed_reads_are_told_of_the_budget() -> None:
    assert billed(status(SourceState.LIVE, billed_reads=1204), EVENT) == "1,204 of 5,000"
    assert billed(status(SourceState.LIVE, billed_reads=7), replace(EVENT, read_budget=None)) == "7 (default budget)"


@pytest.mark.parametrize("state", list(SourceState))
def test_every_state_has_words(state: SourceState) -> None:
    assert state.value not in table(Statuses((status(state),), 0), EVENT).split("ep-state")[1].split("</span>")[0]


def test_the_table_shows_lag_and_escapes_details() -> None:
    hostile = SourceStatus("e", "x", SourceState.ERROR, "<img src=x onerror=alert(1)>")
    late = SourceStatus("e", "replay", SourceState.LIVE, "", NOON, 912.0)
    html = table(Statuses((late, hostile), 3), EVENT)
    assert "15 min behind" in html
    assert "<img" not in html


def test_the_trouble_of_a_source_is_a_sentence_of_its_own_and_turns_nothing_around() -> None:
    html = table(Statuses((SourceStatus("e", "newsapi", SourceState.NOT_CONNECTED, "\u202eno key."),), 0), EVENT)
    assert "<bdi>\u202eno key</bdi>. Set EVENTPULSE_NEWSAPI_KEY" in html


def test_no_source_yet_is_said() -> None:
    assert "No source has reported yet" in table(Statuses((), 0), EVENT)


def test_a_rate_is_told_once_there_are_two_looks() -> None:
    rates = Rates()
    first = SourceStatus("e", "x", SourceState.LIVE, reads=100)
    assert rates.of(first, NOON) is None
    assert rates.of(replace(first, reads=160), NOON + timedelta(minutes=30)) == 120
    assert rates.of(replace(first, reads=160), NOON + timedelta(minutes=80)) == 0
    assert rates.of(replace(first, source="y", reads=5), NOON + timedelta(minutes=80)) is None


def test_a_counter_that_begins_anew_has_no_rate() -> None:
    rates = Rates()
    assert rates.of(SourceStatus("e", "x", SourceState.LIVE, reads=100), NOON) is None
    assert rates.of(SourceStatus("e", "x", SourceState.LIVE, reads=7), NOON + timedelta(minutes=5)) is None


def test_without_an_event_the_sources_of_all_are_shown(rig: Rig) -> None:
    feed = SourcesFeed(rig.service, rig.clock)
    assert "Nothing is watched yet." in feed.panels({})["sources"]
    rig.watch()
    rig.watch(Event("other", "Another <event>", "other"))
    rig.put(record(1, NOON))
    shown = feed.panels({})
    assert "Apple Vision Pro launch" in shown["sources"]
    assert "Another &lt;event&gt;" in shown["sources"]
    assert shown["dead"] == ""
    assert "EVENTPULSE_X_BEARER_TOKEN" in shown["connect"]


def test_an_unknown_event_is_said_and_all_are_shown(rig: Rig) -> None:
    rig.watch()
    shown = SourcesFeed(rig.service, rig.clock).panels({"event": "<b>gone"})
    assert "<bdi>&lt;b&gt;gone</bdi>” is not watched" in shown["banner"]
    assert "Apple Vision Pro launch" in shown["sources"]
    assert shown["query"] == ""


def test_dead_letters_are_readable_and_inert_page_by_page(rig: Rig) -> None:
    rig.watch()
    letters = tuple(DeadLetter("parse", f"no text <b>{n}", '{"a": "<script>"}', "x", EVENT.id) for n in range(30))
    rig.store.put_page(EVENT.id, "x", [], Progress(dead_letters=letters))
    feed = SourcesFeed(rig.service, rig.clock)
    html = feed.panels({"event": EVENT.id})["dead"]
    assert html.count("could not be read") == 20
    assert "no text &lt;b&gt;29" in html
    assert "<script" not in html
    assert "<b>29" not in html
    older = dict(parse_qsl(unescape(html).split('href="?')[1].split('"')[0]))
    rest = feed.panels(older)["dead"]
    assert rest.count("could not be read") == 10
    assert "no text &lt;b&gt;0" in rest
    assert feed.panels({"event": EVENT.id, "after": "nonsense"})["dead"] == html
