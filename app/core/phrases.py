"""What distinguishes the texts of a window from those they are compared with: phrases, each with the people behind it.

Phrases are ranked by the log-odds of being used, with an informative Dirichlet prior from both sides together (Monroe,
Colaresi and Quinn 2008, "Fightin' Words", Political Analysis 16:372-403), and named as far as the false discovery rate
allows (Benjamini and Hochberg 1995). What is counted are people, not posts: copies of a text count once, and so does
an author, on the side before once for every stretch as long as the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.evidence import Phrase
from app.core.ngrams import CHARACTER, Corpus, Grams, Ints, grams, texts_with
from app.core.posts import Texts

Floats = NDArray[np.float64]

FALSE_DISCOVERY_RATE: Final = 0.05
LEAST_AUTHORS: Final = 3
"""A phrase of fewer writers is nobody's news."""
_PRIOR: Final = 0.1  # by all writers
_NEGLIGIBLE: Final = 1e-9
_LEAST_TIMES: Final = 1.25  # the lower bound of the share by that before: less may be true and is of no interest
_MOST_CANDIDATES: Final = 250
_MOST_WORDINGS: Final = 5
_SAME_TEXTS: Final = 0.5  # of the rarer phrase's texts, for two that share a word
_ALL_TEXTS: Final = 0.8  # the same for two that share none, which must also have half of the other's
_LONGER: Final = 0.6  # of the writers of the strongest wording: a longer one with as many says more
_Z95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Group:
    """A phrase with the overlapping ones that the same texts use.

    `texts` are those of the window that use it. `all_texts` are the texts of the whole corpus that use it or one of
    its other wordings.
    """

    phrase: Phrase
    texts: Ints
    all_texts: Ints


@dataclass(frozen=True, slots=True)
class _Candidate:
    words: tuple[int, ...]
    authors: int
    before: int
    z: float
    q: float
    everywhere: Ints  # the texts of the corpus that use it
    texts: Ints  # those of the window among them


def distinguish(corpus: Corpus, window: Texts, writers: Ints) -> tuple[list[Group], int]:
    """The phrases that distinguish the texts of the window, the strongest first, and how many were compared.

    The corpus begins with the texts of the window. `writers` numbers the writers of the texts that are compared, the
    window's before all others; texts of the corpus after these only appear in `Group.all_texts`.
    """
    split = int(writers[: len(window)].max(initial=-1)) + 1
    sizes = split, int(writers.max(initial=-1)) + 1 - split
    if not all(sizes):
        return [], 0
    counted = grams(corpus.head(len(writers)), writers, split, LEAST_AUTHORS)
    candidates, tested = _candidates(corpus, window, counted, sizes)
    return [_group(corpus, window, folded, sizes) for folded in _fold(corpus, candidates)], tested


def _candidates(
    corpus: Corpus, window: Texts, counted: Sequence[Grams], sizes: tuple[int, int]
) -> tuple[list[_Candidate], int]:
    used = np.concatenate([some.window for some in counted])
    before = np.concatenate([some.before for some in counted])
    words = [tuple(row) for some in counted for row in some.words.tolist()]
    tested = len(words)
    rising = np.flatnonzero((used >= LEAST_AUTHORS) & (times_interval(used, before, sizes)[0] >= _LEAST_TIMES))
    used, before = used[rising], before[rising]
    z = log_odds(used, before, sizes)
    q = false_discovery(chance(used, before, sizes), tested)
    best = np.flatnonzero(q <= FALSE_DISCOVERY_RATE)
    best = best[np.argsort(-z[best], kind="stable")][:_MOST_CANDIDATES]
    words = [words[place] for place in rising[best].tolist()]
    candidates = [
        _Candidate(
            phrase,
            int(used[place]),
            int(before[place]),
            float(z[place]),
            float(q[place]),
            texts,
            texts[: np.searchsorted(texts, len(window))],
        )
        for place, phrase, texts in zip(best.tolist(), words, texts_with(corpus, words), strict=True)
    ]
    return candidates, tested


def _fold(corpus: Corpus, candidates: Sequence[_Candidate]) -> list[list[_Candidate]]:
    """Candidates that the same texts use, together: the strongest first in each, and in the order of these."""
    folded: list[list[_Candidate]] = []
    marks: list[NDArray[np.bool_]] = []
    for candidate in candidates:
        content = {word for word in candidate.words if corpus.kinds[word] >= CHARACTER}
        for group, mark in zip(folded, marks, strict=True):
            head = group[0]
            both = int(mark[candidate.texts].sum())
            fewer, more = sorted((len(head.texts), len(candidate.texts)))
            if content.isdisjoint(head.words):
                same = both >= max(_ALL_TEXTS * fewer, _SAME_TEXTS * more)
            else:
                same = both >= _SAME_TEXTS * fewer
            if same:
                group.append(candidate)
                break
        else:
            folded.append([candidate])
            marks.append(np.zeros(int(corpus.texts[-1]) + 1, dtype=bool))
            marks[-1][candidate.texts] = True
    return folded


def _group(corpus: Corpus, window: Texts, folded: Sequence[_Candidate], sizes: tuple[int, int]) -> Group:
    strongest = folded[0]
    told = max(
        (one for one in folded if one.authors >= _LONGER * strongest.authors),
        key=lambda one: (len(one.words), one.z),
    )
    low, high = (float(bound[0]) for bound in times_interval(np.array([told.authors]), np.array([told.before]), sizes))
    phrase = Phrase(
        text=corpus.spelled(told.words),
        wordings=_wordings(corpus, told.words, [one.words for one in folded]),
        authors=told.authors,
        authors_before=told.before,
        times=told.authors / sizes[0] / (told.before / sizes[1]) if told.before else None,
        times_low=low,
        times_high=high if told.before else None,
        z=told.z,
        q=told.q,
        counts=window.tally(told.texts),
        ids=window.ids(told.texts),
    )
    return Group(phrase, told.texts, np.unique(np.concatenate([one.everywhere for one in folded])))


def _wordings(corpus: Corpus, told: tuple[int, ...], others: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """The strongest of the other wordings, without those that are part of one that is told already."""
    kept = [told]
    for words in sorted(others, key=len, reverse=True):
        if not any(words == longer[start : start + len(words)] for longer in kept for start in range(len(longer))):
            kept.append(words)
    chosen = [words for words in others if words in kept[1:]]
    return tuple(corpus.spelled(words) for words in chosen[:_MOST_WORDINGS])


def times_interval(window: Ints, before: Ints, sizes: tuple[int, int]) -> tuple[Floats, Floats]:
    """The 95 % interval of the share of the writers in the window by that before.

    Katz and others 1978 (Biometrics 34:469), with half a writer added to each count, so that none before is no
    division by zero.
    """
    ratio = np.log((window + 0.5) / (sizes[0] + 0.5)) - np.log((before + 0.5) / (sizes[1] + 0.5))
    variance = 1 / (window + 0.5) - 1 / (sizes[0] + 0.5) + 1 / (before + 0.5) - 1 / (sizes[1] + 0.5)
    width = _Z95 * np.sqrt(variance)
    return np.exp(ratio - width), np.exp(ratio + width)


def log_odds(window: Ints, before: Ints, sizes: tuple[int, int]) -> Floats:
    """The difference of each phrase's log-odds on the two sides by its standard error (z).

    `window` and `before` count its writers, `sizes` are the writers on each side. The prior is the phrase's share on
    both sides together, with the weight of `_PRIOR` of all writers: it pulls rare phrases towards no difference.
    """
    prior = _PRIOR * (window + before)
    total = _PRIOR * sum(sizes)
    difference, variance = np.zeros(len(window)), np.zeros(len(window))
    for sign, count, size in ((1, window, sizes[0]), (-1, before, sizes[1])):
        used, unused = count + prior, size + total - count - prior
        difference += sign * (np.log(used) - np.log(unused))
        variance += 1 / used + 1 / unused
    z: Floats = difference / np.sqrt(variance)
    return z


def chance(window: Ints, before: Ints, sizes: tuple[int, int]) -> Floats:
    """How likely at least so many writers of each phrase would be in the window, were it the same on both sides.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution. The normal approximation of z is no
    good for what is new, which matters most here.
    """
    both, everyone = window + before, sum(sizes)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, everyone + 1)))])  # of factorials
    ways = logs[sizes[0]] - logs[window] - logs[sizes[0] - window]
    ways += logs[sizes[1]] - logs[before] - logs[sizes[1] - before]
    first = np.exp(ways - logs[everyone] + logs[both] + logs[everyone - both])
    # Each further term of the tail by the one before it; beyond the mean they shrink at least geometrically.
    term, total, at = np.ones(len(window)), np.ones(len(window)), window.astype(np.float64)
    while term.size and (term > _NEGLIGIBLE * total).any():
        term = term * (sizes[0] - at) * (both - at) / ((at + 1) * (sizes[1] - both + at + 1))
        total += term
        at += 1
    tail: Floats = np.minimum(first * total, 1.0)
    return tail


def false_discovery(p: Floats, tested: int) -> Floats:
    """The Benjamini-Hochberg q of each p value: at this false discovery rate it would just be named.

    `tested` counts all that were tested; those that are not given count as having a p of 1.
    """
    order = np.argsort(p, kind="stable")
    ranked = p[order] * tested / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q
