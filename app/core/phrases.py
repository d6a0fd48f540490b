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

FALSE_DISCOVERY_RATE: Final = 0.1
"""Of ten phrases that are named, one at most is there by chance, on average."""
LEAST_AUTHORS: Final = 3
"""A phrase of fewer writers is nobody's news."""
_PRIOR: Final = 0.1  # of what both sides wrote
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

    `texts` are those of the whole corpus that use it or one of its other wordings.
    """

    phrase: Phrase
    texts: Ints


@dataclass(frozen=True, slots=True)
class _Candidate:
    words: tuple[int, ...]
    uses: Uses  # of this phrase alone
    z: float
    q: float
    everywhere: Ints  # the texts of the corpus that use it
    texts: Ints  # those of the window among them


@dataclass(frozen=True, slots=True)
class Uses:
    """How often phrases are used on the two sides: `window` and `before` count the writers of each.

    `written` is how much both sides wrote, in a writer's different words. Against that, and not against the number of
    writers, a phrase is held: who writes more, or is sampled less, uses more of any phrase.
    """

    window: Ints
    before: Ints
    written: tuple[int, int]

    def __getitem__(self, chosen: Ints) -> Uses:
        return Uses(self.window[chosen], self.before[chosen], self.written)


def distinguish(corpus: Corpus, window: Texts, writers: Ints) -> tuple[list[Group], int]:
    """The phrases that distinguish the texts of the window, the strongest first, and how many were compared.

    The corpus begins with the texts of the window. `writers` numbers the writers of the texts that are compared, the
    window's before all others; texts of the corpus after these only appear in `Group.texts`.
    """
    if len(writers) == len(window):
        return [], 0
    split = int(writers[: len(window)].max(initial=-1)) + 1
    counted, written = grams(corpus.head(len(writers)), writers, split, LEAST_AUTHORS)
    if not all(written):
        return [], 0
    groups = [_group(corpus, window, folded) for folded in _fold(corpus, _candidates(corpus, window, counted, written))]
    return groups, sum(len(some.words) for some in counted)


def _candidates(corpus: Corpus, window: Texts, counted: Sequence[Grams], written: tuple[int, int]) -> list[_Candidate]:
    every = Uses(
        np.concatenate([some.window for some in counted]), np.concatenate([some.before for some in counted]), written
    )
    rising = np.flatnonzero((every.window >= LEAST_AUTHORS) & (times_interval(every)[0] >= _LEAST_TIMES))
    uses = every[rising]
    z = log_odds(uses)
    q = false_discovery(chance(uses), len(every.window))
    best = np.flatnonzero(q <= FALSE_DISCOVERY_RATE)
    best = best[np.argsort(-z[best], kind="stable")][:_MOST_CANDIDATES]
    named = [_words(counted, place) for place in rising[best].tolist()]
    return [
        _Candidate(
            phrase,
            uses[np.array([place])],
            float(z[place]),
            float(q[place]),
            texts,
            texts[: np.searchsorted(texts, len(window))],
        )
        for place, phrase, texts in zip(best.tolist(), named, texts_with(corpus, named), strict=True)
    ]


def _words(counted: Sequence[Grams], place: int) -> tuple[int, ...]:
    """The words of a phrase by its place among the phrases of all lengths."""
    for some in counted:
        if place < len(some.words):
            return tuple(some.words[place].tolist())
        place -= len(some.words)
    raise IndexError(place)


def _fold(corpus: Corpus, candidates: Sequence[_Candidate]) -> list[list[_Candidate]]:
    """Candidates that the same texts use, together: the strongest first in each, and in the order of these."""
    folded: list[list[_Candidate]] = []
    marks: list[NDArray[np.bool_]] = []  # of the texts of the strongest
    contents: list[set[int]] = []
    for candidate in candidates:
        content = {word for word in candidate.words if corpus.kinds[word] >= CHARACTER}
        for group, mark, known in zip(folded, marks, contents, strict=True):
            both = int(mark[candidate.texts].sum())
            fewer, more = sorted((len(group[0].texts), len(candidate.texts)))
            overlap = max(_ALL_TEXTS * fewer, _SAME_TEXTS * more) if content.isdisjoint(known) else _SAME_TEXTS * fewer
            if both >= overlap:
                group.append(candidate)
                known.update(content)
                break
        else:
            folded.append([candidate])
            contents.append(content)
            marks.append(np.zeros(int(corpus.texts[-1]) + 1, dtype=bool))
            marks[-1][candidate.texts] = True
    return folded


def _group(corpus: Corpus, window: Texts, folded: Sequence[_Candidate]) -> Group:
    least = _LONGER * int(folded[0].uses.window[0])
    told = max(
        (one for one in folded if one.uses.window[0] >= least),
        key=lambda one: (len(one.words), one.z),
    )
    uses = told.uses
    low, high = (float(bound[0]) for bound in times_interval(uses))
    authors, before = int(uses.window[0]), int(uses.before[0])
    phrase = Phrase(
        text=corpus.spelled(told.words),
        wordings=_wordings(corpus, told.words, [one.words for one in folded]),
        authors=authors,
        authors_before=before,
        times=authors / before * uses.written[1] / uses.written[0] if before else None,
        times_low=low,
        times_high=high if before else None,
        z=told.z,
        q=told.q,
        counts=window.tally(told.texts),
        ids=window.ids(told.texts),
    )
    return Group(phrase, np.unique(np.concatenate([one.everywhere for one in folded])))


def _wordings(corpus: Corpus, told: tuple[int, ...], others: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """The strongest of the other wordings, without those that are part of one that is told already."""
    kept = [told]
    for words in sorted(others, key=len, reverse=True):
        if not any(words == longer[start : start + len(words)] for longer in kept for start in range(len(longer))):
            kept.append(words)
    chosen = [words for words in others if words in kept[1:]]
    return tuple(corpus.spelled(words) for words in chosen[:_MOST_WORDINGS])


def times_interval(uses: Uses) -> tuple[Floats, Floats]:
    """The 95 % interval of each phrase's share of what is written in the window by that before.

    Katz and others 1978 (Biometrics 34:469), with half a writer added to each count, so that none before is no
    division by zero.
    """
    ratio, variance = np.zeros(len(uses.window)), np.zeros(len(uses.window))
    for sign, count, every in zip((1, -1), (uses.window, uses.before), uses.written, strict=True):
        ratio += sign * (np.log(count + 0.5) - np.log(every + 0.5))
        variance += 1 / (count + 0.5) - 1 / (every + 0.5)
    width = _Z95 * np.sqrt(variance)
    return np.exp(ratio - width), np.exp(ratio + width)


def log_odds(uses: Uses) -> Floats:
    """The difference of each phrase's log-odds on the two sides by its standard error (z).

    The prior is the phrase's share on both sides together, with the weight of `_PRIOR` of all that is
    written: it pulls rare phrases towards no difference.
    """
    prior = _PRIOR * (uses.window + uses.before)
    weight = _PRIOR * sum(uses.written)
    difference, variance = np.zeros(len(prior)), np.zeros(len(prior))
    for sign, count, every in zip((1, -1), (uses.window, uses.before), uses.written, strict=True):
        used, unused = count + prior, every + weight - count - prior
        difference += sign * (np.log(used) - np.log(unused))
        variance += 1 / used + 1 / unused
    z: Floats = difference / np.sqrt(variance)
    return z


def chance(uses: Uses) -> Floats:
    """How likely at least so many writers of each phrase would be in the window, were its share the same on both sides.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution. The normal approximation of z is no
    good for what is new, which matters most here.
    """
    inside, outside = uses.written
    both, every = uses.window + uses.before, inside + outside
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, every + 1)))])  # of factorials
    ways = logs[inside] - logs[uses.window] - logs[inside - uses.window]
    ways += logs[outside] - logs[uses.before] - logs[outside - uses.before]
    first = np.exp(ways - logs[every] + logs[both] + logs[every - both])
    # Each further term of the tail by the one before it; beyond the mean they shrink at least geometrically.
    term, total, at = np.ones(len(both)), np.ones(len(both)), uses.window.astype(np.float64)
    while (term > _NEGLIGIBLE * total).any():
        term = term * (inside - at) * (both - at) / ((at + 1) * (outside - both + at + 1))
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
