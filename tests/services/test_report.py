"""Reports on a real store: what stands in them, and that nothing in them runs."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from app.adapters.store import Store
from app.core.errors import NotFound
from app.core.prevalence import Share
from app.core.types import Event, Label
from app.service import Service
from app.services.annotations import AnnotationDraft
from app.services.report import Reports
from app.services.report_html import ours, page, said
from app.settings import Settings
from app.views import Correction, Overview, Selection, Timeline
from tests.adapters.builders import EVENT, at, make, put
from tests.adapters.incident_builders import incident, opened
from tests.fakes.hostile import PAYLOADS
from tests.services.test_incidents import tell
from tests.serving.support import classify

NOW = at(120)
WINDOW = Selection(start=at(0), end=at(120))
_HARMLESS = frozenset(
    "html head meta title style body main h1 h2 p section table caption thead tbody tr th td div svg rect line text "
    "polyline polygon circle defs pattern span i ul li details summary blockquote footer bdi".split()
)
_LINKS = frozenset({"href", "src", "srcset", "action", "formaction", "data", "poster", "xlink:href"})


class Inspector(HTMLParser):
    """Collects what a browser could run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HARMLESS:
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name.startswith("on") or name in _LINKS]


def running(html: str) -> list[str]:
    inspector = Inspector()
    inspector.feed(html)
    return inspector.found


@pytest.fixture
def service(store: Store) -> Service:
    store.put_event(EVENT)
    return Service(store, classify, Settings(_env_file=None), now=lambda: NOW)


def fill(store: Store, start: float, negative: int, positive: int, text: str) -> None:
    labels = [Label.NEGATIVE] * negative + [Label.POSITIVE] * positive
    put(
        store,
        *(
            make(f"m{start}-{n}", start + n / 60, label=label, text=f"{text} {n}", author=f"author {n}", source="news")
            for n, label in enumerate(labels)
        ),
    )


def test_a_report_says_the_shares_with_intervals_and_what_they_rest_on(store: Store, service: Service) -> None:
    fill(store, -120, 20, 180, "an ordinary day")
    fill(store, 60, 120, 80, "the strap burns")
    made = service.reports.event(EVENT.id, WINDOW)
    html = made.content.decode()
    assert made.name == "cup-20260301T1400Z.html"
    assert "Negative share 60 % (" in html
    assert "up from 10 %" in html
    assert "200 messages" in html
    assert "tiny@1" in html
    assert "strap" in html


def test_the_same_data_gives_the_same_fingerprint(store: Store, service: Service) -> None:
    fill(store, 60, 12, 8, "the strap burns")

    def fingerprint() -> str:
        return service.reports.event(EVENT.id, WINDOW).content.decode().partition("fingerprint ")[2][:16]

    first = fingerprint()
    assert fingerprint() == first
    fill(store, 70, 1, 0, "one more")
    assert fingerprint() != first


def test_a_report_of_nothing_says_so(service: Service) -> None:
    assert b"No messages in this window." in service.reports.event(EVENT.id, WINDOW).content


def test_an_incident_is_reported_with_its_history_and_the_chart_around_it(store: Store, service: Service) -> None:
    fill(store, -60, 90, 410, "an ordinary day")
    fill(store, 0, 120, 180, "the strap burns")
    tell(store, opened(incident()))
    service.annotations.add(EVENT.id, AnnotationDraft(at=at(30), kind="statement", text="Our statement <b>"))
    html = service.reports.incident(EVENT.id, 1).content.decode()
    assert "World Cup: incident 1" in html
    assert "How it went" in html
    assert "Our statement &lt;b&gt;" in html
    with pytest.raises(NotFound):
        service.reports.incident(EVENT.id, 2)


def test_hostile_texts_names_and_authors_are_inert(store: Store, service: Service) -> None:
    store.put_event(Event(EVENT.id, PAYLOADS[0], EVENT.query))
    records = [
        make(f"h{n}", 60 + n / 60, label=Label.NEGATIVE, text=payload, author=payload[:50], source=payload[:40] or "x")
        for n, payload in enumerate(PAYLOADS)
    ]
    copies = [
        make(f"h{n}-{copy}", 70, label=Label.NEGATIVE, text=text, author=f"{copy}{text[:50]}", duplicate_of=f"h{n}")
        for n, text in enumerate(PAYLOADS)
        for copy in range(11)
    ]
    fill(store, -120, 5, 45, "an ordinary day")
    put(store, *records, *copies)
    service.annotations.add(EVENT.id, AnnotationDraft(at=at(61), text=PAYLOADS[0]))
    html = service.reports.event(EVENT.id, WINDOW).content.decode()
    assert "messages like it" in html  # payloads are quoted
    assert running(html) == []
    assert not set("\u202e\u2066\u2067\u2068\u2069\u200f") & set(html)


def test_every_hostile_text_is_inert_wherever_it_stands() -> None:
    assert running(page(PAYLOADS[0], [said(text) for text in PAYLOADS] + [ours(text) for text in PAYLOADS])) == []


class Corrected:
    """Numbers whose shares are corrected."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def overview(self, event_id: str, selection: Selection) -> Overview:
        found = self._service.overview(event_id, selection)
        shares = found.shares | {Label.NEGATIVE: Share(0.7, 0.5, 0.9, 200)}
        correction = Correction(
            corrected=True, models=("tiny@1",), evaluation_sets=("a-set",), evaluated=300, labelled=0, reason=None
        )
        return replace(found, shares=shares, correction=correction)

    def timeline(self, event_id: str, selection: Selection, step_s: int | None = None) -> Timeline:
        return self._service.timeline(event_id, selection, step_s)


def test_the_line_of_the_chart_is_told_from_the_corrected_share(store: Store, service: Service) -> None:
    fill(store, 60, 120, 80, "the strap burns")
    plain = service.reports.event(EVENT.id, WINDOW).content.decode()
    assert "The line is the share as classified, step by step, with its sampling error alone." in plain
    assert "Not corrected for the classifier&#x27;s errors: the errors of tiny@1 were not measured." in plain
    corrected = Reports(Corrected(service), service.incidents, service.evidence, service.annotations, lambda: NOW)
    html = corrected.event(EVENT.id, WINDOW).content.decode()
    assert "Corrected for the classifier&#x27;s errors, which were measured on 1 labelled set (300 texts)." in html
    assert "It goes with the 60 % (53-67) as classified, not with the corrected share." in html
    assert "<th>As classified</th>" in html
    assert "70 % (50-90)" in html
