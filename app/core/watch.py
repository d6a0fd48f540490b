"""The spike detector of one event: the tests of its sources, and its incidents.

    watch = Watch(Rule(alarms_per_week=1.0))
    for update in watch.observe({"x": Tick(...), "newsapi": Tick(...)}):   # a complete step
        tell(update.change, update.incident)
    watch.look({"x": Tick(...)}, now=...)      # the step that is being filled, as often as one likes
    saved = watch.state()                      # JSON; Watch.restored(rule, saved) goes on from there

`replay` says what a rule would have made of a history, `calibrate` where the dial puts the thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from app.core.bursts import Budget, SeriesTests, Tick
from app.core.errors import InvalidInput
from app.core.incidents import Incident, IncidentBook, Kind, Lifecycle, Signal, Update
from app.core.types import JSON

ALL_KINDS: Final = tuple(Kind)

_NEGATIVE: Final = frozenset({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT})
_SETTLED: Final = 288  # steps after which a source that joins is worth telling


@dataclass(frozen=True, slots=True)
class Rule:
    """What an analyst sets for an event.

    `alarms_per_week` is the dial: how many false alarms a week the event may raise on its usual chatter, all kinds and
    sources together. `kinds` are those that open incidents. `least_size` is in messages above what was expected.
    `correction` is how many times as many alarms as it says the detector raises on this event's history: `calibrate`
    sets it.
    """

    alarms_per_week: float = 1.0
    kinds: tuple[Kind, ...] = ALL_KINDS
    least_size: float = 10.0
    calm_minutes: float = 60.0
    cooldown_hours: float = 18.0
    correction: float = 1.0

    def __post_init__(self) -> None:
        for name in ("alarms_per_week", "least_size", "calm_minutes", "correction"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be above 0, not {getattr(self, name)}", field=name)
        if not self.cooldown_hours >= 0:
            raise InvalidInput(f"cooldown_hours must not be below 0, not {self.cooldown_hours}", field="cooldown_hours")

    @property
    def lifecycle(self) -> Lifecycle:
        """The part of it that concerns incidents."""
        return Lifecycle(self.least_size, self.calm_minutes * 60, self.cooldown_hours * 3_600)

    def budget(self, sources: int) -> Budget:
        """What the dial leaves for each of the sources: an equal part for each kind of test."""
        volume, negative = Kind.VOLUME in self.kinds, not _NEGATIVE.isdisjoint(self.kinds)
        part = self.alarms_per_week / self.correction / max(1, sources * (volume + negative))
        return Budget(part if volume else None, part if negative else None)

    def as_json(self) -> dict[str, JSON]:
        """The rule as JSON."""
        return {**asdict(self), "kinds": [kind.value for kind in self.kinds]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rule:
        """The rule that `as_json` was made of; what is left out has its default. Raises InvalidInput."""
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidInput(f"a rule has no {', '.join(sorted(unknown))}", field=sorted(unknown)[0])
        known = dict(data)
        if "kinds" in known:
            known["kinds"] = tuple(_kind(kind) for kind in known["kinds"])
        return cls(**known)


class Watch:
    """The detector of one event. `step` is the length of a step; all sources have the same steps."""

    def __init__(self, rule: Rule, *, step: timedelta = timedelta(minutes=5), next_number: int = 1) -> None:
        self.rule = rule
        self.step = step
        self._series: dict[str, SeriesTests] = {}
        self._steps = 0
        self._book = IncidentBook(rule.lifecycle, next_number=next_number)

    @property
    def open(self) -> Incident | None:
        """The incident that goes on, with its figures as of the latest step."""
        return self._book.open

    def observe(self, ticks: Mapping[str, Tick], *, settled: bool = True) -> list[Update]:
        """Test and learn a complete step: a tick for each source, all with the same start.

        A source that is left out is unknown in this step, or behind: its tick may come later, in its own order. With
        `settled` False (another source has yet to say) the step can open or raise an incident, not close one. Raises
        InvalidInput on no tick, on different starts, and on a step before the last one of its source.
        """
        start = _start(ticks)
        signals = [signal for source, tick in ticks.items() for signal in self._tests(source).observe(tick)]
        self._steps += 1
        known = any(tick.known for tick in ticks.values())
        return self._book.step(start + self.step, self.step, self._wanted(signals), known=known, complete=settled)

    def look(self, ticks: Mapping[str, Tick], *, now: datetime) -> list[Update]:
        """Test the step that is being filled, as of `now`. Can open and raise an incident; nothing is learnt."""
        _start(ticks)
        signals = [signal for source, tick in ticks.items() for signal in self._tests(source).look(tick)]
        return self._book.step(now, timedelta(), self._wanted(signals), complete=False)

    def state(self) -> dict[str, JSON]:
        """All that is needed to go on later, as JSON: at most 1 KB a source, and the two latest incidents."""
        return {
            "step_s": self.step.total_seconds(),
            "steps": self._steps,
            "series": {source: tests.state() for source, tests in self._series.items()},
            "book": self._book.state(),
        }

    @classmethod
    def restored(cls, rule: Rule, state: Mapping[str, Any]) -> Watch:
        """The watch that `state()` was taken of; the rule may be another one by now."""
        watch = cls(rule, step=timedelta(seconds=state["step_s"]))
        watch._steps = state["steps"]
        watch._series = {
            source: SeriesTests.restored(source, saved, step=watch.step, budget=rule.budget(len(state["series"])))
            for source, saved in state["series"].items()
        }
        watch._book = IncidentBook.restored(rule.lifecycle, state["book"])
        return watch

    def _tests(self, source: str) -> SeriesTests:
        if source not in self._series:
            budget = self.rule.budget(len(self._series) + 1)
            for tests in self._series.values():
                tests.allow(budget)
            self._series[source] = SeriesTests(source, step=self.step, budget=budget, joins=self._steps >= _SETTLED)
        return self._series[source]

    def _wanted(self, signals: Iterable[Signal]) -> list[Signal]:
        return [signal for signal in signals if signal.kind in self.rule.kinds]


def replay(
    history: Iterable[Mapping[str, Tick]],
    rule: Rule,
    *,
    step: timedelta = timedelta(minutes=5),
    since: datetime | None = None,
) -> list[Incident]:
    """The incidents that the rule would have opened, as they were in the end; the last one may still be open.

    With `since` only those opened from then on are told: what comes before is for learning the usual.
    """
    watch = Watch(rule, step=step)
    found: dict[int, Incident] = {}
    for ticks in history:
        found.update({update.incident.number: update.incident for update in watch.observe(ticks)})
    if watch.open is not None:
        found[watch.open.number] = watch.open
    return [incident for incident in found.values() if since is None or incident.opened_at >= since]


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise InvalidInput(f"there is no kind {name!r}, only {', '.join(Kind)}", field="kinds") from None


def _start(ticks: Mapping[str, Tick]) -> datetime:
    starts = {tick.start for tick in ticks.values()}
    if len(starts) != 1:
        raise InvalidInput(f"need ticks of one step, not of {len(starts)}", field="ticks")
    return starts.pop()
