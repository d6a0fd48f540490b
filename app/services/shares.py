"""Sentiment shares of windows, corrected for the errors of the model that scored them where those are known.

A window is corrected when one model scored it, as far as can be seen, and its errors were measured. Else its shares are
those that the model gave, with their sampling error alone, and `Correction.reason` says why.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cachetools import LRUCache, TTLCache, cached

from app.adapters.confusion import KnownErrors
from app.adapters.store import Store
from app.core.adjusted_counts import Counts, Errors, Matrix, corrected, corrected_differences
from app.core.feedback import cases, live_quality
from app.core.prevalence import Difference, Share, difference, share
from app.core.types import CLASSES, Count, Label
from app.settings import Settings
from app.views import Correction

_MOST_KEPT: Final = 4_096
_KEPT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Scored:
    """The counts of a window with what is known of the errors in them; `errors` is None where they stay as they are."""

    counts: Counts
    models: tuple[str, ...]
    errors: Errors | None
    reason: str | None

    def uncorrected(self, reason: str) -> Scored:
        """The same counts, taken as they are."""
        return Scored(self.counts, self.models, None, reason)


class Shares:
    """Makes shares of counts. `errors_of` gives what is known of a model's errors, None for nothing.

    Which models scored a window is kept for a minute while its counts stay the same, and what people judged of a model
    until somebody says more: a page with many incidents asks for many windows, most of them over.
    """

    def __init__(self, store: Store, errors_of: Callable[[str], Errors | None]) -> None:
        self._store = store
        self._errors_of = errors_of
        models: TTLCache[Hashable, tuple[str, ...]] = TTLCache(_MOST_KEPT, _KEPT_S)
        judged: LRUCache[Hashable, Matrix] = LRUCache(_MOST_KEPT)
        self._models = cached(models, lock=threading.Lock())(self._find_models)
        self._judged = cached(judged, lock=threading.Lock())(self._find_judged)

    @classmethod
    def measured(cls, store: Store, settings: Settings) -> Shares:
        """With the errors that lie beside the models which are served."""
        return cls(store, KnownErrors((settings.model_dir, settings.state_dir / "models")).of)

    def look(self, event_id: str, start: datetime, end: datetime, counts: Mapping[Label, Count]) -> Scored:
        """The counts of [start, end) with what is known of their errors, labelled messages of the event included."""
        negative, neutral, positive = (counts.get(label, Count()).distinct for label in CLASSES)
        models = self._models(event_id, start, end, frozenset(counts.items()))
        scored = Scored((negative, neutral, positive), models, None, None)
        if not sum(scored.counts) or not models:
            return scored.uncorrected("no message was scored")
        if len(models) > 1:
            return scored.uncorrected(f"several models scored these messages: {', '.join(models)}")
        (model,) = models
        errors = self._errors_of(model)
        if errors is None:
            return scored.uncorrected(f"the errors of {model} were not measured")
        own = self._judged(event_id, model, self._store.feedback.version())
        return Scored(scored.counts, models, errors.plus(own), None)

    def _find_models(self, event_id: str, start: datetime, end: datetime, counts: Hashable) -> tuple[str, ...]:
        return self._store.models(event_id, start, end)

    def _find_judged(self, event_id: str, model: str, version: int) -> Matrix:
        return live_quality(cases(self._store.feedback.log(event_id)).values(), model).confusion


def shares_of(scored: Scored) -> dict[Label, Share]:
    """The shares, corrected where the errors are known; empty where nothing was scored."""
    found = corrected(scored.counts, scored.errors) if scored.errors else None
    return dict(zip(CLASSES, found, strict=True)) if found else classified(scored.counts)


def classified(counts: Counts) -> dict[Label, Share]:
    """The shares as the model gave them, with their sampling error; empty where nothing was scored."""
    found = {label: share(part, sum(counts)) for label, part in zip(CLASSES, counts, strict=True)}
    return {label: each for label, each in found.items() if each}


def alike(one: Scored, other: Scored) -> tuple[Scored, Scored]:
    """Both corrected or neither: what the correction adds is no difference. A window without counts bars nothing."""
    if not sum(one.counts) or not sum(other.counts) or (one.errors is None) is (other.errors is None):
        return one, other
    if one.errors is None:
        return one, other.uncorrected(f"in what it is compared with, {one.reason}")
    return one.uncorrected(f"in what it is compared with, {other.reason}"), other


def differences(after: Scored, before: Scored, *, same_material: bool = True) -> dict[Label, Difference]:
    """How much each share of `after` is above that of `before`; empty when one has nothing scored. See `alike`.

    `same_material` is for two windows of one event and source, in which a model errs alike.
    """
    if after.errors and before.errors:
        shared = same_material and after.errors == before.errors
        found = corrected_differences(after.counts, before.counts, after.errors, None if shared else before.errors)
        return dict(zip(CLASSES, found, strict=True)) if found else {}
    now, then = classified(after.counts), classified(before.counts)
    return {label: difference(now[label], then[label]) for label in CLASSES} if now and then else {}


def correction_of(scored: Scored) -> Correction:
    """How the shares of a window were corrected, or why they were not."""
    errors = scored.errors
    if errors is None:
        return Correction(False, scored.models, (), 0, 0, scored.reason)
    return Correction(
        corrected=True,
        models=scored.models,
        evaluation_sets=tuple(each.evaluation_set for each in errors.matrices),
        evaluated=sum(each.n for each in errors.matrices),
        labelled=errors.labelled,
        reason=None,
    )
