from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest

from app.adapters.records import Record
from app.core.errors import StoreError
from app.core.types import Label
from app.dashboard.map_feed import MapFeed
from app.dashboard.map_view import STEPS, shade
from app.dashboard.scope import Scopes
from app.services.geography import SMALL
from app.views import Selection
from tests.dashboard.rig import EVENT, NOON, Rig, record


def some(first: int, country: str | None, negative: int, positive: int, source: str = "x") -> Iterable[Record]:
    for number in range(first, first + negative + positive):
        label = Label.NEGATIVE if number < first + negative else Label.POSITIVE
        at = NOON - timedelta(minutes=1 + number % 300)
        yield record(number, at, label, f"text {number}", country=country, source=source)


@pytest.fixture
def world(rig: Rig) -> Rig:
    """One country far above the rest, one far below, a small one, and messages from nowhere."""
    rig.watch()
    rig.put(
        *some(0, "US", 60, 240),
        *some(1000, "DE", 120, 80),
        *some(2000, "GB", 5, 195),
        *some(3000, "MT", 3, 0),
        *some(4000, None, 10, 20),
        *some(5000, "FR", 4, 6, source="news"),
        *some(6000, None, 2, 2, source="news"),
    )
    return rig


def panels(rig: Rig, **query: str) -> dict[str, str]:
    return dict(MapFeed(rig.service, Scopes(rig.service, rig.clock), rig.clock).panels({"event": EVENT.id, **query}))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", html))).strip()


def rows(html: str) -> list[list[str]]:
    found = re.findall(r'<tr role="row">(.*?)</tr>', html)
    made = [[words(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in found]
    return [row for row in made if row[0] != "Country"]


def test_without_events_the_page_says_how_to_begin(rig: Rig) -> None:
    shown = dict(MapFeed(rig.service, Scopes(rig.service, rig.clock), rig.clock).panels({}))
    assert "Nothing is watched yet." in shown["sentence"]
    assert shown["map"] == shown["take"] == ""


def test_the_sentence_names_who_differs_from_the_rest_and_how_sure_that_is(world: Rig) -> None:
    said = words(panels(world)["sentence"])
    assert re.match(r"More negative than the rest: Germany 60 % \(53-67\)", said)
    assert "less negative than the rest: United Kingdom 2 % (1-6), United States 20 % (16-25)." in said
    assert "703 of 733 messages by authors have a country (4 countries)" in said
    assert "30 (4 %) are unresolved" in said
    assert f"1 country has fewer than {SMALL} scored messages" in said


def test_few_messages_are_not_compared(rig: Rig) -> None:
    rig.watch()
    rig.put(*some(0, "US", 20, 20), *some(100, "DE", 5, 25))
    assert words(panels(rig)["sentence"]).startswith(
        f"Too few messages to compare countries ; that takes two with {SMALL} scored messages each."
    )


def test_countries_that_are_alike_are_not_told_apart(rig: Rig) -> None:
    rig.watch()
    rig.put(*some(0, "US", 30, 120), *some(1000, "DE", 31, 119))
    said = words(panels(rig)["sentence"])
    assert said.startswith("No country's negative share differs from the rest that we can tell")
    assert "2 countries have the 100 scored messages that it takes" in said


def test_an_empty_window_says_what_to_try(rig: Rig) -> None:
    rig.watch()
    shown = panels(rig)
    assert "No posts in this window." in shown["sentence"]
    assert "Try a longer window" in shown["countries"]
    assert shown["publishers"] == ""


def test_a_row_a_country_with_interval_verdict_and_count(world: Rig) -> None:
    found = {row[0]: row[1:] for row in rows(panels(world)["countries"])}
    assert list(found) == ["All together", "unknown place", "United States", "Germany", "United Kingdom", "Malta"]
    assert found["Germany"][0] == "60 % (53-67)"
    assert re.fullmatch(r"higher, by \d+ to \d+ points", found["Germany"][1])
    assert found["Germany"][3] == "200 (200)"
    assert found["Malta"][0] == "100 % (44-100)"
    assert re.fullmatch(r"small sample \d+ % on the map", found["Malta"][1])


def test_many_countries_are_there_when_asked(rig: Rig) -> None:
    rig.watch()
    codes = "US GB DE FR ES IT NL BE PL SE NO DK FI IE PT AT CH CZ".split()
    rig.put(*(each for n, code in enumerate(codes) for each in some(100 * n, code, 2, 3)))
    html = panels(rig)["countries"]
    shown, _, more = html.partition("<details")
    assert "7 more countries" in more
    assert len(rows(shown)) + len(rows(more)) == len(codes) + 1  # and all together


def test_a_country_links_to_its_messages_on_the_map_and_in_the_table(world: Rig) -> None:
    shown = panels(world, window="6h", source="x")
    for html in (shown["map"], shown["countries"]):
        links = [dict(parse_qsl(unescape(link))) for link in re.findall(r'href="event\?([^"]+)"', html)]
        assert {"event": EVENT.id, "window": "6h", "source": "x", "country": "DE"} in links


def test_small_samples_are_hatched_and_drawn_towards_the_others(world: Rig) -> None:
    drawn = panels(world)["map"]
    assert drawn.count("ep-hatched") == 1
    found = {place.country: place for place in world.service.geography.of(EVENT.id, Selection()).authors.countries}
    assert shade(found["DE"]) == len(STEPS)
    assert (shade(found["MT"]) or 0) < len(STEPS)  # three of three, and drawn as about a third
    assert found["MT"].shares[Label.NEGATIVE].value == 1


def test_newsrooms_are_not_people(world: Rig) -> None:
    shown = panels(world)
    assert "Not on the map." in shown["publishers"]
    assert [row[0] for row in rows(shown["publishers"])] == ["France", "Not told by the domain"]
    assert "France" not in shown["countries"]


def test_a_stretch_can_be_left(world: Rig) -> None:
    shown = panels(world, start="2026-11-23T10:00:00Z", end="2026-11-23T11:00:00Z")
    assert "Show the whole window" in shown["sentence"]


def test_an_event_or_an_incident_that_is_not_there_is_said(world: Rig) -> None:
    shown = panels(world, event="<b>gone")
    assert "<b>gone" not in "".join(shown.values())
    assert "is not watched" in shown["banner"]
    assert dict(parse_qsl(shown["query"]))["event"] == EVENT.id
    assert "No such incident." in panels(world, incident="7")["banner"]


def test_the_numbers_can_be_taken_along(world: Rig) -> None:
    assert f'href="countries.csv?event={EVENT.id}&amp;window=6h"' in panels(world, window="6h")["take"]


def test_a_database_that_refuses_is_said(world: Rig) -> None:
    feed = MapFeed(world.service, Scopes(world.service, world.clock), world.clock)
    with world.broken(), pytest.raises(StoreError) as refused:
        feed.panels({})
    assert "be read right now" in feed.failed(refused.value)["banner"]
