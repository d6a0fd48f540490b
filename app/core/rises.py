"""Who and what made the rise, and how few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.evidence import MOST_IDS, Breakdown, Concentration, Contribution, Dimension
from app.core.ngrams import number
from app.core.posts import Posts, Texts
from app.core.stories import StoryLine

MOST_PARTS: Final = 8
_BUSIEST: Final = 10
_MOST_STRETCHES: Final = 50


def by_story(lines: Iterable[StoryLine], window: Texts, before: Texts) -> Breakdown:
    """The rise by story."""
    total = window.posts.rate - before.posts.rate
    parts = [
        _part(line.story.exemplar, (window.rate(line.window), before.rate(line.before)), total, line.story.ids)
        for line in lines
    ]
    return Breakdown(Dimension.STORY, _with_rest(parts, window.posts, before.posts))


def by_column(by: Dimension, window: Texts, before: Texts) -> Breakdown | None:
    """The rise by what the messages say of themselves; None where none of them says it."""
    inside, outside = _column(by, window.posts), _column(by, before.posts)
    if not any(inside) and not any(outside):
        return None
    numbers, keys = number([*inside, *outside])
    here, there = numbers[: len(inside)], numbers[len(inside) :]
    rates = np.bincount(here, minlength=len(keys)) * window.posts.weight / window.posts.hours
    rates_before = np.bincount(there, minlength=len(keys)) * before.posts.weight / before.posts.hours
    total = window.posts.rate - before.posts.rate
    largest = np.argsort(rates_before - rates, kind="stable")[:MOST_PARTS]
    parts = [
        _part(keys[key], (float(rates[key]), float(rates_before[key])), total, _ids(window, here == key))
        for key in largest[rates[largest] > rates_before[largest]].tolist()
    ]
    return Breakdown(by, _with_rest(parts, window.posts, before.posts))


def concentration(window: Texts, before: Texts) -> Concentration:
    """How few make the window, and how few made as many messages before."""
    size = len(window.posts)
    stretches: list[tuple[float | None, float]] = []
    if window.posts.weight == before.posts.weight == 1:
        ends = range(len(before.posts), size - 1, -size)
        stretches = [_few(before, end - size, end) for end in ends[:_MOST_STRETCHES]]
    authors, texts = _few(window, 0, size)
    known = [few for few, _ in stretches if few is not None]
    return Concentration(
        authors=authors,
        authors_before=sum(known) / len(known) if known else None,
        texts=texts,
        texts_before=sum(few for _, few in stretches) / len(stretches) if stretches else None,
    )


def _few(texts: Texts, start: int, end: int) -> tuple[float | None, float]:
    names = [name for name in texts.posts.authors[start:end] if name]
    copies = np.sort(np.bincount(texts.family[start:end]))[-_BUSIEST:].sum() / (end - start)
    if not names:
        return None, float(copies)
    return float(np.sort(np.bincount(number(names)[0]))[-_BUSIEST:].sum() / (end - start)), float(copies)


def _column(by: Dimension, posts: Posts) -> Sequence[str]:
    match by:
        case Dimension.AUTHOR:
            return posts.authors
        case Dimension.DOMAIN:
            return posts.domains
        case Dimension.SOURCE:
            return posts.sources
        case Dimension.COUNTRY:
            return posts.countries
        case Dimension.STORY:
            raise ValueError("a message does not say which story it belongs to: use by_story")


def _part(key: str | None, rates: tuple[float, float], total: float, ids: tuple[str, ...] = ()) -> Contribution:
    rise = rates[0] - rates[1]
    return Contribution(key, rates[0], rates[1], rise, rise / total if total > 0 else None, ids)


def _with_rest(parts: list[Contribution], window: Posts, before: Posts) -> tuple[Contribution, ...]:
    rate = window.rate - sum(part.rate for part in parts)
    rate_before = before.rate - sum(part.rate_before for part in parts)
    return (*parts, _part(None, (rate, rate_before), window.rate - before.rate))


def _ids(window: Texts, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    """The ids of the chosen messages, one of each text, the earliest first."""
    places = np.flatnonzero(chosen)
    _, firsts = np.unique(window.family[places], return_index=True)
    return tuple(window.posts.ids[place] for place in places[np.sort(firsts)[:MOST_IDS]].tolist())
