"""How often the model is right, by label and by labelled set, as its folder tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from app.adapters.confusion import LabelledSet
from app.core.prevalence import Share, share
from app.core.significance import score_intervals
from app.core.types import CLASSES
from app.dashboard.markup import figure, isolated
from app.dashboard.tables import table
from app.services.words import with_interval

_HEAD: Final = ("Labelled set", "Texts", *(f"{label.capitalize()}, found" for label in CLASSES), "Mean of the three")
_SEED: Final = 0  # of the bootstrap: the same figures each time the page is opened


def quality(sets: Sequence[LabelledSet]) -> str:
    """The sentence and the table as HTML; a row a set, the largest first. `sets` has at least one."""
    ranked = sorted(sets, key=lambda each: -_texts(each))
    found = [mean for each in ranked if (mean := _mean(each)) is not None]
    low, high = min(mean.value for mean in found), max(mean.value for mean in found)
    span = f"{100 * low:.0f} to {100 * high:.0f} %" if round(100 * high) > round(100 * low) else f"{100 * low:.0f} %"
    number = f"{figure(len(sets))} labelled set{'s' if len(sets) > 1 else ''}"
    said = (
        f'<p class="ep-said">Of what people call negative, neutral or positive it finds <strong>{span}</strong>, '
        f"by where the texts are from: {number}, {figure(sum(map(_texts, sets)))} texts.</p>"
    ).replace(" %", "\u00a0%")
    return said + table("How much of each label the model finds, by labelled set", _HEAD, map(_row, ranked))


def _row(each: LabelledSet) -> tuple[str, ...]:
    found = [share(row[place], sum(row)) for place, row in enumerate(each.counts)]
    cells = [with_interval(part) if part else "none in it" for part in found]
    mean = _mean(each)
    made = (isolated(each.name), figure(_texts(each)), *cells, with_interval(mean) if mean else "none in it")
    return tuple(cell.replace(" %", "\u00a0%") for cell in made)


def _texts(each: LabelledSet) -> int:
    return sum(map(sum, each.counts))


def _mean(each: LabelledSet) -> Share | None:
    """Macro recall with its bootstrap interval; None for a set without texts."""
    if not (texts := _texts(each)):
        return None
    made = score_intervals(np.array(each.counts), np.random.default_rng(_SEED)).macro_recall
    return Share(made.value, made.low, made.high, texts)
