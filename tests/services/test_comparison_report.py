"""Reports of comparisons on a real store: what stands in them, and that nothing in them runs."""

from __future__ import annotations

import pytest

from app.adapters.database import storable
from app.adapters.store import Store
from app.core.errors import InvalidInput, NotFound
from app.core.types import Event
from app.services.annotations import AnnotationDraft, Annotations
from app.services.before_after import Around, BeforesAfters
from app.services.comparison import ComparisonDraft, Comparisons
from app.services.comparison_report import ComparisonReports
from app.services.evidence import Evidence
from app.services.exports import File
from app.services.shares import Shares
from tests.fakes.hostile import PAYLOADS
from tests.services.test_comparison import HOUR, KNOWN, NOON, NOW, Feed, side
from tests.services.test_report import running


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def reports(store: Store, feed: Feed) -> ComparisonReports:
    comparisons = Comparisons(store, Shares(store, KNOWN.get), lambda: NOW)
    return ComparisonReports(
        comparisons, BeforesAfters(store, comparisons, lambda: NOW), Evidence(store, lambda: NOW), lambda: NOW
    )


def inert(file: File) -> str:
    """The report, after a look that nothing in it could run."""
    html = file.content.decode()
    assert set(running(html)) <= {"ol", "b", "br"}
    return html


def test_a_report_has_verdicts_numbers_chart_and_what_it_rests_on(reports: ComparisonReports, feed: Feed) -> None:
    feed.put(40, 160)
    feed.put(120, 80, NOON + HOUR)
    made = reports.sides(ComparisonDraft(sides=(side(), side(start=NOON + HOUR))))
    html = inert(made)
    assert made.name == "comparison.html"
    assert "higher than Cup, from 12:00 to 13:00 UTC, by " in html
    assert html.count("<polyline") >= 4
    assert "not corrected" not in html.lower()
    assert "Corrected for the classifier&#x27;s errors" in html
    assert "20 % (15-26)" in html  # as classified
    assert "50 % (45-55)" in html  # voice
    assert "v1" in html


def test_what_stands_against_it_is_in_the_report(reports: ComparisonReports, feed: Feed) -> None:
    feed.put(40, 160)
    html = inert(reports.sides(ComparisonDraft(sides=(side(), side(hours=2)))))
    assert "Before you quote it" in html
    assert "have messages in common" in html
    assert "Share of voice" not in html


def test_before_and_after_says_what_people_said_more(reports: ComparisonReports, feed: Feed, store: Store) -> None:
    feed.put(240, 160, NOON - HOUR)
    feed.put(80, 320)
    draft = AnnotationDraft(at=NOON, kind="statement", text="Our statement <b>")
    note = Annotations(store, lambda: NOW).add("cup", draft)
    html = inert(reports.around("cup", Around(annotation_id=note.id, hours=1)))
    assert "in the 1 h after" in html
    assert "Our statement &lt;b&gt;" in html
    assert "does not say that it came of it" in html
    assert "Phrases are those" in html


def test_the_same_data_gives_the_same_fingerprint(reports: ComparisonReports, feed: Feed) -> None:
    feed.put(40, 160)
    feed.put(40, 160, event="league")

    def fingerprint() -> str:
        made = reports.sides(ComparisonDraft(sides=(side(), side("league"))))
        return made.content.decode().partition("fingerprint ")[2][:16]

    first = fingerprint()
    assert fingerprint() == first
    feed.put(1, 0)
    assert fingerprint() != first


def test_hostile_names_are_inert(reports: ComparisonReports, feed: Feed, store: Store) -> None:
    feed.put(40, 160)
    own = running(inert(reports.sides(ComparisonDraft(sides=(side(), side("league"))))))
    for name in [text for text in PAYLOADS[::9] if storable(text)]:
        store.put_event(Event("cup", name, "*"))
        html = inert(reports.sides(ComparisonDraft(sides=(side(), side("league")))))
        assert running(html) == own
        assert not set("\u202e\u2066\u2067\u2068\u2069\u200f") & set(html)


def test_what_can_not_be_compared_is_refused(reports: ComparisonReports) -> None:
    with pytest.raises(NotFound):
        reports.sides(ComparisonDraft(sides=(side(), side("none"))))
    with pytest.raises(InvalidInput):
        reports.around("cup", Around(at=NOW + HOUR))
