"""The words of many texts as numbers, and the one to three consecutive words that many of them share.

Written for 100,000 texts a second or so: texts are cut at white space, and only the distinct pieces are looked at one
by one; all counting is done on arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.core.text import clean, fold, is_unspaced, words

Ints = NDArray[np.int64]

# What a word may be in a phrase. A stop word stands in the middle only, a weak word at an end but not alone.
BREAK: Final = 0
STOP: Final = 1
WEAK: Final = 2
CHARACTER: Final = 3  # of a script without spaces: two or more of them make a phrase
FULL: Final = 4

_STOPS: Final = frozenset(
    """
    a about all also am an and any are as at be because been being both but by could did do does doing each either
    else ever every for from get gets getting go goes going got had has have having he her here hers him his how i if
    i'd i'll i'm i've im in into is it its itself just let like lot made make me mine more most much my myself of one or
    other our ours own quite rather really same say says said she should so some still such than that the their theirs
    them then there these they they'd they'll they're they've thing things this those though through to too u ur us very
    via was we we'd we'll we're we've well were what when where whether which while who whom whose why will with would
    yes yet you you'd you'll you're you've your yours ya yall y'all he'll she'll it'll it'd that'll who's amp gonna
    wanna gotta know think see even am pm oh ok okay please pls
    """.split()
)
_WEAK: Final = frozenset(
    """
    again against ain't aint after before back can can't cannot cant couldn't didn't didnt doesn't doesnt don't dont
    down first hasn't haven't isn't isnt it's last less many may might must never new next no nobody none nor not
    nothing now off on only once out over shouldn't since today tomorrow tonight under until up wasn't wasnt weren't
    without won't wont wouldn't yesterday
    """.split()
)
_SKIN_TONES: Final = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
_FLAG_PART: Final = re.compile("[\U0001f1e6-\U0001f1ff]")
# An apostrophe within a word, in its four spellings; U+02BC is a letter, so folding keeps it.
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’‘`](?=\w)")
_LETTER_APOSTROPHE: Final = "\u02bc"
_LONGEST_WORD: Final = 40
_EDGES: Final = "\"'.,!?:;()[]{}*~“”‘’«»"
_CLOSERS: Final = '.!?:;)]"”»|'
_PLAIN: Final = re.compile(r"#?[a-z0-9]+(?:'[a-z0-9]+)*")
_LINKS: Final = ("http:", "https:", "www.")
_GLUED_LINK: Final = re.compile(r"https?://.*", re.IGNORECASE | re.DOTALL)


def words_of(piece: str) -> list[str]:
    """The words of a piece of text without white space; "" is a break that no phrase goes across.

    Folded as everywhere (`app.core.text.fold`). Hashtags and emoji are words; links, handles and words that X has cut
    off ("…") are breaks, and so is what ends a sentence. A possessive loses its 's.
    """
    lowered = piece.lower()
    trimmed = lowered.strip(_EDGES)
    if _PLAIN.fullmatch(trimmed):
        made = [trimmed.removesuffix("'s")]
    elif trimmed.startswith((*_LINKS, "@")) or lowered.endswith("…"):
        return [""]
    else:
        made = _folded(piece)
    return [*made, ""] if lowered.endswith(tuple(_CLOSERS)) else made


def _folded(piece: str) -> list[str]:
    if "&" in piece or "\\" in piece:
        piece = clean(piece)
    if "://" in piece:
        piece = _GLUED_LINK.sub(" ", piece)
    made: list[str] = []
    for word in fold(_APOSTROPHE.sub(_LETTER_APOSTROPHE, piece)).split():
        spelled = word.replace(_LETTER_APOSTROPHE, "'").removesuffix("'s")
        if word[0] == "@":
            made.append("")
        elif is_unspaced(word):
            made += words(word)
        elif made and _FLAG_PART.fullmatch(word) and _FLAG_PART.fullmatch(made[-1]):
            made[-1] += word
        elif word not in _SKIN_TONES and not (made and made[-1] == spelled):
            made.append(spelled)
    return made


def kind_of(word: str) -> int:
    """What a word may be in a phrase."""
    if word in {"", "rt"} or len(word) > _LONGEST_WORD:
        return BREAK
    if word in _STOPS:
        return STOP
    if word in _WEAK or word.isdigit():
        return WEAK
    if len(word) > 1 or not word.isalnum():
        return FULL
    return CHARACTER if is_unspaced(word) else STOP


def number(values: Sequence[str]) -> tuple[Ints, list[str]]:
    """The number of each value, and the values by number, in the order in which they first occur."""
    encoded = pa.array(values, pa.large_string()).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts as numbered words: `tokens` of all of them, one after another, and for each the number of its text.

    Each text ends with a break. `vocabulary` and `kinds` tell what a number is; `BREAK` is number 0.
    """

    tokens: Ints
    texts: Ints
    vocabulary: Sequence[str]
    kinds: Ints

    def head(self, texts: int) -> Corpus:
        """The first so many texts."""
        end = int(np.searchsorted(self.texts, texts))
        return Corpus(self.tokens[:end], self.texts[:end], self.vocabulary, self.kinds)

    def spelled(self, phrase: Iterable[int]) -> str:
        """The words of a phrase, with spaces between them where the script has them."""
        made, after_bare = "", False
        for token in phrase:
            bare = bool(self.kinds[token] == CHARACTER)
            made += self.vocabulary[token] if not made or (bare and after_bare) else f" {self.vocabulary[token]}"
            after_bare = bare
        return made


def read(texts: Sequence[str]) -> Corpus:
    """Take texts apart. They must be valid Unicode, as every stored text is."""
    cut = pc.ascii_split_whitespace(pa.array(texts, pa.large_string()))
    encoded = cut.values.dictionary_encode()
    pieces = _words_of_all(encoded.dictionary)
    flat, vocabulary = number(["", *chain.from_iterable(pieces)])
    # Where the words of each piece lie in `flat`. The piece behind the last is the break that ends a text.
    sizes = np.array([*map(len, pieces), 1], dtype=np.int64)
    starts = np.append(1 + np.cumsum(sizes[:-1]) - sizes[:-1], 0)
    lengths = np.diff(cut.offsets.to_numpy()) + 1
    used = np.full(int(lengths.sum()), len(pieces), dtype=np.int64)
    inner = np.ones(len(used), dtype=bool)
    inner[np.cumsum(lengths) - 1] = False
    used[inner] = encoded.indices.to_numpy()
    counts = sizes[used]
    places = np.repeat(starts[used] - np.cumsum(counts) + counts, counts)
    places += np.arange(len(places))
    return Corpus(
        tokens=flat[places],
        texts=np.repeat(np.repeat(np.arange(len(texts)), lengths), counts),
        vocabulary=vocabulary,
        kinds=np.array([kind_of(word) for word in vocabulary], dtype=np.int64),
    )


def _words_of_all(pieces: pa.Array) -> list[list[str]]:
    """`words_of` each piece: those that are one plain word, nearly all, by whole columns."""
    lowered = pc.utf8_lower(pieces)
    trimmed = pc.utf8_trim(lowered, characters=_EDGES)
    closed = pc.match_substring_regex(lowered, f"[{re.escape(_CLOSERS)}]$").to_pylist()
    made = [[word, ""] if ends else [word] for word, ends in zip(trimmed.to_pylist(), closed, strict=True)]
    special = np.flatnonzero(~pc.ascii_is_alnum(trimmed).to_numpy(zero_copy_only=False))
    for place, piece in zip(special.tolist(), pieces.take(pa.array(special)).to_pylist(), strict=True):
        made[place] = words_of(piece)
    return made


@dataclass(frozen=True, slots=True)
class Grams:
    """Phrases of one length that enough writers use.

    `words` is [phrases, length]: their numbered words. `window` and `before` count the writers on each side.
    """

    words: Ints
    window: Ints
    before: Ints


def grams(corpus: Corpus, writers: Ints, split: int, least: int) -> tuple[list[Grams], tuple[int, int]]:
    """The phrases of one, two and three words that at least `least` writers use, and how much both sides wrote.

    `writers` numbers the writer of each text; those below `split` are of the window, the others from before it. Who
    uses a phrase many times counts once. Rare words are dropped before longer phrases are counted: no phrase is more
    frequent than its rarest word. How much a side wrote is counted in words that may stand alone, a writer's different
    ones.
    """
    kinds = corpus.kinds[corpus.tokens]
    full, bare = kinds == FULL, kinds == CHARACTER
    words, counts = _used(corpus, writers, split, np.flatnonzero(full), corpus.tokens[full])
    single = _shared(words[:, None], counts, least)
    usable = (np.bincount(corpus.tokens, minlength=len(corpus.vocabulary)) >= least)[corpus.tokens] & (kinds != BREAK)
    edge = usable & (kinds >= WEAK)
    pair = edge[:-1] & edge[1:] & (full[:-1] | full[1:] | (bare[:-1] & bare[1:]))
    triple = edge[:-2] & usable[1:-1] & edge[2:]
    triple &= full[:-2] | full[1:-1] | full[2:] | (bare[:-2] & bare[1:-1] & bare[2:])
    longer = [
        _frequent(corpus, writers, split, least, np.flatnonzero(places), length)
        for length, places in ((2, pair), (3, triple))
    ]
    return [single, *longer], (int(counts[0].sum()), int(counts[1].sum()))


def _frequent(corpus: Corpus, writers: Ints, split: int, least: int, places: Ints, length: int) -> Grams:
    codes = _codes(corpus, places, length)
    ordered = np.sort(codes)
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    often = ordered[first[np.diff(first, append=len(ordered)) >= least]]
    which, there = _look_up(often, codes)
    known, counts = _used(corpus, writers, split, places[there], which)
    size = len(corpus.vocabulary)
    columns = [often[known] // size**step % size for step in reversed(range(length))]
    return _shared(np.stack(columns, axis=1), counts, least)


def _used(corpus: Corpus, writers: Ints, split: int, places: Ints, what: Ints) -> tuple[Ints, tuple[Ints, Ints]]:
    """What is used at some places, each once and in order, with its writers in the window and before."""
    most = int(writers.max(initial=0)) + 1
    uses = np.sort(what * most + writers[corpus.texts[places]])
    uses = uses[np.diff(uses, prepend=-1) > 0]
    used, of_window = uses // most, uses % most < split
    starts = np.flatnonzero(np.diff(used, prepend=-1))
    window = np.add.reduceat(of_window, starts, dtype=np.int64) if len(starts) else starts
    return used[starts], (window, np.diff(starts, append=len(used)) - window)


def _shared(words: Ints, counts: tuple[Ints, Ints], least: int) -> Grams:
    enough = counts[0] + counts[1] >= least
    return Grams(words[enough], counts[0][enough], counts[1][enough])


def texts_with(corpus: Corpus, phrases: Sequence[tuple[int, ...]]) -> list[Ints]:
    """The texts, by number and in order, that use each phrase (of one to three numbered words)."""
    found: list[Ints] = [np.empty(0, dtype=np.int64)] * len(phrases)
    for length in {len(phrase) for phrase in phrases}:
        asked = [place for place, phrase in enumerate(phrases) if len(phrase) == length]
        words = np.array([phrases[place] for place in asked], dtype=np.int64)
        begins = np.zeros(len(corpus.vocabulary), dtype=bool)
        begins[words[:, 0]] = True
        places = np.flatnonzero(begins[corpus.tokens[: len(corpus.tokens) - length + 1]])
        codes = _joined(words.T, len(corpus.vocabulary))
        order = np.argsort(codes)
        which, there = _look_up(codes[order], _codes(corpus, places, length))
        pairs = np.unique(order[which] * len(corpus.texts) + corpus.texts[places[there]])
        cuts = np.searchsorted(pairs, np.arange(1, len(asked)) * len(corpus.texts))
        for place, texts in zip(asked, np.split(pairs % len(corpus.texts), cuts), strict=True):
            found[place] = texts
    return found


def _codes(corpus: Corpus, places: Ints, length: int) -> Ints:
    """The words from each place on as one number."""
    return _joined([corpus.tokens[places + step] for step in range(length)], len(corpus.vocabulary))


def _joined(columns: Iterable[Ints], size: int) -> Ints:
    """Up to three numbers below 2**21 as one; a vocabulary of two million words takes more texts than fit in memory."""
    codes: Ints = np.zeros(1, dtype=np.int64)
    for column in columns:
        codes = codes * size + column
    return codes


def _look_up(known: Ints, codes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where those of the codes that are known stand among the known, which are sorted; and which of the codes are."""
    places = np.searchsorted(known, codes)
    there = places < len(known)
    there[there] = known[places[there]] == codes[there]
    return places[there], there
