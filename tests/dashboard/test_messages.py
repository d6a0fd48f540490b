from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import pytest

from app.adapters.records import MessagePage, StoredMessage
from app.core.feedback import HumanLabel, MessageVerdict
from app.core.types import Label
from app.dashboard.messages import card, encode
from tests.dashboard.rig import HOSTILE, NOON, record

OURS = {"article", "p", "ul", "li", "span", "i", "bdi", "time"}


def message(
    number: int, at: datetime, label: Label = Label.NEUTRAL, text: str | None = None, **fields: str
) -> StoredMessage:
    """A message as the store gives it."""
    made = record(number, at, label, text, **fields)
    return StoredMessage(made.message, made.prediction, 0, made.content_hash, at, at)


class Tags(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_never_becomes_markup(text: str) -> None:
    found = Tags(card(message(1, NOON, text=text)))
    assert found.tags <= OURS
    assert not any(name.startswith("on") for name in found.names)
    assert text in found.text


@pytest.mark.parametrize("field", ["author", "publisher", "country", "lang", "source"])
def test_hostile_fields_are_escaped_too(field: str) -> None:
    hostile = '"><script>alert(1)</script>'
    found = Tags(card(message(1, NOON, Label.UNSCORED, **{field: hostile})))
    assert found.tags <= OURS


def test_a_hostile_id_stays_in_its_attribute() -> None:
    item = message(1, NOON)
    found = Tags(card(replace(item, message=replace(item.message, id='" onclick="alert(1)'))))
    assert found.names <= {"class", "data-key", "dir", "aria-hidden", "data-form", "datetime", "title", "tabindex"}


def test_control_characters_and_lone_surrogates_do_no_harm() -> None:
    html = card(message(1, NOON, text="a\x00b\x1b[31m\ud800c"))
    assert html.encode("utf-8")
    assert "\x00" not in html
    assert "\x1b" not in html


def test_the_text_keeps_its_own_direction() -> None:
    assert '<p class="ep-text" dir="auto">' in card(message(1, NOON, text=HOSTILE[3]))


def test_a_card_says_label_confidence_source_time_country_and_copies() -> None:
    item = replace(message(1, NOON, Label.NEGATIVE, "Broken.", country="GB"), copies=84)
    text = Tags(card(item)).text
    for part in ("Broken.", "Negative 86\u00a0% sure", "X", "12:00:00 UTC", "United Kingdom", "x 84 copies"):
        assert part in text


def judged(verdict: MessageVerdict, *, who: str = "ann", disputed: bool = False) -> HumanLabel:
    return HumanLabel(verdict, who, NOON, 2 if disputed else 1, disputed)


def test_what_people_say_goes_before_what_the_model_says_and_the_counts_stay_the_models() -> None:
    item = replace(message(1, NOON, Label.NEGATIVE), feedback=judged(MessageVerdict.POSITIVE))
    found = Tags(card(item))
    assert "Positive by ann; counted as negative, as the model says (86\u00a0% sure)" in found.text
    assert 'class="ep-card ep-edge-positive"' in card(item)
    assert found.tags <= OURS


def test_people_may_say_off_topic_disagree_or_be_the_only_ones_to_say_anything() -> None:
    off = replace(message(1, NOON, Label.NEGATIVE), feedback=judged(MessageVerdict.OFF_TOPIC, disputed=True))
    assert "Off-topic by ann, 2 people disagree; counted as negative" in Tags(card(off)).text
    assert "ep-edge-off-topic" in card(off)
    alone = replace(message(1, NOON, Label.UNSCORED), feedback=judged(MessageVerdict.NEUTRAL, who="<b>"))
    assert "Neutral by <b>; not scored by the model" in Tags(card(alone)).text
    assert Tags(card(alone)).tags <= OURS


def test_an_unscored_message_says_so() -> None:
    assert "Not scored (language: ja)" in Tags(card(message(1, NOON, Label.UNSCORED, lang="ja"))).text


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert "… 500 more characters" in card(message(1, NOON, text="a" * 2000))


def test_an_empty_page_says_why() -> None:
    made = json.loads(encode(MessagePage((), None), empty="None fits.", following=True, scope="s"))
    assert made == {"html": '<p class="ep-none">None fits.</p>', "following": True, "scope": "s"}
