"""What a window is about: its texts sorted into a few stories.

Distinguishing phrases that the same texts use belong to one story (average linkage on the cosine of their texts, as
in Manning, Raghavan and Schütze 2008, ch. 17), and a text to the story whose phrases it uses, the rare ones weighing
more. A text that uses none of them but was passed on by many is a story of its own. The rest is in no story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.evidence import Story
from app.core.ngrams import Ints
from app.core.phrases import Group
from app.core.posts import Texts

Floats = NDArray[np.float32]

MOST_STORIES: Final = 8
_MOST_PHRASES: Final = 60  # that make stories, the strongest
_MOST_TITLES: Final = 3
_LINKED: Final = 0.2  # mean cosine between the phrases of one story
_LEAST_MESSAGES: Final = 5
_LEAST_SHARE: Final = 0.02  # of the window's messages, for a single text to be a story


@dataclass(frozen=True, slots=True)
class StoryLine:
    """A story with the numbers of its texts in the window and before."""

    story: Story
    window: Ints
    before: Ints


def tell(groups: Sequence[Group], window: Texts, before: Texts, start: int) -> list[StoryLine]:
    """The stories of the window, the one that rose most first, and at most `MOST_STORIES`.

    In `groups` the texts of the window are numbered from 0, those before from `start` on.
    """
    groups = groups[:_MOST_PHRASES]
    uses = np.zeros((len(groups), start + len(before)), dtype=np.float32)
    for row, group in enumerate(groups):
        uses[row, group.texts] = 1
    common = uses[:, : len(window)].sum(axis=1)
    uses *= np.log1p(len(window) / np.maximum(common, 1))[:, None]  # inverse document frequency
    clusters = _link(uses[:, : len(window)])
    owners = _owners(uses, clusters)
    lines = [
        _of_phrases(
            [groups[row] for row in rows],
            uses[rows],
            (window, np.flatnonzero(owners[: len(window)] == number)),
            (before, np.flatnonzero(owners[start:] == number)),
        )
        for number, rows in enumerate(clusters)
        if (owners[: len(window)] == number).any()
    ]
    lines += _passed_on(window, before, np.flatnonzero(owners[: len(window)] < 0))
    lines = [line for line in lines if line.story.total.raw >= _LEAST_MESSAGES]
    return sorted(lines, key=lambda line: (-line.story.rise, line.story.first))[:MOST_STORIES]


def _link(uses: Floats) -> list[list[int]]:
    """The rows that belong together: the closest two clusters are joined while they are close enough."""
    lengths = np.maximum(np.linalg.norm(uses, axis=1), 1e-9)
    cosines = (uses @ uses.T) / np.outer(lengths, lengths)
    clusters = [[row] for row in range(len(uses))]
    while len(clusters) > 1:
        best, pair = max(
            (float(cosines[np.ix_(one, other)].mean()), (-first, -second))
            for first, one in enumerate(clusters)
            for second, other in enumerate(clusters[:first])
        )
        if best < _LINKED:
            break
        later, earlier = -pair[0], -pair[1]
        clusters[earlier] = sorted(clusters[earlier] + clusters.pop(later))
    return clusters


def _owners(uses: Floats, clusters: Sequence[Sequence[int]]) -> Ints:
    """The cluster whose phrases weigh most in each text; -1 where it uses none."""
    best = np.zeros(uses.shape[1], dtype=np.float32)
    owners = np.full(uses.shape[1], -1, dtype=np.int64)
    for number, rows in enumerate(clusters):
        weight = uses[list(rows)].sum(axis=0)
        better = weight > best
        best[better], owners[better] = weight[better], number
    return owners


def _of_phrases(
    groups: Sequence[Group], uses: Floats, inside: tuple[Texts, Ints], outside: tuple[Texts, Ints]
) -> StoryLine:
    window, texts = inside
    copies = window.copies[texts]
    used = uses[:, texts]
    centre = (used * copies).sum(axis=1)
    closeness = centre @ used / np.linalg.norm(used, axis=0)
    exemplar = texts[np.lexsort((texts, -copies, -closeness))[0]]
    telling = (used > 0) @ copies * np.array([group.phrase.z for group in groups])
    titles = np.argsort(-telling, kind="stable")[:_MOST_TITLES].tolist()
    return _line(tuple(groups[row].phrase.text for row in titles), int(exemplar), inside, outside)


def _passed_on(window: Texts, before: Texts, rest: Ints) -> list[StoryLine]:
    """The texts of the rest that so many passed on that each is a story."""
    least = max(_LEAST_MESSAGES, _LEAST_SHARE * len(window.posts))
    many = rest[window.copies[rest] >= least]
    many = many[np.argsort(-window.copies[many], kind="stable")][:MOST_STORIES]
    families = {window.family_of(text) for text in many.tolist()}
    earlier = {name: text for text in range(len(before)) if (name := before.family_of(text)) in families}
    none = np.empty(0, dtype=np.int64)
    return [
        _line(
            (),
            text,
            (window, np.array([text])),
            (before, np.array([earlier[name]]) if (name := window.family_of(text)) in earlier else none),
        )
        for text in many.tolist()
    ]


def _line(titles: tuple[str, ...], exemplar: int, inside: tuple[Texts, Ints], outside: tuple[Texts, Ints]) -> StoryLine:
    window, texts = inside
    before, earlier = outside
    story = Story(
        phrases=titles,
        exemplar=window.id_of(exemplar),
        first=window.id_of(int(texts[0])),
        counts=window.tally(texts),
        authors=window.authors(texts),
        rise=window.rate(texts) - before.rate(earlier),
        ids=window.ids(texts),
    )
    return StoryLine(story, texts, earlier)
