r"""Parts of a test set that a single score hides: by length, marks of the text, source and event.

Everything is judged on the original text, repaired as `app.core.text.clean` does (so that "\u2019" is an apostrophe),
with its handles, links and emoji still in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.core.text import clean

WITH, WITHOUT = "with", "without"

# Words between white space: up to this many, and the name of the bucket.
_LENGTHS = ((5, "1-5 words"), (10, "6-10 words"), (20, "11-20 words"), (30, "21-30 words"))
_LONGEST = "over 30 words"
_BUCKETS = (*(name for _, name in _LENGTHS), _LONGEST)

# Pictures that Unicode shows as emoji by default or on request: the pictograph planes, flags, the older symbols and
# dingbats, and any character with the emoji variation selector behind it. Not arrows, (c) and the like without it.
_EMOJI = re.compile("[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]|.\ufe0f")
# The negators of Christopher Potts' sentiment tutorial (2011, after Das and Chen 2001), apostrophes of any kind.
_NEGATION = re.compile(
    r"\b(?:never|no|nothing|nowhere|no one|noone|none|nobody|not|cannot|neither|nor"
    r"|(?:have|has|had|ca|could|wo|would|should|do|does|did|is|are|was|were|ai|must|need)n['\u2019\u02bc]?t)\b",
    re.IGNORECASE,
)
_HASHTAG = re.compile(r"(?<![\w&/])#\w*[^\W\d_]")
_MENTION = re.compile(r"(?<![\w@])@\w")
_LINK = re.compile(r"(?:https?://|www\.)\S|(?<!\S)http(?!\S)", re.IGNORECASE)
_MARKS = (("emoji", _EMOJI), ("negation", _NEGATION), ("hashtag", _HASHTAG), ("mention", _MENTION), ("link", _LINK))

DIMENSIONS = ("length", *(name for name, _ in _MARKS), "source", "event")


def length_bucket(text: str) -> str:
    """How many words between white space a text has, as a bucket."""
    number = len(text.split())
    return next((name for most, name in _LENGTHS if number <= most), _LONGEST)


def slices_of(text: str, source: str, event: str) -> dict[str, str]:
    """The value of a text in each of `DIMENSIONS`; marks are "with" or "without", source and event as given."""
    readable = clean(text)
    marks = {name: WITH if mark.search(readable) else WITHOUT for name, mark in _MARKS}
    return {"length": length_bucket(readable), **marks, "source": source, "event": event}


def members(
    texts: Sequence[str], sources: Sequence[str], events: Sequence[str]
) -> dict[tuple[str, str], tuple[int, ...]]:
    """The rows of each (dimension, value) that occurs, by dimension and then by name of the value.

    Each row is in exactly one value of each dimension; an empty source or event is left out.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for row, (text, source, event) in enumerate(zip(texts, sources, events, strict=True)):
        for dimension, value in slices_of(text, source, event).items():
            if value:
                found.setdefault((dimension, value), []).append(row)
    return {key: tuple(found[key]) for key in sorted(found, key=place)}


def place(key: tuple[str, str]) -> tuple[int, int, str]:
    """Sorts (dimension, value): dimensions in their order, lengths from short to long, other values by name."""
    dimension, value = key
    step = _BUCKETS.index(value) if value in _BUCKETS else len(_BUCKETS)
    return DIMENSIONS.index(dimension), step, value
