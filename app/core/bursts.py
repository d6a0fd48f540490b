"""The tests on one series: the messages of one source of one event, step by step.

    tests = SeriesTests("x", step=timedelta(minutes=5), budget=Budget(volume=0.5, negative=0.5))
    signals = tests.observe(Tick(start, total=140, scored=138, negative=61))

Each test asks how surprising the fading windows of 5 minutes to 4 hours are, given what was usual before: the volume
(`app.core.volume`), the negative share and the negative count (`app.core.negativity`), each judged by the record of the
series' own surprises (`app.core.record`). The state is constant: at most 1 KB as JSON, whatever the length of the
series. The constants of these modules are in steps and were chosen for steps of five minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.core.errors import InvalidInput
from app.core.incidents import Kind, Signal
from app.core.negativity import UsualShare
from app.core.record import Record
from app.core.types import JSON
from app.core.volume import WARM_UP, VolumeLevel
from app.core.windows import FULL, NOTHING, added, faded, filled, whole

REVISION: Final = 2
"""Grows when the tests or their state change: what an event's detector remembers is then made anew of its history."""

_VOLUME_PRIOR: Final = ((0.93, 0.74), (0.52, 0.80), (0.26, 0.65), (0.00, 0.55))
_SHARE_PRIOR: Final = ((0.78, 0.24), (0.76, 0.26), (0.60, 0.30), (0.30, 0.36))
_VOLUME_CHANCES: Final = 9.0  # a week
_SHARE_CHANCES: Final = 15.0

# Negative messages are more than usual for more messages alone, unless their share is up with this surprise as well.
_SHARE_IS_UP: Final = 3.0
# A surge goes on while the last 20 minutes are at least so many times the usual; one that only the longest window sees,
# while the last 80 minutes are so many times the usual as well.
_STILL_MORE: Final = 1.5
_STILL_MUCH_MORE: Final = 2.0
_RECENT: Final = 1  # the window of 20 minutes
_WHILE_AGO: Final = 2  # the window of 80 minutes

# A source that is switched on comes from next to nothing to its full rate at once.
_YOUNG: Final = 288  # steps
_SILENT: Final = 0.25  # messages a step
_TIMES: Final = 20.0
_LEAST_JUMP: Final = 10.0  # messages
# After so many steps without knowledge the level is learnt anew.
_FORGOTTEN_AFTER: Final = 288


@dataclass(frozen=True, slots=True)
class Tick:
    """What one source delivered for an event in the step that begins at `start` (UTC).

    `total` counts messages, `scored` those that have a label, `negative` those labelled negative.
    `known` False: the source was down, or nobody knows; that is never read as zero, and the counts are left unread.
    `expected` is how many times the usual rate is foreseen: 3.0 in the hour of a launch, 1.0 on any other day.
    """

    start: datetime
    total: int
    scored: int = 0
    negative: int = 0
    known: bool = True
    expected: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.negative <= self.scored <= self.total:
            raise InvalidInput(
                f"need negative <= scored <= total, not {self.negative}, {self.scored} and {self.total}", field="total"
            )
        if not self.expected > 0:
            raise InvalidInput(f"the expected factor must be above 0, not {self.expected}", field="expected")


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms a week that the tests of a series may raise; None leaves a test out."""

    volume: float | None = 0.5
    negative: float | None = 0.5


class SeriesTests:
    """All tests of one series. Steps come in order; one that is left out is a gap: unknown, never zero.

    With `joins` the source is new to an event that others delivered for before: its first messages are a signal.
    """

    def __init__(self, source: str, *, step: timedelta, budget: Budget, joins: bool = False) -> None:
        self.source = source
        self._step = step
        self._step_s = step.total_seconds()
        self.allow(budget)
        self._level, self._volume_record = VolumeLevel(), Record(_VOLUME_PRIOR, _VOLUME_CHANCES, step)
        self._share, self._share_record = UsualShare(), Record(_SHARE_PRIOR, _SHARE_CHANCES, step)
        self._fills = self._totals = self._scored = self._negatives = NOTHING
        self._end: datetime | None = None
        self._unknown = 0  # steps since the last known one
        self._age = 0  # known steps; a level that is learnt anew for a source that was switched on leaves it as it is
        self._joins = joins
        self._more_since: datetime | None = None  # start of the run of steps in which the volume stands out
        self._worse_since: datetime | None = None  # the same of the negatives

    def allow(self, budget: Budget) -> None:
        """Set the thresholds."""
        self._volume_threshold = None if budget.volume is None else -math.log10(budget.volume)
        self._negative_threshold = None if budget.negative is None else -math.log10(budget.negative)

    def observe(self, tick: Tick) -> list[Signal]:
        """Test a complete step, then learn from it. Raises InvalidInput when it begins before the last one ended."""
        if self._end is not None:
            if tick.start < self._end:
                raise InvalidInput(f"the step of {tick.start} comes after that up to {self._end}", field="start")
            if tick.start > self._end:
                self._unknown += round((tick.start - self._end).total_seconds() / self._step_s)
        self._end = tick.start + self._step
        if not tick.known:
            self._unknown += 1
            return []
        if self._unknown:
            self._resume()
        self._age += 1
        count = tick.total / tick.expected
        fills, totals = filled(self._fills), added(self._totals, count)
        scored, negatives = added(self._scored, tick.scored), added(self._negatives, tick.negative)
        switched_on = self._switched_on(tick, totals)
        self._joins = self._joins and switched_on is None and self._level.steps < WARM_UP
        if switched_on is not None:
            self._fills, self._totals = filled(NOTHING), added(NOTHING, count)
            self._scored, self._negatives = added(NOTHING, tick.scored), added(NOTHING, tick.negative)
            self._level = VolumeLevel()
            self._share.learn(tick.total, tick.negative, tick.scored, self._negatives, self._scored)
            return [switched_on]
        counts = whole(totals, fills)
        volumes = self._level.surprises(counts)
        shares = self._share.surprises(negatives, scored)
        signals = self._volume_signals(tick, volumes, counts)
        signals += self._negative_signals(tick, shares, negatives, scored, fills)
        self._volume_record.add(volumes)
        self._share_record.add(shares)
        self._level.learn(counts)
        self._share.learn(tick.total, tick.negative, tick.scored, negatives, scored)
        self._fills, self._totals, self._scored, self._negatives = fills, totals, scored, negatives
        return signals

    def look(self, tick: Tick) -> list[Signal]:
        """Test a step that is still being filled; nothing is learnt.

        Only the volume is tested: a count can but grow, so a step that stands out already will stand out when it is
        complete, and looking often raises no more false alarms than looking once. In the first day of a series it
        waits for the complete step, which tells a source that is switched on.
        """
        if not tick.known or self._unknown or (self._end is not None and tick.start != self._end):
            return []
        totals = added(self._totals, tick.total / tick.expected)
        switched_on = self._switched_on(tick, totals)
        if switched_on is not None:
            return [switched_on]
        if self._level.steps < _YOUNG:
            return []
        counts = whole(totals, filled(self._fills))
        since = self._more_since
        signals = self._volume_signals(tick, self._level.surprises(counts), counts)
        self._more_since = since
        return signals

    def _resume(self) -> None:
        """Go on after a gap: what was in the windows is forgotten as it ages; after a long gap the level as well."""
        self._fills, self._totals = faded(self._fills, self._unknown), faded(self._totals, self._unknown)
        self._scored, self._negatives = faded(self._scored, self._unknown), faded(self._negatives, self._unknown)
        if self._unknown >= _FORGOTTEN_AFTER:
            self._level, self._share = VolumeLevel(), UsualShare()
            self._age = 0
            self._joins = True
        self._unknown = 0
        self._more_since = self._worse_since = None

    def _switched_on(self, tick: Tick, totals: Sequence[float]) -> Signal | None:
        """The signal of a source that begins to deliver, at the step in which it does."""
        usual = self._level.means[0]
        recent = totals[_RECENT]
        if self._joins:
            jumped = recent >= _LEAST_JUMP
        elif tick.expected != 1.0 or self._level.steps < WARM_UP:
            jumped = False
        elif self._age <= _YOUNG:
            before = self._totals[_WHILE_AGO] / self._fills[_WHILE_AGO]
            jumped = tick.total >= max(_LEAST_JUMP, _TIMES * before)
        else:
            jumped = usual < _SILENT and recent >= max(_LEAST_JUMP, _TIMES * usual * FULL[_RECENT])
        if not jumped:
            return None
        expected = usual * FULL[_RECENT]
        size = max(recent - expected, float(tick.total))
        return Signal(Kind.SWITCHED_ON, self.source, tick.start, recent, expected, size, surprise=0.0, threshold=0.0)

    def _volume_signals(self, tick: Tick, surprises: Sequence[float], counts: Sequence[float]) -> list[Signal]:
        best = self._volume_record.best(surprises)
        if best is None or not self._goes_on(best[0], counts):
            self._more_since = None
            return []
        self._more_since = since = self._more_since or tick.start
        if self._volume_threshold is None:
            return []
        window, score = best
        count, usual, surprise = counts[window], self._level.means[window], self._volume_record.rarity(score)
        return [Signal(Kind.VOLUME, self.source, since, count, usual, count - usual, surprise, self._volume_threshold)]

    def _goes_on(self, window: int, counts: Sequence[float]) -> bool:
        """Whether what stands out in a window is still there: the long window remembers it for hours."""
        usual = self._level.means
        if counts[_RECENT] < _STILL_MORE * usual[_RECENT]:
            return False
        return window <= _WHILE_AGO or counts[_WHILE_AGO] >= _STILL_MUCH_MORE * usual[_WHILE_AGO]

    def _negative_signals(
        self,
        tick: Tick,
        shares: Sequence[float],
        negatives: Sequence[float],
        scored: Sequence[float],
        fills: Sequence[float],
    ) -> list[Signal]:
        if negatives[_RECENT] <= scored[_RECENT] * self._share.usual(_RECENT):
            self._worse_since = None
            return []
        share = self._share_record.best(shares)
        count = None
        if max(shares) >= _SHARE_IS_UP:
            counts = whole([negative / tick.expected for negative in negatives], fills)
            usual_counts = [mean * self._share.negatives_per_message for mean in self._level.means]
            surprises = self._level.surprises(counts, self._share.negatives_per_message)
            count = self._volume_record.best(
                [more if up >= _SHARE_IS_UP else 0.0 for more, up in zip(surprises, shares, strict=True)]
            )
        if share is None and count is None:
            self._worse_since = None
            return []
        self._worse_since = since = self._worse_since or tick.start
        threshold = self._negative_threshold
        signals: list[Signal] = []
        if threshold is not None and share is not None:
            window, score = share
            n, negative, usual = scored[window], negatives[window], self._share.usual(window)
            size, surprise = negative - n * usual, self._share_record.rarity(score)
            signals.append(
                Signal(Kind.NEGATIVE_SHARE, self.source, since, negative / n, usual, size, surprise, threshold)
            )
        if threshold is not None and count is not None:
            window, score = count
            negative, usual, surprise = counts[window], usual_counts[window], self._volume_record.rarity(score)
            size = negative - usual
            signals.append(Signal(Kind.NEGATIVE_COUNT, self.source, since, negative, usual, size, surprise, threshold))
        return signals

    def state(self) -> dict[str, JSON]:
        """All that is needed to go on later, as JSON of at most 1 KB."""
        return {
            "end": None if self._end is None else self._end.timestamp(),
            "unknown": self._unknown,
            "age": self._age,
            "joins": self._joins,
            "more": None if self._more_since is None else self._more_since.timestamp(),
            "worse": None if self._worse_since is None else self._worse_since.timestamp(),
            "sums": _rounded([self._fills, self._totals, self._scored, self._negatives]),
            "level": _rounded(self._level.state()),
            "share": _rounded(self._share.state()),
            "records": [_rounded(self._volume_record.state()), _rounded(self._share_record.state())],
        }

    @classmethod
    def restored(cls, source: str, state: dict[str, Any], *, step: timedelta, budget: Budget) -> SeriesTests:
        """The tests that `state()` was taken of."""
        made = cls(source, step=step, budget=budget, joins=state["joins"])
        made._end, made._unknown, made._age = _time(state["end"]), state["unknown"], state["age"]
        made._more_since, made._worse_since = _time(state["more"]), _time(state["worse"])
        made._fills, made._totals, made._scored, made._negatives = state["sums"]
        made._level.restore(state["level"])
        made._share.restore(state["share"])
        made._volume_record.restore(state["records"][0])
        made._share_record.restore(state["records"][1])
        return made


def _rounded(rows: Sequence[Sequence[float]]) -> list[JSON]:
    """Six digits: beyond what any of the numbers is good for, and short."""
    return [[float(f"{value:.6g}") for value in row] for row in rows]


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
