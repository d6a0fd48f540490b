"""Runs the scenarios over the sides and makes the figures of the turns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.adapters.benchmarks import Compared, Measured
from app.adapters.benchmarks import Side as SideFacts
from app.core.errors import AppError
from app.core.metrics import score
from app.core.significance import Interval
from pipelines.benchmarking.scenarios import (
    BATCH,
    CALLERS,
    DUPLICATES,
    EVENTPULSE,
    ONE,
    RAW_BEST,
    TARGETS,
    TITLES,
    UNIQUE,
    Scenario,
)
from pipelines.benchmarking.sides import Probabilities, Side
from pipelines.benchmarking.statistics import (
    Turn,
    alternate,
    cost_per_million,
    failures_of,
    median_latency_ms,
    median_rate,
    paired_difference,
    paired_ratio,
)
from pipelines.benchmarking.stream import Starts
from pipelines.benchmarking.texts import Labelled

Say = Callable[[str], None]
_WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long: turns of each side, and seconds a turn; `texts` is how many a turn over all texts has."""

    pairs: int
    seconds: float
    texts: int


class Runner:
    """Measures. `sides` are up; `starts` numbers the texts; `load` gives the load average of the last minute."""

    def __init__(
        self,
        sides: Mapping[str, Side],
        plan: Plan,
        starts: Starts,
        say: Say,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
    ) -> None:
        self._sides = sides
        self._plan = plan
        self._starts = starts
        self._say = say
        self._load = load
        self._turns: dict[tuple[str, str], list[Turn]] = {}
        self._before = self._highest = load()

    @property
    def loads(self) -> tuple[float, float]:
        """The load average before, and the highest since."""
        return round(self._before, 2), round(self._highest, 2)

    def run(self, chosen: Sequence[Scenario]) -> None:
        """Measure every scenario; the two of the duplicates take turns with each other."""
        by_key = {scenario.key: scenario for scenario in chosen}
        for scenario in chosen:
            if scenario.key not in {UNIQUE, DUPLICATES}:
                self._scenario(scenario)
        if UNIQUE in by_key and DUPLICATES in by_key:
            self._say(f"duplicates: {by_key[DUPLICATES].words}")
            taken = alternate(
                [DUPLICATES, UNIQUE],
                self._plan.pairs,
                lambda key, pair: self._take(by_key[key], EVENTPULSE, self._starts.of(key, pair), pair),
            )
            self._turns |= {(key, EVENTPULSE): turns for key, turns in taken.items()}

    def measured(self, chosen: Sequence[Scenario]) -> tuple[Measured, ...]:
        """The medians of every side in every scenario that has been run."""
        return tuple(
            Measured(
                scenario=scenario.key,
                side=side,
                callers=scenario.callers,
                texts_per_request=scenario.per_request,
                rate=median_rate(turns),
                p50_ms=median_latency_ms(turns, 50),
                p95_ms=median_latency_ms(turns, 95),
                p99_ms=median_latency_ms(turns, 99),
                requests=sum(len(turn.latencies_s) for turn in turns),
                failures=failures_of(turns),
            )
            for scenario in chosen
            for side in scenario.sides
            if (turns := self._turns.get((scenario.key, side)))
        )

    def compared(self) -> tuple[Compared, ...]:
        """EventPulse over every other side: the targets first, then the rest, by the rate."""
        wanted = {(each.scenario, each.other, each.measure): each for each in TARGETS}
        asked = [*wanted, *((scenario, side, "rate") for scenario, side in self._turns if side != EVENTPULSE)]
        found = []
        for scenario, other, measure in dict.fromkeys(asked):
            ours = self._turns.get((scenario, EVENTPULSE))
            theirs = self._turns.get((UNIQUE, EVENTPULSE) if other == UNIQUE else (scenario, other))
            if not ours or not theirs or not _answered(ours) or not _answered(theirs):
                continue
            ratio = paired_ratio(*(_values(turns, measure) for turns in (ours, theirs)))
            target = wanted.get((scenario, other, measure))
            found.append(
                Compared(
                    scenario=scenario,
                    side=EVENTPULSE,
                    other=other,
                    measure="p50" if measure == "p50" else "rate",
                    ratio=ratio,
                    pairs=len(ours),
                    target=target.value if target else None,
                    at_most=target.at_most if target else False,
                )
            )
        return tuple(found)

    def hop_ms(self) -> Interval | None:
        """What a lone caller waits longer over HTTP than in process, at the median."""
        ours, raw = self._turns.get((ONE, EVENTPULSE)), self._turns.get((ONE, RAW_BEST))
        if not ours or not raw or not _answered(ours) or not _answered(raw):
            return None
        return paired_difference(*([turn.latency_ms(50) for turn in turns] for turns in (ours, raw)))

    def facts(self, price_per_hour: float, compare: Sequence[str], labelled: Labelled) -> tuple[SideFacts, ...]:
        """What else is known of the sides: memory (warm), cost, agreement on the texts `compare`, quality."""
        reference: list[Probabilities] = []
        found = []
        for name, side in self._sides.items():
            self._say(f"agreement, quality and memory: {name}")
            try:
                facts = self._fact(side, price_per_hour, labelled)
                said = side.ask(compare)
            except AppError as error:
                self._say(f"  {name}: {error}")
                continue
            reference = reference or said
            differs, agrees = agreement(reference, said)
            own = name == next(iter(self._sides))
            found.append(facts if own else facts.model_copy(update={"differs": differs, "agrees": agrees}))
        return tuple(found)

    def repeats_identical(self, texts: Sequence[str]) -> bool:
        """Whether EventPulse says the same of a text again, to the last digit."""
        first = self._sides[EVENTPULSE].ask(texts)
        return first == self._sides[EVENTPULSE].ask(texts)

    def _scenario(self, scenario: Scenario) -> None:
        self._say(f"{scenario.key}: {scenario.words}")
        for side in scenario.sides:
            self._warm_up(scenario, side)
        taken = alternate(
            scenario.sides,
            self._plan.pairs,
            lambda side, pair: self._take(scenario, side, self._starts.of(scenario.key, pair), pair),
        )
        self._turns |= {(scenario.key, side): turns for side, turns in taken.items()}

    def _warm_up(self, scenario: Scenario, side: str) -> None:
        seconds = min(_WARM_UP_S, self._plan.seconds)
        self._sides[side].turn(replace(scenario, whole=False), self._starts.of(scenario.key, -1), seconds, 0)

    def _take(self, scenario: Scenario, side: str, start: int, pair: int) -> Turn:
        turn = self._sides[side].turn(scenario, start, self._plan.seconds, self._plan.texts if scenario.whole else 0)
        load = self._load()
        self._highest = max(self._highest, load)
        failed = f", {sum(turn.failures.values())} failed {dict(turn.failures)}" if turn.failures else ""
        self._say(
            f"  {pair + 1}/{self._plan.pairs} {side:22} {turn.rate:8.1f} texts/s, p50 {turn.latency_ms(50):7.1f} ms, "
            f"p99 {turn.latency_ms(99):7.1f} ms, load {load:.1f}{failed}"
        )
        return turn

    def _fact(self, side: Side, price: float, labelled: Labelled) -> SideFacts:
        recall = None
        if labelled.texts:
            recall = score(labelled.labels, np.asarray(side.ask(labelled.texts)).argmax(axis=1)).macro_recall
        whole, core = side.memory_mb()
        rates = {
            scenario: median_rate(self._turns[scenario, side.name])
            for scenario in (BATCH, f"single-{max(CALLERS)}")
            if (scenario, side.name) in self._turns
        }
        return SideFacts(
            name=side.name,
            title=TITLES.get(side.name, side.name),
            kind=side.kind,
            backend=side.backend,
            memory_mb=whole or None,
            core_memory_mb=core,
            startup_s=side.startup_s,
            cost_batch=cost_per_million(rates.get(BATCH, 0.0), price),
            cost_single=cost_per_million(rates.get(f"single-{max(CALLERS)}", 0.0), price),
            macro_recall=recall,
        )


def agreement(reference: Sequence[Probabilities], said: Sequence[Probabilities]) -> tuple[float, float]:
    """The largest difference of a probability, and the share of texts with the same label."""
    ours, theirs = np.asarray(reference), np.asarray(said)
    return float(np.abs(ours - theirs).max()), float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())


def _answered(turns: Sequence[Turn]) -> bool:
    """Whether every turn has something to compare: a side that did not answer is no slow one."""
    return all(turn.texts for turn in turns)


def _values(turns: Sequence[Turn], measure: str) -> list[float]:
    return [turn.latency_ms(50) if measure == "p50" else turn.rate for turn in turns]
