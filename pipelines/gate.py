"""The gate: may a challenger replace the champion? Measures both on the same texts, decides, and says why.

    python -m pipelines.gate --challenger models/mine --champion models/default --data DIR --out var/gate
    python -m pipelines.gate --challenger models/mine --data DIR --out var/gate --limit 300   # first model, quick look

Exit status 0: passed, 2: refused, 1: an error. OUT gets gate.json, gate.md and the evaluation of both. Without
--champion the model is held to absolute floors, VADER among them. The frozen test set is left out unless --test is
given. `--reuse` takes answers from an earlier evaluation of the same files.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ray

from app.adapters.classifiers import TextClassifier
from app.core.errors import AppError, ConfigError
from app.core.gate import Compared, Decision, Evidence, Limits, PassRates, decide, decide_first
from app.core.metrics import Ints, means
from app.core.significance import Interval, joint_counts, mcnemar, mean_recall_difference, paired_differences
from app.core.slices import members
from pipelines.classify import Answers, Ask, classify
from pipelines.contestants import artifact, vader
from pipelines.corpora import EvaluationSet
from pipelines.evaluate import Found, Plan, chosen_sets, evaluate
from pipelines.looks import LOOKS
from pipelines.results import ClassifierResult
from pipelines.scoring import answered, generator

GATE = "gate.json"
REFUSED = 2
# VADER was tuned with these: a lead over it there would mean little, a lag nothing.
VADERS_OWN = frozenset({"vader-tweets", "nyt-editorial-snippets"})
_PAIRS = 7
_TIMED_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, what it rests on, and the limits that were in force."""

    decision: Decision
    evidence: Evidence
    limits: Limits
    made_at: str
    first: bool
    data: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether the challenger may replace the champion."""
        return self.decision.passed

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {"passed": self.passed, "reasons": list(self.decision.reasons), **asdict(self)}


def compare(
    challenger: Path,
    champion: Path | None,
    data: Path,
    out: Path,
    *,
    plan: Plan | None = None,
    limits: Limits | None = None,
    earlier: Path | None = None,
    threads: int = 2,
    ask: Ask = classify,
    clock: Callable[[], float] = time.perf_counter,
    now: datetime | None = None,
) -> Verdict:
    """Hold the model in the folder `challenger` against that in `champion`; None for a first model.

    Writes the evaluation of both, gate.json and gate.md into `out`. Raises AppError, for one when both folders hold
    the same weights.
    """
    wanted, held_to, moment = plan or Plan(), limits or Limits(), now or datetime.now(UTC)
    new = artifact(challenger, threads=threads)
    old = vader() if champion is None else artifact(champion, threads=threads)
    if new.name == old.name:
        raise ConfigError(f"{challenger} and {champion} both hold {new.name}: there is nothing to compare")
    sets = chosen_sets(data, wanted)
    found = evaluate((old, new), sets, out, wanted, moment, ask=ask, earlier=earlier)
    ratio = None
    if champion is not None:
        ratio = latency_ratio(new.make(), old.make(), timed_texts(sets), wanted.seed, clock=clock)
    evidence = gather(found, sets, wanted, ratio, first=champion is None)
    decision = decide_first(evidence, held_to) if champion is None else decide(evidence, held_to)
    verdict = Verdict(
        decision,
        evidence,
        held_to,
        moment.isoformat(timespec="seconds"),
        champion is None,
        {each.name: each.sha256 for each in found.evaluation.data},
    )
    (out / GATE).write_text(json.dumps(verdict.as_json(), indent=1) + "\n")
    (out / "gate.md").write_text(markdown(verdict))
    return verdict


def gather(
    found: Found, sets: Sequence[EvaluationSet], plan: Plan, latency: Interval | None, *, first: bool
) -> Evidence:
    """What an evaluation of champion and challenger, in this order, says for and against the challenger."""
    old, new = found.evaluation.results
    before, after = (found.answers[each.model] for each in (old, new))
    joints = {each.name: _joint(each, before, after) for each in sets}
    counted = [name for name in joints if not (first and name in VADERS_OWN)] or list(joints)
    rng = generator(plan.seed, "gate")
    rounds = plan.rounds
    return Evidence(
        challenger=new.model,
        champion=old.model,
        overall=Compared(
            "all sets",
            sum(int(joints[name].sum()) for name in counted),
            _mean_recall(old, counted),
            _mean_recall(new, counted),
            mean_recall_difference([joints[name] for name in counted], rng, rounds=rounds),
        ),
        sets=tuple(_compared(name, joint, rng, rounds) for name, joint in joints.items()),
        slices=_slices(sets, before, after, rng, rounds),
        mcnemar=mcnemar(np.sum([joints[name] for name in counted], axis=0)),
        ece_champion=mean_ece(old),
        ece_challenger=mean_ece(new) or 0.0,
        latency=latency,
        behaviour=tuple(
            PassRates(one.kind, one.n, one.rate, other.rate)
            for one, other in zip(old.behaviour, new.behaviour, strict=True)
        ),
    )


def mean_ece(result: ClassifierResult) -> float | None:
    """The mean over the sets of the expected calibration error; None for a classifier without probabilities."""
    found = [each.calibration.ece.value for each in result.sets if each.calibration is not None]
    return sum(found) / len(found) if found else None


def latency_ratio(
    challenger: TextClassifier,
    champion: TextClassifier,
    texts: Sequence[str],
    seed: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Interval:
    """Time of the challenger to that of the champion on the same texts: the median of pairs taken in turn.

    The interval is from the bootstrap over the pairs. Both are warmed up first.
    """
    challenger.classify(texts)
    champion.classify(texts)
    ratios = []
    for pair in range(_PAIRS):
        # A B, B A, A B: whatever else the machine does meets both alike.
        order = (challenger, champion) if pair % 2 == 0 else (champion, challenger)
        times = {id(each): _seconds(each, texts, clock) for each in order}
        ratios.append(times[id(challenger)] / times[id(champion)])
    drawn = np.median(generator(seed, "latency").choice(ratios, size=(2_000, _PAIRS)), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(np.median(ratios)), float(low), float(high))


def timed_texts(sets: Sequence[EvaluationSet]) -> list[str]:
    """Texts to time both on, taken evenly from all sets."""
    texts = [text for each in sets for text in each.texts]
    return texts[:: max(1, len(texts) // _TIMED_TEXTS)][:_TIMED_TEXTS]


def markdown(verdict: Verdict) -> str:
    """The verdict for people."""
    decision = verdict.decision
    lines = [f"# Gate: {'passed' if decision.passed else 'refused'}", "", f"{decision.summary}.", ""]
    for check in decision.checks:
        mark = "told" if not check.decides else "passed" if check.passed else "**refused**"
        lines.append(f"- {check.name}, {mark}: {check.text}.")
    lines += [
        "",
        f"Made {verdict.made_at}. The evaluation behind it: [report](report.md).",
        "",
        "| part | n | champion | challenger | difference | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(each) for each in (verdict.evidence.overall, *verdict.evidence.sets, *verdict.evidence.slices)),
        "",
    ]
    return "\n".join(lines)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.gate", description="Challenger against champion.")
    parser.add_argument("--challenger", type=Path, required=True, help="artifact folder of the new model")
    parser.add_argument("--champion", type=Path, help="artifact folder of the model in service; none for a first one")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the verdict")
    parser.add_argument(
        "--reuse", type=Path, help="folder of an earlier evaluation: its answers are not asked for again"
    )
    parser.add_argument("--test", action="store_true", help="a release look: use the frozen test set too, and log it")
    parser.add_argument("--looks", type=Path, default=LOOKS, help="log of the looks at the frozen test set")
    parser.add_argument("--limit", type=int, help="only so many texts of each set")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of a model")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """The command line; prints decision and reasons as JSON, gives the exit status."""
    options = parse_arguments(arguments)
    try:
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        verdict = compare(
            options.challenger,
            options.champion,
            options.data,
            options.out,
            plan=Plan(test=options.test, limit=options.limit, looks=options.looks),
            earlier=options.reuse,
            threads=options.threads,
        )
    except AppError as error:
        sys.stderr.write(f"gate: {error}\n")
        return 1
    decision = verdict.decision
    print(json.dumps({"passed": decision.passed, "summary": decision.summary, "reasons": decision.reasons}))
    return 0 if decision.passed else REFUSED


def _joint(labelled: EvaluationSet, before: Answers, after: Answers) -> Ints:
    old, new = (answered(labelled.texts, each.by_text).labels for each in (before, after))
    return joint_counts(labelled.labels, old, new)


def _compared(name: str, joint: Ints, rng: np.random.Generator, rounds: int) -> Compared:
    difference = paired_differences(joint, rng, rounds=rounds).macro_recall
    return Compared(name, int(joint.sum()), _recall(joint.sum(axis=2)), _recall(joint.sum(axis=1)), difference)


def _slices(
    sets: Sequence[EvaluationSet], before: Answers, after: Answers, rng: np.random.Generator, rounds: int
) -> tuple[Compared, ...]:
    """Every slice of all sets together that is not one of the sets."""
    edges = np.cumsum([0, *(len(each.labels) for each in sets)]).tolist()
    whole = {tuple(range(start, end)) for start, end in pairwise(edges)}
    texts = [text for each in sets for text in each.texts]
    true = np.array([label for each in sets for label in each.labels], dtype=np.int64)
    old, new = (answered(texts, each.by_text).labels for each in (before, after))
    places = members(
        texts, [source for each in sets for source in each.sources], [event for each in sets for event in each.events]
    )
    found = []
    for (dimension, value), place in places.items():
        if place in whole:
            continue
        rows = np.array(place)
        found.append(_compared(f"{dimension}: {value}", joint_counts(true[rows], old[rows], new[rows]), rng, rounds))
    return tuple(found)


def _recall(confusion: Ints) -> float:
    return float(means(confusion).macro_recall)


def _mean_recall(result: ClassifierResult, names: Sequence[str]) -> float:
    return float(np.mean([each.macro_recall.value for each in result.sets if each.name in names]))


def _seconds(classifier: TextClassifier, texts: Sequence[str], clock: Callable[[], float]) -> float:
    started = clock()
    classifier.classify(texts)
    return clock() - started


def _row(part: Compared) -> str:
    difference = part.difference
    return (
        f"| {part.name} | {part.n:,} | {part.champion:.4f} | {part.challenger:.4f} | {difference.value:+.4f} "
        f"| {difference.low:+.4f} to {difference.high:+.4f} |"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
