import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.text import clean, comparison_text, content_hash, fold, is_unspaced, model_text, words

# Any text at all, lone surrogates and text that looks like an escape included.
PIECES = [
    "&",
    "amp;",
    "#38;",
    "\\",
    "u005c",
    "u0041",
    "\\ud83d",
    "@",
    "#",
    "RT @a: ",
    "http://",
    "www.",
    "😡",
    "❤️",
    "\u0327",
    "é",
]
WILD = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z", "C")), max_size=60) | st.lists(
    st.sampled_from(PIECES) | st.characters(categories=("L", "M", "N", "P", "S", "Z", "C")), max_size=25
).map("".join)


@pytest.mark.parametrize(
    ("raw", "repaired"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("a &amp;amp;lt; b", "a < b"),
        (r"it\u2019s \u0026amp; all", "it’s & all"),
        (r"\u005cu0041", "A"),
        (r"\ud83d\ude00 literal pair", "😀 literal pair"),
        ("\ud83d\ude00 real pair", "😀 real pair"),
        ("lone \ud83d here", "lone \ufffd here"),
        ("cafe\u0301", "café"),
        ("zero\u200bwidth\ufeff and\tspace\n", "zerowidth and space"),
        ("👨‍👩‍👧 ❤️", "👨‍👩‍👧 ❤️"),
    ],
)
def test_clean_repairs_what_transport_did(raw: str, repaired: str) -> None:
    assert clean(raw) == repaired


def test_the_model_reads_handles_and_links_as_in_its_training_data() -> None:
    assert model_text("@NASA look https://t.co/x &amp; www.nasa.gov! me@x.org") == "@user look http & http me@x.org"


@settings(max_examples=150)
@given(WILD)
def test_every_text_form_is_idempotent_and_can_be_stored(text: str) -> None:
    for form in (clean, model_text, comparison_text, fold):
        once = form(text)
        assert form(once) == once
    for form in (clean, model_text, comparison_text):
        form(text).encode("utf-8")
    assert len(content_hash(text)) == 32


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("love it 😂", "love it face with tears of joy"),
        ("no😡way", "no enraged face way"),
        ("❤️❤️ ❤️ and ❤️", "red heart and red heart"),
        ("@NASA👍🏽", "@user thumbs up"),
        ("🔥💀🔥", "fire skull fire"),
        ("café ¿qué?", "café ¿qué?"),
    ],
)
def test_the_model_reads_emoji_by_their_names(text: str, read: str) -> None:
    assert model_text(text) == read


@given(WILD, st.sampled_from("😡😍😀🔥💀"))
def test_emoji_survive(text: str, emoji: str) -> None:
    for form in (clean, comparison_text):
        assert emoji in form(f"{text} {emoji}")


@pytest.mark.parametrize(
    "attack",
    [
        "&" + "amp;" * 100_000,
        "\\" + "u005c" * 100_000,
        "&#38;" * 100_000,
        r"\u0026bsol;" + "u0026bsol;" * 40_000,
        "😀" * 250_000,
        "@" * 500_000,
        "RT @a " * 80_000,
        "\ud83d" * 500_000,
    ],
)
def test_half_a_megabyte_of_nonsense_takes_no_time(attack: str) -> None:
    started = time.perf_counter()
    once = clean(attack)
    assert time.perf_counter() - started < 2
    assert clean(once) == once


def test_duplicates_differ_in_retweet_mark_handle_link_case_and_punctuation_only() -> None:
    original = "Great, GREAT keynote by @apple! https://t.co/1"
    assert comparison_text(original) == "great great keynote by"
    for copy in ("RT @tim: Great, great keynote by @APPLE https://t.co/2", "rt @a: RT @b Great great... keynote – by!"):
        assert content_hash(copy) == content_hash(original)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("great 😡", "great 😍"),
        ("😡", "😍"),
        ("https://t.co/1", "https://t.co/2"),
        ("résumé", "resume"),
        ("!!!", "???"),
    ],
)
def test_what_means_something_else_is_no_duplicate(one: str, other: str) -> None:
    assert content_hash(one) != content_hash(other)


def test_folding_gives_every_spelling_of_a_word_one_form() -> None:
    assert fold("ＡＰＰＬＥ Apple™ STRASSE straße 𝗡𝗼𝘄") == "apple apple tm strasse strasse now"
    assert fold("#Apple: joe@apple.com, @Apple ❤️!") == "#apple joe apple com @apple ❤"
    assert words(fold("C'est #déjà_vu @ 9,5")) == ["c", "est", "déjà_vu", "9", "5"]


def test_scripts_without_spaces_are_read_character_by_character() -> None:
    assert words("iphone手机 好") == ["iphone", "手", "机", "好"]
    assert is_unspaced("สวัสดี")
    assert not is_unspaced("Привет, हिन्दी")
    assert words(fold("हिन्दी भाषा")) == ["हिन्दी", "भाषा"]
