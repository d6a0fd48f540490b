"""Which texts of a set are one message: every pair of them, whatever order they come in.

`app.core.dedup` decides on a stream, with what came before: of a chain (one is like two, two is like three) it may
part the ends, and the answer hangs on the order. A split of data must do neither, so here every pair is found, by
the same measure: equal words, one the other cut off with an ellipsis, or runs of three words that overlap by seven
tenths (Jaccard). The method is the prefix filter of Chaudhuri, Ganti, Kaushik 2006 (ICDE, "A primitive operator for
similarity joins in data cleaning"): two sets that overlap by so much share one of their few rarest members. It misses
no pair and needs no chance, where MinHash bands find 95 in 100.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from app.core.dedup import MIN_WORDS, PREFIX_WORDS, THRESHOLD_TENTHS, begins, is_cut_off, runs_of_words
from app.core.text import comparison_text, model_text, words

# A model's text has this for a link. The same tweet with its links taken out is the same tweet.
_LINK_MARK = re.compile(r"(?<!\S)http(?!\S)")


def basis(text: str) -> str:
    """What texts are compared by, the same for an original and for its model text; empty for white space and links."""
    bare = _LINK_MARK.sub(" ", model_text(text)).strip()
    return comparison_text(bare) or bare


class _Text(NamedTuple):
    basis: str
    runs: array[int]  # of three words, as checksums; none where the text is too short to be nearly another
    start: str | None  # by which a text and its cut-off copy find each other; None for one too short to be cut off
    is_cut: bool

    @classmethod
    def of(cls, text: str) -> _Text:
        its_basis = basis(text)
        listed = words(its_basis)
        found = runs_of_words(listed) if len(listed) >= MIN_WORDS else ()
        runs = array("I", {crc32(run.encode()) for run in found})
        start = " ".join(listed[:PREFIX_WORDS]) if len(listed) >= PREFIX_WORDS else None
        return cls(its_basis, runs, start, is_cut_off(text))

    def begins(self, other: _Text) -> bool:
        """Whether this is the other, cut off."""
        return self.is_cut and begins(words(self.basis), words(other.basis))


class NearIndex:
    """A fixed set of texts that answers which of them another text equals or nearly equals."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [_Text.of(text) for text in texts]
        counts = Counter(run for text in self._texts for run in text.runs)
        self._frequency = {run: count for run, count in counts.items() if count > 1}
        self._equal: defaultdict[str, list[int]] = defaultdict(list)
        self._by_run: defaultdict[int, list[int]] = defaultdict(list)
        self._by_start: defaultdict[str, list[int]] = defaultdict(list)
        seen: set[tuple[str, bool]] = set()
        for row, text in enumerate(self._texts):
            self._equal[text.basis].append(row)
            # Of texts with one basis one is enough, and a cut-off one besides a whole one.
            if (key := (text.basis, text.is_cut)) not in seen:
                seen.add(key)
                self._index(row, text)

    def _index(self, row: int, text: _Text) -> None:
        for run in self._rarest(text):
            self._by_run[run].append(row)
        if text.start is not None:
            self._by_start[text.start].append(row)

    def _rarest(self, text: _Text) -> list[int]:
        """The runs of which any text that overlaps by the threshold must share one."""
        ordered = sorted(text.runs, key=lambda run: (self._frequency.get(run, 1), run))
        return ordered[: len(ordered) - (THRESHOLD_TENTHS * len(ordered) + 9) // 10 + 1]

    def near(self, text: str) -> Iterator[int]:
        """Rows of the set that `text` repeats: every row equal to it, and every different text that is nearly equal.

        Of nearly equal rows that equal each other one comes.
        """
        return self._near(_Text.of(text))

    def near_row(self, row: int) -> Iterator[int]:
        """The same for a text of the set; the row itself comes too."""
        return self._near(self._texts[row])

    def _near(self, asked: _Text) -> Iterator[int]:
        yield from self._equal.get(asked.basis, ())
        found = {row for run in self._rarest(asked) for row in self._by_run.get(run, ())}
        runs = frozenset(asked.runs)
        for row in sorted(found):
            other = self._texts[row].runs
            shared = len(runs.intersection(other))
            if 10 * shared >= THRESHOLD_TENTHS * (len(runs) + len(other) - shared):
                yield row
        if asked.start is not None:
            for row in self._by_start.get(asked.start, ()):
                if asked.begins(self._texts[row]) or self._texts[row].begins(asked):
                    yield row


def groups(texts: Sequence[str]) -> list[int]:
    """For each text the first row of its group. Two texts are in one group if a chain of near pairs joins them."""
    index = NearIndex(texts)
    leader = list(range(len(texts)))

    def first(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    for row in range(len(texts)):
        for other in index.near_row(row):
            one, two = sorted((first(row), first(other)))
            leader[two] = one
    return [first(row) for row in range(len(texts))]


def repeated(texts: Sequence[str], *held_out: Sequence[str]) -> frozenset[int]:
    """Rows of `texts` that equal or nearly equal any text of the sets `held_out`."""
    index = NearIndex([text for held in held_out for text in held])
    return frozenset(row for row, text in enumerate(texts) if next(index.near(text), None) is not None)
