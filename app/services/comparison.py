"""Two to six windows next to each other: events, periods, sources, countries, before and after a moment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.adapters.database import storable
from app.adapters.store import Store
from app.core.annotations import AnnotationKind
from app.core.errors import InvalidInput
from app.core.prevalence import Difference, Share, share
from app.core.types import Count, Event, Label, SourceStatus
from app.services.shares import Scored, Shares, alike, classified, correction_of, differences, shares_of
from app.services.windows import live_to, sources_down, step, window
from app.services.words import at, capital, length, points, stretch, with_interval
from app.views import Correction, Selection

MOST_SIDES: Final = 6
_MINUTE: Final = timedelta(minutes=1)

Align = Literal["start", "clock"]


def _storable(text: str) -> str:
    if not storable(text):
        raise ValueError("it has characters that no message has")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class SideDraft(BaseModel):
    """A window to compare: of an event, perhaps of one source or country. `hours` back from the newest data, or
    `start` to `end`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: Text = Field(min_length=1, max_length=200, examples=["apple-vision-pro-launch"])
    name: Text | None = Field(default=None, min_length=1, max_length=120, examples=["Launch day"])
    hours: float = Field(default=24.0, gt=0, examples=[24])
    start: datetime | None = None
    end: datetime | None = None
    source: Text | None = Field(default=None, min_length=1, max_length=200, examples=["x"])
    country: Text | None = Field(default=None, min_length=2, max_length=2, examples=["US"])


class ComparisonDraft(BaseModel):
    """What to compare; every side is held against the first.

    `align` says from where the steps of the timelines are counted: each from its own start, or all from the earliest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sides: tuple[SideDraft, ...] = Field(min_length=2, max_length=MOST_SIDES)
    step_s: int | None = Field(default=None, ge=60, le=86_400, examples=[3600])
    align: Align = "start"


@dataclass(frozen=True, slots=True)
class Told:
    """A difference with its 95 % interval and what it says: `higher`, `lower` or `can't tell`.

    `corrected` is whether both shares were corrected for the classifier's errors.
    """

    value: float
    low: float
    high: float
    verdict: str
    corrected: bool

    @classmethod
    def of(cls, found: Difference, *, corrected: bool) -> Told:
        """A difference that is told."""
        return cls(found.value, found.low, found.high, found.verdict, corrected)


@dataclass(frozen=True, slots=True)
class AlignedBucket:
    """A step of a timeline that has messages, `offset_s` seconds after that from which all are counted."""

    offset_s: int
    start: datetime
    counts: dict[Label, Count]


@dataclass(frozen=True, slots=True)
class Side:
    """A window that is compared. Shares and `correction` as in an overview.

    `per_hour` are distinct messages. `voice` is the share of them among those of all sides, with its sampling error;
    None where sides have messages in common. `differences` are against the first side, empty for that side itself and
    where one has nothing scored.
    """

    name: str
    event_id: str
    start: datetime
    end: datetime
    source: str | None
    country: str | None
    counts: dict[Label, Count]
    shares: dict[Label, Share]
    classified: dict[Label, Share]
    correction: Correction
    per_hour: float
    voice: Share | None
    differences: dict[Label, Told]
    sentence: str
    buckets: tuple[AlignedBucket, ...]
    live_to: datetime | None
    sources_down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sides next to each other. `warnings` say in plain words what stands against comparing them."""

    sides: tuple[Side, ...]
    step_s: int
    align: Align
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """A side before it is compared with others."""

    event: Event
    selection: Selection
    start: datetime
    end: datetime
    statuses: tuple[SourceStatus, ...]
    counts: dict[Label, Count]
    scored: Scored
    name: str

    @property
    def quoted(self) -> str:
        """The name in a sentence."""
        return f'"{self.name}"'

    @property
    def total(self) -> Count:
        """All messages."""
        return sum(self.counts.values(), Count())

    def meets(self, other: _Window) -> bool:
        """Whether both can hold the same message."""
        return (
            self.event.id == other.event.id
            and _floor(self.start, 60) < other.end  # whole minutes are counted
            and _floor(other.start, 60) < self.end
            and _compatible(self.selection.source, other.selection.source)
            and _compatible(self.selection.country, other.selection.country)
        )

    def is_like(self, other: _Window) -> bool:
        """Whether a classifier errs alike in both."""
        return self.event.id == other.event.id and self.selection.source == other.selection.source


class Comparisons:
    """Compares windows. `now` is the clock, in UTC."""

    def __init__(self, store: Store, shares: Shares, now: Callable[[], datetime]) -> None:
        self._store = store
        self._shares = shares
        self._now = now

    def compare(self, draft: ComparisonDraft) -> Comparison:
        """The sides next to each other. Raises NotFound or InvalidInput, whose `field` names the side from 0 on."""
        windows = []
        for number, side in enumerate(draft.sides):
            try:
                windows.append(self._read(side))
            except InvalidInput as error:
                # The same kind of error: what does not exist is not found, whichever side names it.
                raise type(error)(
                    f"side {number + 1}: {error}", field=f"sides.{number}.{error.field or 'event_id'}"
                ) from error
        windows = self._named(windows)
        longest = max((each.end - each.start).total_seconds() for each in windows)
        width, _ = step(draft.step_s, longest)
        disjoint = not any(one.meets(other) for one, other in combinations(windows, 2))
        whole = sum(each.total.distinct for each in windows)
        origins = [_floor(each.start, width) for each in windows]
        sides = tuple(
            self._side(
                each,
                windows[0],
                share(each.total.distinct, whole) if disjoint else None,
                (width, origin if draft.align == "start" else min(origins)),
            )
            for each, origin in zip(windows, origins, strict=True)
        )
        return Comparison(sides, width, draft.align, tuple(self._warnings(windows)))

    def _read(self, side: SideDraft) -> _Window:
        event = self._store.event(side.event_id)
        country = side.country and side.country.upper()
        selection = Selection(side.hours, side.start, side.end, side.source, country)
        statuses = tuple(self._store.statuses(event.id))
        start, end = window(self._store, event.id, selection, statuses, self._now)
        counts = self._counts(event.id, selection, start, end)
        scored = self._shares.look(event.id, start, end, counts)
        parts = [event.name, *(part for part in (side.source, country) if part)]
        return _Window(event, selection, start, end, statuses, counts, scored, side.name or ", ".join(parts))

    def _counts(self, event_id: str, selection: Selection, start: datetime, end: datetime) -> dict[Label, Count]:
        found = self._store.totals(event_id, start, end, source=selection.source, country=selection.country)
        return {label: found.get(label, Count()) for label in Label}

    def _named(self, windows: Sequence[_Window]) -> list[_Window]:
        """Each by a name of its own: with its time, and its number at last."""
        times = Counter(each.name for each in windows)
        now = self._now()
        longer = [
            replace(each, name=f"{each.name}, {stretch(each.start, each.end, now)}") if times[each.name] > 1 else each
            for each in windows
        ]
        times = Counter(each.name for each in longer)
        return [
            replace(each, name=f"{each.name} ({number})") if times[each.name] > 1 else each
            for number, each in enumerate(longer, start=1)
        ]

    def _side(self, each: _Window, first: _Window, voice: Share | None, steps: tuple[int, datetime]) -> Side:
        width, origin = steps
        told = {} if each is first else told_between(each.scored, first.scored, same_material=each.is_like(first))
        shares = shares_of(each.scored)
        return Side(
            name=each.name,
            event_id=each.event.id,
            start=each.start,
            end=each.end,
            source=each.selection.source,
            country=each.selection.country,
            counts=each.counts,
            shares=shares,
            classified=classified(each.scored.counts),
            correction=correction_of(each.scored),
            per_hour=each.total.distinct / ((each.end - each.start) / timedelta(hours=1)),
            voice=voice,
            differences=told,
            sentence=_sentence(each.name, shares.get(Label.NEGATIVE), told.get(Label.NEGATIVE), first.name),
            buckets=self._buckets(each, width, origin),
            live_to=live_to(each.statuses),
            sources_down=sources_down(each.statuses),
        )

    def _buckets(self, each: _Window, width: int, origin: datetime) -> tuple[AlignedBucket, ...]:
        _, grain = step(width, (each.end - each.start).total_seconds())
        source, country = each.selection.source, each.selection.country
        start = _floor(each.start, width)
        steps = self._store.timeline(
            each.event.id, grain, start, each.end, source=source, country=country, step_s=width
        )
        return tuple(
            AlignedBucket(round((bucket.start - origin).total_seconds()), bucket.start, bucket.counts)
            for bucket in steps
        )

    # What stands against it

    def _warnings(self, windows: Sequence[_Window]) -> list[str]:
        found = [
            f"{one.quoted} and {other.quoted} have messages in common: what they differ by is understated, "
            "and there are no shares of voice"
            for one, other in combinations(windows, 2)
            if one.meets(other)
        ]
        lengths = list(dict.fromkeys(length(each.end - each.start) for each in windows))
        if len(lengths) > 1:
            found.append(f"the windows are of different lengths ({', '.join(lengths)}): compare messages an hour")
        for each in windows:
            found += self._gaps(each)
        found += self._sources(windows)
        found += [
            f"{each.quoted} is not corrected for the classifier's errors: {each.scored.reason}"
            for each in windows
            if each.scored.errors is None and any(each.scored.counts)
        ]
        return [capital(each) for each in found]

    def _gaps(self, each: _Window) -> list[str]:
        """Stretches of the window of which nothing, or not all, is known."""
        now, found = self._now(), []
        edge = live_to(each.statuses)
        if edge is not None and edge + _MINUTE < each.end:
            found.append(f"{each.quoted} is known up to {at(edge, now)} only")
        span = self._store.span(each.event.id)
        if span is None or span[0] >= each.end:
            found.append(f"{each.quoted} has no messages")
        elif span[0] > each.start:
            found.append(f"{each.quoted} begins before the first message there is, of {at(span[0], now)}")
        for note in self._store.annotations.between(each.event.id, each.start, each.end):
            if note.kind is AnnotationKind.SYSTEM:
                found.append(f"{each.quoted}: {note.text}, {stretch(note.at, note.until, now)}")
        return found

    def _sources(self, windows: Sequence[_Window]) -> list[str]:
        """Sources that are in some sides and not in others: a source that is silent is no change of mind."""
        counted = [(each, self._by_source(each)) for each in windows if each.selection.source is None]
        found = []
        for source in sorted({source for _, sources in counted for source in sources}):
            there = [f"{sources[source]:,} in {each.quoted}" for each, sources in counted if source in sources]
            missing = [each.quoted for each, sources in counted if source not in sources]
            if missing:
                found.append(
                    f"{source} has messages in some sides only: {', '.join(there)}, none in {', '.join(missing)}"
                )
        return found

    def _by_source(self, each: _Window) -> dict[str, int]:
        found = {}
        for source in self._store.facets(each.event.id).sources:
            counts = self._store.totals(
                each.event.id, each.start, each.end, source=source, country=each.selection.country
            )
            if raw := sum(count.raw for count in counts.values()):
                found[source] = raw
        return found


def told_between(after: Scored, before: Scored, *, same_material: bool) -> dict[Label, Told]:
    """How much each share of `after` is above that of `before`, as it is told."""
    one, other = alike(after, before)
    corrected = one.errors is not None
    return {
        label: Told.of(each, corrected=corrected)
        for label, each in differences(one, other, same_material=same_material).items()
    }


def _sentence(name: str, negative: Share | None, told: Told | None, first: str) -> str:
    if negative is None:
        return f"{name}: no share, nothing was scored."
    said = f"{name}: negative share {with_interval(negative)}, n = {negative.n:,}"
    if told is None:
        return f"{said}."
    if told.verdict == "can't tell":
        return f"{said}; no difference from {first} that we can tell."
    return f"{said}; {told.verdict} than {first}, by {points(told.low, told.high)}."


def _compatible(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _floor(moment: datetime, width: int) -> datetime:
    return datetime.fromtimestamp(math.floor(moment.timestamp() / width) * width, UTC)
