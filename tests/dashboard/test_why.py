from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from app.core.errors import NotFound, StoreError
from app.core.incidents import Kind
from app.core.types import Label
from app.dashboard.scope import Scopes
from app.dashboard.view import View
from app.dashboard.why import Desk, WhyFeed, about
from app.services.insight import InsightStep
from tests.dashboard.rig import EVENT, HOSTILE, NOON, Rig, an_incident, record


@pytest.fixture
def filled(rig: Rig) -> Rig:
    """Usual talk for two days, and in the last hour many who say that the screen cracked."""
    rig.watch()
    usual = [
        record(n, NOON - timedelta(minutes=60 + 9 * n), list(Label)[n % 3], f"{word} is on its way to shop {n}")
        for n, word in enumerate(["delivery", "parcel", "order", "pre-order"] * 75)
    ]
    cracked = [
        record(
            1000 + n,
            NOON - timedelta(minutes=55 - n // 2),
            Label.NEGATIVE,
            f"my screen cracked, visitor {n} of the shop",
            author=f"angry{n}",
            source="x",
        )
        for n in range(100)
    ]
    rig.put(*usual, *cracked, record(5000, NOON - timedelta(minutes=5), Label.NEGATIVE, HOSTILE[0]))
    return rig


def feed(rig: Rig) -> WhyFeed:
    return WhyFeed(rig.service, Desk(rig.service, rig.clock), Scopes(rig.service, rig.clock))


def why(rig: Rig, view: View) -> str:
    return feed(rig).panels(dict(parse_qsl(view.to_query())))["why"]


LAST_HOUR = View(EVENT.id, start=NOON - timedelta(minutes=60), end=NOON)


def test_a_phrase_says_how_much_more_by_how_many_and_opens_its_messages(filled: Rig) -> None:
    html = why(filled, LAST_HOUR)
    assert "<q" in html
    row = next(part for part in html.split("<li") if "cracked" in part.split("</q>")[0])
    assert "100 authors" in row
    assert "new" in row
    assert "statement=phrase%3A" in row
    assert "see 100" in row
    assert 'aria-label="100 negative"' in row


def test_the_rise_is_a_table_from_before_to_now(filled: Rig) -> None:
    html = why(filled, LAST_HOUR)
    for part in ("Where the change comes from", "By source", "By story", "By author", ">Before<", ">Now<"):
        assert part in html
    assert "statement=source%3Ax" in html


def test_the_card_says_what_it_rests_on(filled: Rig) -> None:
    html = why(filled, LAST_HOUR)
    assert "Explained: 102 messages" in html
    assert "compared with: 299 messages" in html
    assert "false discovery rate 10 %" in html


def test_nothing_that_people_wrote_is_markup(filled: Rig) -> None:
    hostile = [
        record(6000 + n, NOON - timedelta(minutes=n % 50), Label.NEGATIVE, f"{HOSTILE[0]} no {n}", author=f'"><b>{n}')
        for n in range(80)
    ]
    filled.put(*hostile)
    html = why(filled, LAST_HOUR)
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<b>1" not in html


def test_an_empty_stretch_has_nothing_to_explain(filled: Rig) -> None:
    start = NOON - timedelta(days=30)
    assert "nothing to explain" in why(filled, View(EVENT.id, start=start, end=start + timedelta(hours=1)))


def test_without_an_event_there_is_nothing(filled: Rig) -> None:
    assert why(filled, View()) == ""


def test_an_incident_of_negative_messages_is_explained_by_these(filled: Rig) -> None:
    filled.incident(an_incident(1, hours_ago=1))
    html = why(filled, View(EVENT.id, incident=1))
    assert "Why, incident 1" in html
    assert '<option value="negative" selected>' in html
    assert "Explained: 102 negative messages" in html
    assert InsightStep.EVIDENCE in filled.store.incidents.steps(EVENT.id)[EVENT.id, 1]


@pytest.mark.parametrize(
    ("kind", "chosen", "label"),
    [
        (Kind.NEGATIVE_COUNT, "", Label.NEGATIVE),
        (Kind.VOLUME, "", None),
        (Kind.NEGATIVE_SHARE, "all", None),
        (Kind.VOLUME, "positive", Label.POSITIVE),
    ],
)
def test_what_is_explained_fits_or_is_chosen(filled: Rig, kind: Kind, chosen: str, label: Label | None) -> None:
    filled.incident(an_incident(1, kind=kind))
    scope = Scopes(filled.service, filled.clock).stretch(View(EVENT.id, incident=1, about=chosen))
    assert about(scope) == label


def test_negative_messages_are_compared_with_the_others(filled: Rig) -> None:
    view = View(EVENT.id, start=NOON - timedelta(hours=20), end=NOON, about="negative", against="rest")
    html = why(filled, view)
    assert "What the negative messages say and the others do not" in html
    assert "phrases compared with the others" in html


def test_a_card_is_made_once_a_minute(filled: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    card = filled.service.evidence.card
    monkeypatch.setattr(
        filled.service.evidence, "card", lambda *rest, **named: made.append(rest) or card(*rest, **named)
    )
    desk = Desk(filled.service, filled.clock)
    scopes = Scopes(filled.service, filled.clock)
    filters = (LAST_HOUR, View(EVENT.id, start=LAST_HOUR.start, end=NOON, label="negative", statement="source:x"))
    for view in filters:
        desk.card(scopes.stretch(view))
    assert len(made) == 1
    filled.clock.advance(60)
    desk.card(scopes.stretch(LAST_HOUR))
    assert len(made) == 2


def test_what_can_not_be_explained_is_said(filled: Rig) -> None:
    with pytest.raises(NotFound) as caught:
        why(filled, View("gone"))
    assert feed(filled).failed(caught.value) == {"why": ""}
    assert "can&#x27;t be found right now" in feed(filled).failed(StoreError("the <b>database</b>"))["why"]
    assert "<b>" not in feed(filled).failed(StoreError("the <b>database</b>"))["why"].replace("<strong>", "")
