"""The words of texts as numbers, and the phrases that many writers use."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ngrams import BREAK, CHARACTER, FULL, STOP, WEAK, Corpus, grams, kind_of, read, texts_with, words_of

# Words of every kind, marks that end a phrase, links, handles and scripts.
PIECES = (
    *("strap", "Strap", "STRAP!", "burned", "the", "on", "not", "31", "#LumenWatch", "don't", "watch's", "“hot”"),
    *(
        "https://t.co/x",
        "@somebody",
        "RT",
        "cut…",
        "😂",
        "👍🏽",
        "🇳🇴",
        "腕時計",
        "ストラップ",
        "gluéd",
        "a-b",
        "&amp;",
        "...",
    ),
)
texts = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        ("Strap", ["strap"]),
        ("strap,", ["strap"]),
        ("(strap", ["strap"]),
        ("strap!!", ["strap", ""]),
        ("“strap”", ["strap", ""]),
        ("don't", ["don't"]),
        ("don’t", ["don't"]),
        ("Watch's", ["watch"]),
        ("#LumenWatch", ["#lumenwatch"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("a-b/c", ["a", "b", "c"]),
        ("AT&amp;T", ["at", "t"]),
        ("https://t.co/abc", [""]),
        ("(www.example.com)", [""]),
        ("see:https://t.co/abc", ["see"]),
        ("@haldenvik:", [""]),
        (".@haldenvik", [""]),
        ("overhea…", [""]),
        ("😂😂😂", ["😂"]),
        ("👍🏽", ["👍"]),
        ("🇳🇴🇸🇪", ["🇳🇴", "🇸🇪"]),
        ("腕時計", ["腕", "時", "計"]),
        ("हिन्दी", ["हिन्दी"]),
        ("Čeština", ["čeština"]),
        ("...", [""]),
    ],
)
def test_a_piece_of_text_is_its_words_and_breaks(piece: str, words: list[str]) -> None:
    assert words_of(piece) == words


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("", BREAK),
        ("rt", BREAK),
        ("a" * 41, BREAK),
        ("the", STOP),
        ("x", STOP),
        ("not", WEAK),
        ("31", WEAK),
        ("腕", CHARACTER),
        ("strap", FULL),
        ("😂", FULL),
    ],
)
def test_a_word_has_its_place_in_a_phrase(word: str, kind: int) -> None:
    assert kind_of(word) == kind


def spelled_tokens(corpus: Corpus) -> list[list[str]]:
    count = int(corpus.texts.max(initial=-1)) + 1
    return [[corpus.vocabulary[token] for token in corpus.tokens[corpus.texts == text]] for text in range(count)]


@given(st.lists(texts, max_size=6))
def test_reading_in_columns_is_reading_piece_by_piece(some: list[str]) -> None:
    expected = [[word for piece in text.split() for word in words_of(piece)] + [""] for text in some]
    assert spelled_tokens(read(some)) == expected


@given(st.lists(st.text(), max_size=4))
def test_any_unicode_is_read(some: list[str]) -> None:
    corpus = read([text.encode("utf-8", "replace").decode() for text in some])
    assert len(corpus.tokens) == len(corpus.texts)
    assert np.array_equal(np.unique(corpus.texts), np.arange(len(some)))


def test_no_texts_have_no_words() -> None:
    counted, written = grams(read([]), np.empty(0, dtype=np.int64), 0, 1)
    assert [len(some.words) for some in counted] == [0, 0, 0]
    assert written == (0, 0)


def phrases_of(text: str) -> set[tuple[str, ...]]:
    """The phrases of a text, the plain way."""
    tokens = [word for piece in text.split() for word in words_of(piece)]
    found = set()
    for length in (1, 2, 3):
        for start in range(len(tokens) - length + 1):
            phrase = tuple(tokens[start : start + length])
            kinds = [kind_of(word) for word in phrase]
            bare = length > 1 and set(kinds) == {CHARACTER}
            whole = BREAK not in kinds and kinds[0] >= WEAK and kinds[-1] >= WEAK
            if whole and (FULL in kinds or bare):
                found.add(phrase)
    return found


@given(st.lists(st.tuples(texts, st.integers(0, 3)), min_size=1, max_size=8), st.integers(1, 3))
def test_phrases_are_counted_by_their_writers(some: list[tuple[str, int]], least: int) -> None:
    some = sorted(some, key=lambda each: each[1])  # the window's writers first
    split = 2
    corpus = read([text for text, _ in some])
    writers = np.array([writer for _, writer in some], dtype=np.int64)
    users: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    for text, writer in some:
        for phrase in phrases_of(text):
            users[phrase].add(writer)
    expected = {
        phrase: (sum(writer < split for writer in used), sum(writer >= split for writer in used))
        for phrase, used in users.items()
        if len(used) >= least
    }
    counted, written = grams(corpus, writers, split, least)
    found = {
        tuple(corpus.vocabulary[token] for token in words): (window, before)
        for each in counted
        for words, window, before in zip(each.words.tolist(), each.window.tolist(), each.before.tolist(), strict=True)
    }
    assert found == expected
    single = [used for phrase, used in users.items() if len(phrase) == 1]
    assert written[0] == sum(writer < split for used in single for writer in used)
    assert sum(written) == sum(map(len, single))


@given(st.lists(texts, min_size=1, max_size=8))
def test_the_texts_with_a_phrase_are_found(some: list[str]) -> None:
    corpus = read(some)
    phrases = sorted({phrase for text in some for phrase in phrases_of(text)})
    numbers = {word: number for number, word in enumerate(corpus.vocabulary)}
    found = texts_with(corpus, [tuple(numbers[word] for word in phrase) for phrase in phrases])
    for phrase, where in zip(phrases, found, strict=True):
        assert where.tolist() == [number for number, text in enumerate(some) if phrase in phrases_of(text)]


def test_a_phrase_is_spelled_as_its_script_has_it() -> None:
    corpus = read(["lumen watch 腕時計 😂"])
    numbers = {word: number for number, word in enumerate(corpus.vocabulary)}
    assert corpus.spelled([numbers["lumen"], numbers["watch"]]) == "lumen watch"
    assert corpus.spelled([numbers["watch"], numbers["腕"], numbers["時"], numbers["😂"]]) == "watch 腕時 😂"


def test_the_head_of_a_corpus_is_its_first_texts() -> None:
    corpus = read(["a strap", "hot", "burned"])
    assert spelled_tokens(corpus.head(2)) == [["a", "strap", ""], ["hot", ""]]
    assert spelled_tokens(corpus.head(9)) == spelled_tokens(corpus)
