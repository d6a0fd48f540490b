"""Evidence cards from a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event as listen

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.errors import InvalidInput, NotFound
from app.core.evidence import Dimension
from app.core.types import Event, Label
from app.services import evidence
from app.services.evidence import Against, Evidence, EvidenceCard, Ground, statements
from app.views import Selection
from tests.adapters.builders import EVENT, at, make, put
from tests.core.test_phrases import chatter

DAY = 24 * 60
WINDOW = Selection(start=at(0), end=at(60))


def records(count: int, seed: int, start: float, minutes: float, label: Label, extra: str = "") -> list[Record]:
    """Messages of different people; with `extra`, every second one says it."""
    return [
        make(
            f"{seed}-{number:03}",
            start + minutes * number / count,
            text=said.text,
            author=said.author,
            label=label,
            url=f"https://x.com/i/{number}",
        )
        for number, said in enumerate(chatter(count, seed, extra, 0.5))
    ]


@pytest.fixture
def store(store: Store) -> Store:
    """Two quiet days, then an hour in which half of the negative messages speak of a refund; ten repeat the first."""
    store.put_event(EVENT)
    put(store, *records(200, 1, -2 * DAY, 2 * DAY, Label.NEUTRAL))
    put(store, *records(100, 2, -2 * DAY, 2 * DAY, Label.NEGATIVE))
    put(store, *records(60, 3, 0, 60, Label.NEUTRAL))
    put(store, *records(80, 4, 0, 60, Label.NEGATIVE, "refund refused"))
    copies = [
        make(f"copy-{n}", 30 + n, text="RT", author=f"fan {n}", duplicate_of="4-000", label=Label.NEGATIVE)
        for n in range(10)
    ]
    put(store, *copies)
    return store


@pytest.fixture
def cards(store: Store) -> Evidence:
    return Evidence(store, lambda: at(120))


def opened(cards: Evidence, card: EvidenceCard, statement: str) -> list[str]:
    return [item.message.id for item in cards.messages(card, statement, limit=500).items]


def test_a_card_says_what_why_and_on_what_it_rests(cards: Evidence, store: Store) -> None:
    card = cards.card(EVENT.id, WINDOW)
    assert (card.event_id, card.selection, card.label, card.version) == (
        EVENT.id,
        WINDOW,
        None,
        store.version(EVENT.id),
    )
    assert card.window == Ground(at(0), at(60), 150, 150)
    assert card.before == Ground(at(-2 * DAY), at(0), 300, 300)
    assert (card.window.sampled, card.rest) == (False, None)
    assert card.drivers.rate == 150
    assert card.drivers.rate_before == pytest.approx(300 / 48)
    assert card.drivers.phrases[0].text == "refund refused"
    assert card.drivers.phrases[0].counts[Label.NEGATIVE].raw == 50


def test_every_statement_opens_its_messages(cards: Evidence) -> None:
    card = cards.card(EVENT.id, WINDOW)
    refused = [f"4-{number:03}" for number in reversed(range(40))]
    assert opened(cards, card, "phrase:refund refused") == refused
    authors = next(breakdown.parts for breakdown in card.drivers.breakdowns if breakdown.by is Dimension.AUTHOR)
    for part in authors[:-1]:
        page = cards.messages(card, f"author:{part.key}")
        assert {item.message.author for item in page.items} == {part.key}
    story = card.drivers.stories[0]
    assert set(opened(cards, card, f"story:{story.exemplar}")) >= set(refused)
    for name, ids in statements(card.drivers).items():
        assert sorted(opened(cards, card, name)) == sorted(ids)


def test_opened_messages_are_paged(cards: Evidence) -> None:
    card = cards.card(EVENT.id, WINDOW)
    first = cards.messages(card, "phrase:refund refused", limit=30)
    second = cards.messages(card, "phrase:refund refused", limit=30, after=first.next)
    assert [len(first.items), len(second.items), second.next] == [30, 10, None]
    assert first.items[-1].message.created_at > second.items[0].message.created_at
    with pytest.raises(NotFound, match="no statement 'phrase:nothing'"):
        cards.messages(card, "phrase:nothing")
    with pytest.raises(InvalidInput, match="limit"):
        cards.messages(card, "phrase:refund refused", limit=0)


def test_the_messages_that_a_card_shows_come_with_it(cards: Evidence, store: Store) -> None:
    card = cards.card(EVENT.id, WINDOW)
    shown = {id_ for story in card.drivers.stories for id_ in (story.exemplar, story.first)}
    assert set(card.quoted) == {*shown, card.drivers.first}
    assert card.quoted["4-000"].copies == 10
    story = card.drivers.stories[0]
    store.delete_messages(EVENT.id, [story.exemplar])
    assert story.exemplar not in cards.card(EVENT.id, WINDOW).quoted


def test_the_rise_of_negative_messages_is_explained_on_its_own(cards: Evidence) -> None:
    card = cards.card(EVENT.id, WINDOW, label=Label.NEGATIVE)
    assert (card.window.messages, card.before and card.before.messages) == (90, 100)
    assert card.drivers.phrases[0].text == "refund refused"
    assert set(card.drivers.counts) == {Label.NEGATIVE}


def test_negative_messages_are_told_from_the_rest(cards: Evidence, store: Store) -> None:
    put(store, make("fr", 5, text="refund refused partout", label=Label.UNSCORED))
    card = cards.card(EVENT.id, WINDOW, label=Label.NEGATIVE, against=Against.REST)
    assert card.rest == Ground(at(0), at(60), 60, 60)  # what nobody scored is neither
    phrase = card.drivers.phrases[0]
    assert (phrase.text, phrase.authors, phrase.authors_before) == ("refund refused", 40, 0)
    assert card.drivers.rate_before == pytest.approx(100 / 48)


@pytest.mark.parametrize("label", [None, Label.UNSCORED])
def test_there_is_no_rest_without_a_label(cards: Evidence, label: Label | None) -> None:
    with pytest.raises(InvalidInput, match="negative, neutral or positive"):
        cards.card(EVENT.id, WINDOW, label=label, against=Against.REST)


def test_a_source_or_a_country_is_explained_on_its_own(cards: Evidence, store: Store) -> None:
    put(store, make("n1", 5, source="news", country=None), make("n2", -600, source="news", country=None))
    for chosen in (replace(WINDOW, source="news"), replace(WINDOW, country="??")):
        card = cards.card(EVENT.id, chosen)
        assert (card.window.messages, card.before and card.before.messages) == (1, 1)


def test_at_most_seven_days_before_are_looked_at_or_as_much_as_a_longer_window(cards: Evidence, store: Store) -> None:
    put(store, make("old", -40 * DAY))
    card = cards.card(EVENT.id, WINDOW)
    assert card.before is not None
    assert (card.before.start, card.before.end) == (at(-7 * DAY), at(0))
    card = cards.card(EVENT.id, Selection(start=at(-10 * DAY), end=at(60)))
    assert card.before is not None
    assert card.before.end - card.before.start == card.window.end - card.window.start > timedelta(days=10)


def test_the_first_window_has_nothing_before_it(cards: Evidence) -> None:
    card = cards.card(EVENT.id, Selection(start=at(-3 * DAY), end=at(60)))
    assert (card.before, card.drivers.rate_before, card.drivers.phrases) == (None, None, ())
    assert card.drivers.breakdowns[-1].by is Dimension.COUNTRY


def test_what_has_not_come_yet_is_no_part_of_the_window(cards: Evidence, store: Store) -> None:
    store.put_page(EVENT.id, "x", [], Progress(live_to=at(30)))
    ahead = cards.card(EVENT.id, Selection(start=at(50), end=at(600)))
    newest = at(79 * 60 / 80) if at(79 * 60 / 80) > at(59) else at(59)
    assert ahead.window.end == newest + timedelta(minutes=1)
    assert ahead.selection.end == at(600)
    later = cards.card(EVENT.id, Selection(start=at(700), end=at(800)))
    assert (later.window.messages, later.drivers.rate, later.drivers.stories) == (0, 0, ())


def test_the_last_hours_end_with_the_newest_data(cards: Evidence) -> None:
    card = cards.card(EVENT.id, Selection(hours=1))
    assert card.selection.end == at(60)
    assert card.window.messages == 150


def test_an_event_without_messages_has_an_empty_card(cards: Evidence, store: Store) -> None:
    store.put_event(Event("new", "New", "new"))
    card = cards.card("new", Selection(hours=24))
    assert (card.window.messages, card.before, card.quoted) == (0, None, {})
    with pytest.raises(NotFound, match="nowhere"):
        cards.card("nowhere", WINDOW)


class Counted:
    """Counts the statements that read whole windows."""

    def __init__(self, store: Store) -> None:
        self.reads = 0
        listen.listen(store.engine, "before_cursor_execute", self._before)

    def _before(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.reads += "coalesce(messages.duplicate_of" in statement


def test_a_card_is_made_again_only_when_its_messages_have_changed(cards: Evidence, store: Store) -> None:
    counted = Counted(store)
    first = cards.card(EVENT.id, WINDOW)
    made = counted.reads
    assert made > 0
    # The event goes on, the window and what was before it do not.
    put(store, make("later", 90))
    again = cards.card(EVENT.id, WINDOW)
    assert (counted.reads, again.drivers) == (made, first.drivers)
    assert again.version > first.version
    put(store, make("late", 20))
    assert cards.card(EVENT.id, WINDOW).window.messages == 151
    assert counted.reads == 2 * made
    store.delete_messages(EVENT.id, ["1-000"])
    changed = cards.card(EVENT.id, WINDOW).before
    assert changed is not None
    assert changed.messages == 299


def test_large_sides_are_sampled_and_say_so(cards: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_MESSAGES", 100)
    monkeypatch.setattr(evidence, "MOST_BEFORE", 150)
    card = cards.card(EVENT.id, WINDOW)
    assert card.before is not None
    assert card.window.sampled
    assert card.before.sampled
    assert (card.window.messages, card.before.messages) == (150, 300)
    assert card.window.read <= 100
    assert card.drivers.rate == pytest.approx(150)
    assert card.drivers.phrases[0].text == "refund refused"


def test_a_window_that_cannot_be_is_refused(cards: Evidence) -> None:
    with pytest.raises(InvalidInput, match="ends before"):
        cards.card(EVENT.id, Selection(start=at(1), end=at(0)))
