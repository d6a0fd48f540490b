"""What the spike detector is given of an event: how far each source was read, what is foreseen, and its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.adapters.incident_records import Watched
from app.adapters.store import Store
from app.core.annotations import Annotation, AnnotationKind
from app.core.bursts import Tick
from app.core.history import STEP, Counts, Foreseen, start_of, step_of, ticks
from app.core.types import Event, SourceState, SourceStatus

HISTORY: Final = timedelta(days=44)
"""How far back the detector learns what is usual: the thirty days of a dry run, and two weeks before them."""

FEEDS: Final[Mapping[str, str]] = {"x_stream": "x", "x_search": "x", "newsapi": "news"}
"""The source of the messages that a connector delivers; a connector that is not here may deliver any."""

_BATCH: Final = "batch:"
_FOLLOWED: Final = frozenset({SourceState.CONNECTING, SourceState.LIVE, SourceState.WAITING})
OUT: Final = frozenset(
    {SourceState.NOT_CONNECTED, SourceState.UNAUTHORIZED, SourceState.BUDGET_USED, SourceState.ERROR}
)
"""The states in which nothing can come."""

_OUTAGE: Final = "source"


@dataclass(frozen=True, slots=True)
class Reading:
    """How far an event has been read. `edges` says for each source the time before which everything it has is stored.

    A source that no live connector delivers ends with its last message. `front` is the furthest edge, None before the
    first message. `dark` are the sources of which nothing can come at present. `followed`: somebody reads the event as
    it happens, so that what is found may be told as new.
    """

    event: Event
    edges: Mapping[str, datetime]
    front: datetime | None
    dark: frozenset[str]
    followed: bool
    foreseen: Foreseen
    outages: Mapping[str, Sequence[tuple[datetime, datetime]]]
    statuses: Sequence[SourceStatus]


def outage_id(connector: str, since: datetime) -> str:
    """The id of the annotation that says a connector was out."""
    return f"{_OUTAGE}:{connector}:{since:%Y%m%dT%H%M%SZ}"


def reading(watched: Watched, now: datetime) -> Reading:
    """How far an event has been read, as of `now`."""
    statuses = [status for status in watched.statuses if not status.source.startswith(_BATCH)]
    notes = watched.annotations
    edges: dict[str, datetime] = {}
    dark: set[str] = set()
    for source, step in watched.last_steps.items():
        feeding = [status for status in statuses if FEEDS.get(status.source, source) == source]
        live = [status.live_to for status in feeding if status.live_to]
        # A post with a date in the future must not make the present wait for it.
        edges[source] = min(max(live, default=start_of(step) + STEP), now)
        if feeding and all(status.state in OUT for status in feeding):
            dark.add(source)
    return Reading(
        event=watched.event,
        edges=edges,
        front=max(edges.values(), default=None),
        dark=frozenset(dark),
        followed=any(status.state in _FOLLOWED for status in statuses),
        foreseen=Foreseen.of(watched.event, notes),
        outages={source: [_stretch(note) for note in notes if _concerns(note, source)] for source in edges},
        statuses=statuses,
    )


def _concerns(note: Annotation, source: str) -> bool:
    kind, _, rest = note.id.partition(":")
    connector = rest.rpartition(":")[0]
    return note.kind is AnnotationKind.SYSTEM and kind == _OUTAGE and FEEDS.get(connector, source) == source


def _stretch(note: Annotation) -> tuple[datetime, datetime]:
    return note.at, note.until or datetime.max.replace(tzinfo=note.at.tzinfo)


def past(
    store: Store, read: Reading, to: Mapping[str, int] | None = None, *, days: timedelta = HISTORY
) -> list[dict[str, Tick]]:
    """The steps of the last `days` of an event, for a replay: each source from its first message in them on.

    `to` is the first step of each source that is left out; what is not named is read to its edge.
    """
    if read.front is None:
        return []
    counts = store.incidents.step_counts(read.event.id, read.front - days, read.front, read.edges)
    ranges = {
        source: (min(steps), (to or {}).get(source, step_of(read.edges[source])))
        for source, steps in counts.items()
        if steps and source in read.edges
    }
    return list(ticks(counts, ranges, read.foreseen, read.outages))


def recent(store: Store, read: Reading, since: int) -> Counts:
    """The counts from a step on to the newest message that is not from the future."""
    assert read.front is not None
    return store.incidents.step_counts(read.event.id, start_of(since), read.front + STEP, read.edges)
