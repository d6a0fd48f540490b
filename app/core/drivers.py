"""Why a window of messages differs from what was before: one call that makes all the evidence.

    explain(window, before)                   # what is in the window that was not there before
    explain(negative, negative_before, rest)  # what the negative ones say and the rest of the window does not

The parts: `phrases` (over `ngrams`), `stories`, `rises`; what comes out is in `evidence`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from app.core.evidence import Dimension, Drivers
from app.core.ngrams import read
from app.core.phrases import distinguish
from app.core.posts import Posts, Texts
from app.core.rises import by_column, by_story, concentration
from app.core.stories import tell

MOST_PHRASES: Final = 12
_MICROS_AN_HOUR: Final = 3_600_000_000
_COLUMNS: Final = (Dimension.AUTHOR, Dimension.DOMAIN, Dimension.SOURCE, Dimension.COUNTRY)


def explain(window: Posts, before: Posts | None, rest: Posts | None = None) -> Drivers:
    """Why the window differs from what was before; without `before`, what it consists of.

    The phrases are those that distinguish the window from before, or from `rest`, where that is given. The same
    messages in the same order always give the same answer.
    """
    if not len(window):
        return Drivers(rate=0.0, rate_before=None if before is None else before.rate)
    inside, outside = Texts.of(window), Texts.of(_nothing() if before is None else before)
    compared = outside if rest is None else Texts.of(rest)
    corpus = read([*inside.strings(), *compared.strings(), *(outside.strings() if rest is not None else ())])
    # People who write for longer say more: on the side before, each counts anew in every stretch like the window.
    width = max(1, math.ceil(window.hours * _MICROS_AN_HOUR)) if rest is None else None
    writers = inside.writers()
    others = compared.writers(width) + int(writers.max()) + 1
    groups, tested = distinguish(corpus, inside, np.concatenate([writers, others]))
    lines = tell(groups, inside, outside, len(inside) + (len(compared) if rest is not None else 0))
    columns = [by_column(by, inside, outside) for by in _COLUMNS]
    return Drivers(
        rate=window.rate,
        rate_before=None if before is None else before.rate,
        phrases=tuple(group.phrase for group in groups[:MOST_PHRASES]),
        stories=tuple(line.story for line in lines),
        breakdowns=(by_story(lines, inside, outside), *(column for column in columns if column is not None)),
        concentration=concentration(inside, outside),
        first=lines[0].story.first if lines else inside.id_of(0),
        tested=tested,
        counts=inside.tally(np.arange(len(inside))),
    )


def _nothing() -> Posts:
    return Posts((), (), np.empty(0, dtype=np.int64), (), (), (), (), (), (), hours=1.0)
