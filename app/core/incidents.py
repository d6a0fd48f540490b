"""The life of an incident: it opens, is updated in place, and closes; one incident for one happening.

What the tests of all series of an event find in a step is handed to one `IncidentBook`, so the fast and the slow path,
the sources and the kinds of test that see the same happening feed the same incident. A new surge soon after the close
is the same happening again and reopens the incident; only one of higher severity is told as a new incident.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from app.core.types import JSON


class Kind(StrEnum):
    """What stood out, from the most to the least telling."""

    NEGATIVE_SHARE = "negative_share"  # more of the messages are negative than usual
    NEGATIVE_COUNT = "negative_count"  # more negative messages than usual, and not for more messages alone
    VOLUME = "volume"  # more messages than usual
    SWITCHED_ON = "source_switched_on"  # a source began to deliver: collection, not public reaction


_RANK = {kind: rank for rank, kind in enumerate(Kind)}

# What may come again under the name of an incident: after anger also volume, after mere volume no anger.
_SAME_SORT = {
    Kind.NEGATIVE_SHARE: frozenset({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT, Kind.VOLUME}),
    Kind.NEGATIVE_COUNT: frozenset({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT, Kind.VOLUME}),
    Kind.VOLUME: frozenset({Kind.VOLUME}),
    Kind.SWITCHED_ON: frozenset({Kind.SWITCHED_ON}),
}


class Severity(IntEnum):
    """How much an incident matters: surprise x size x persistence, see `severity_of`."""

    WATCH = 1
    HIGH = 2
    CRITICAL = 3


class Change(StrEnum):
    """What became of an incident in a step."""

    OPENED = "opened"
    RAISED = "raised"  # of higher severity than before
    UPDATED = "updated"  # another kind or source joined, its size doubled, or it went on after it had closed
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Signal:
    """What one test says of a step of one series that stands out: it is above an ordinary day's largest.

    `surprise` is -log10 of how many times a week as much comes by chance (2.0: once in 100 weeks). An incident opens at
    `threshold` and goes on while there are signals. `since` is the start of the run of steps that stand out. `observed`
    and `expected` are messages, negative messages, or the negative share (0..1) of the window that stands out most, of
    5 minutes to 4 hours; `size` is the messages in it above what was expected.
    """

    kind: Kind
    source: str
    since: datetime
    observed: float
    expected: float
    size: float
    surprise: float
    threshold: float

    @property
    def fires(self) -> bool:
        """Whether this alone opens an incident (its size apart)."""
        return self.surprise >= self.threshold


@dataclass(frozen=True, slots=True)
class Incident:
    """One happening. Times are UTC; `kinds` and `evidence` are in the order of `Kind`.

    `started_at` is when it began in the messages, `opened_at` when it was noticed (the end of that step), `ended_at`
    the end of the last step that stood out, None while it is open. `revision` grows with every change that is told:
    (number, revision) names the change. `evidence` holds the strongest
    signal of each kind and source, of those that reached their threshold.
    """

    number: int
    kinds: tuple[Kind, ...]
    severity: Severity
    started_at: datetime
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    revision: int
    size: float
    reopened: int
    evidence: tuple[Signal, ...]

    @property
    def kind(self) -> Kind:
        """The most telling of its kinds."""
        return self.kinds[0]

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Update:
    """One change of an incident, with the incident as it is after it."""

    change: Change
    at: datetime
    incident: Incident


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When incidents open and close. `least_size` is in messages above what was expected.

    An incident closes after `calm_s` of known steps in which nothing held. For `cooldown_s` after that a new surge
    reopens it, unless the surge is of higher severity, or negative where it was not: that is a new incident.
    """

    least_size: float = 10.0
    calm_s: float = 3_600.0
    cooldown_s: float = 64_800.0


def severity_of(signal: Signal, lasted: timedelta) -> Severity:
    """Surprise beyond the threshold (decades), size (decades above 10) and persistence (doublings of half an hour).

    Each counts up to two points: under 2 points is WATCH, from 4 points on CRITICAL. A source that was switched on is
    never more than WATCH. A source that is behind can signal from before what it joins: that has not lasted at all.
    """
    if signal.kind is Kind.SWITCHED_ON:
        return Severity.WATCH
    surprise = min(2.0, max(0.0, signal.surprise - signal.threshold) / 2)
    size = min(2.0, max(0.0, math.log10(max(signal.size, 1.0)) - 1))
    persistence = min(2.0, math.log2(1 + max(lasted, timedelta()) / timedelta(minutes=30)) / 2)
    points = surprise + size + persistence
    return Severity.WATCH if points < 2 else Severity.HIGH if points < 4 else Severity.CRITICAL


class IncidentBook:
    """The incidents of one event: at most one is open at a time.

    Only the open incident and the one before it are kept; what is past is the caller's to store.
    """

    def __init__(self, rules: Lifecycle, *, next_number: int = 1) -> None:
        self.rules = rules
        self._next = next_number
        self._open: Incident | None = None
        self._past: Incident | None = None  # the last public reaction that closed
        self._since: datetime | None = None  # when the open one began, or came back
        self._held_to: datetime | None = None  # the end of the last step that stood out
        self._calm = timedelta()
        self._told_size = 0.0

    @property
    def open(self) -> Incident | None:
        """The incident that goes on, with its figures as of the latest step."""
        return self._open

    def step(
        self, end: datetime, length: timedelta, signals: Sequence[Signal], *, known: bool = True, complete: bool = True
    ) -> list[Update]:
        """Take in what the tests said of the step that ends at `end`; returns the changes that are to be told.

        With `known` False (every source was dark) an incident stays open: no data is not calm. With `complete` False
        the step is still being filled: it can open or raise an incident, not close one. A step of a source that is
        behind the others may end before those that were taken in already.
        """
        firing = [signal for signal in signals if signal.fires and signal.size >= self.rules.least_size]
        updates: list[Update] = []
        if self._open is not None and self._open.kinds == (Kind.SWITCHED_ON,) and _reactions(firing):
            updates.append(self._close(end))
        kinds = () if self._open is None else self._open.kinds
        held = [signal for signal in signals if signal.kind in kinds or signal in firing]
        if self._open is None:
            updates.extend(self._begin(end, firing))
        elif held:
            updates.extend(self._go_on(end, held, firing))
        elif known and complete:
            self._calm += length
            if self._calm.total_seconds() >= self.rules.calm_s:
                updates.append(self._close(end))
        if held and self._open is not None:
            self._calm = timedelta()
            self._held_to = max(self._held_to or end, end)
        return updates

    def state(self) -> dict[str, JSON]:
        """All that is needed to go on later, as JSON."""
        return {
            "next": self._next,
            "open": None if self._open is None else incident_json(self._open),
            "past": None if self._past is None else incident_json(self._past),
            "since": None if self._since is None else self._since.timestamp(),
            "held_to": None if self._held_to is None else self._held_to.timestamp(),
            "calm_s": self._calm.total_seconds(),
            "told_size": self._told_size,
        }

    @classmethod
    def restored(cls, rules: Lifecycle, state: dict[str, Any]) -> IncidentBook:
        """The book that `state()` was taken of."""
        book = cls(rules, next_number=state["next"])
        book._open = None if state["open"] is None else incident_from_json(state["open"])
        book._past = None if state["past"] is None else incident_from_json(state["past"])
        book._since = None if state["since"] is None else _time(state["since"])
        book._held_to = None if state["held_to"] is None else _time(state["held_to"])
        book._calm = timedelta(seconds=state["calm_s"])
        book._told_size = state["told_size"]
        return book

    def _begin(self, end: datetime, firing: Sequence[Signal]) -> list[Update]:
        if not firing:
            return []
        reactions = _reactions(firing)
        severity = max(severity_of(s, timedelta()) for s in reactions or firing)
        self._since = min(s.since for s in firing)
        if reactions and self._is_same(end, severity, reactions):
            return [self._again(end, firing)]
        self._told_size = max(s.size for s in firing)
        self._held_to = end
        self._open = Incident(
            number=self._next,
            kinds=_kinds(firing),
            severity=severity,
            started_at=self._since,
            opened_at=end,
            updated_at=end,
            ended_at=None,
            revision=1,
            size=self._told_size,
            reopened=0,
            evidence=_strongest((), firing),
        )
        self._next += 1
        return [Update(Change.OPENED, end, self._open)]

    def _is_same(self, end: datetime, severity: Severity, reactions: Sequence[Signal]) -> bool:
        """Whether it is the last happening again: soon after, of the same sort, and no more severe."""
        past = self._past
        return (
            past is not None
            and past.ended_at is not None
            and (end - past.ended_at).total_seconds() < self.rules.cooldown_s
            and severity <= past.severity
            and all(signal.kind in _SAME_SORT[past.kind] for signal in reactions)
        )

    def _again(self, end: datetime, firing: Sequence[Signal]) -> Update:
        past = self._past
        assert past is not None
        self._open = replace(
            past,
            ended_at=None,
            updated_at=max(past.updated_at, end),
            revision=past.revision + 1,
            reopened=past.reopened + 1,
            kinds=_kinds(firing, also=past.kinds),
            size=max(past.size, *(s.size for s in firing)),
            evidence=_strongest(past.evidence, firing),
        )
        self._told_size = self._open.size
        return Update(Change.UPDATED, end, self._open)

    def _go_on(self, end: datetime, held: Sequence[Signal], firing: Sequence[Signal]) -> list[Update]:
        assert self._open is not None and self._since is not None
        before = self._open
        severity = max([before.severity, *(severity_of(s, end - self._since) for s in firing)])
        size = max(before.size, *(s.size for s in held))
        now = replace(
            before,
            kinds=_kinds(firing, also=before.kinds),
            severity=severity,
            updated_at=max(before.updated_at, end),
            size=size,
            evidence=_strongest(before.evidence, firing),
        )
        change = self._change(before, now)
        if change is None:
            self._open = now
            return []
        self._told_size = size
        self._open = replace(now, revision=now.revision + 1)
        return [Update(change, end, self._open)]

    def _change(self, before: Incident, now: Incident) -> Change | None:
        if now.severity > before.severity:
            return Change.RAISED
        joined = now.kinds != before.kinds or _sources(now) != _sources(before)
        if joined or now.size >= 2 * self._told_size:
            return Change.UPDATED
        return None

    def _close(self, end: datetime) -> Update:
        assert self._open is not None
        at = max(self._open.updated_at, end)
        closed = replace(self._open, ended_at=self._held_to or end, updated_at=at, revision=self._open.revision + 1)
        if closed.kinds != (Kind.SWITCHED_ON,):
            self._past = closed
        self._open = None
        self._calm = timedelta()
        return Update(Change.CLOSED, end, closed)


def _reactions(signals: Sequence[Signal]) -> list[Signal]:
    return [signal for signal in signals if signal.kind is not Kind.SWITCHED_ON]


def _kinds(signals: Sequence[Signal], *, also: Sequence[Kind] = ()) -> tuple[Kind, ...]:
    return tuple(sorted({*also, *(s.kind for s in signals)}, key=_RANK.__getitem__))


def _sources(incident: Incident) -> set[str]:
    return {signal.source for signal in incident.evidence}


def _strongest(before: Sequence[Signal], now: Sequence[Signal]) -> tuple[Signal, ...]:
    best = {(s.kind, s.source): s for s in before}
    for signal in now:
        known = best.get((signal.kind, signal.source))
        if known is None or signal.surprise > known.surprise:
            best[signal.kind, signal.source] = signal
    return tuple(sorted(best.values(), key=lambda s: (_RANK[s.kind], s.source)))


def signal_json(signal: Signal) -> dict[str, JSON]:
    """A signal as JSON; times are seconds since 1970."""
    return {
        "kind": signal.kind.value,
        "source": signal.source,
        "since": signal.since.timestamp(),
        "observed": signal.observed,
        "expected": signal.expected,
        "size": signal.size,
        "surprise": signal.surprise,
        "threshold": signal.threshold,
    }


def incident_json(incident: Incident) -> dict[str, JSON]:
    """An incident as JSON; times are seconds since 1970."""
    return {
        "number": incident.number,
        "kinds": [kind.value for kind in incident.kinds],
        "severity": int(incident.severity),
        "started_at": incident.started_at.timestamp(),
        "opened_at": incident.opened_at.timestamp(),
        "updated_at": incident.updated_at.timestamp(),
        "ended_at": None if incident.ended_at is None else incident.ended_at.timestamp(),
        "revision": incident.revision,
        "size": incident.size,
        "reopened": incident.reopened,
        "evidence": [signal_json(signal) for signal in incident.evidence],
    }


def incident_from_json(data: dict[str, Any]) -> Incident:
    """The incident that `incident_json` was made of."""
    return Incident(
        number=data["number"],
        kinds=tuple(Kind(kind) for kind in data["kinds"]),
        severity=Severity(data["severity"]),
        started_at=_time(data["started_at"]),
        opened_at=_time(data["opened_at"]),
        updated_at=_time(data["updated_at"]),
        ended_at=None if data["ended_at"] is None else _time(data["ended_at"]),
        revision=data["revision"],
        size=data["size"],
        reopened=data["reopened"],
        evidence=tuple(
            Signal(**{**signal, "kind": Kind(signal["kind"]), "since": _time(signal["since"])})
            for signal in data["evidence"]
        ),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
