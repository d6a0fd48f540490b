"""Evaluate models on every human-labelled set, beside the baselines, and report it: a Ray Data job.

    ray job submit --working-dir . -- python -m pipelines.evaluate --model DIR/model --data DIR/data --out DIR/found
    python -m pipelines.evaluate --model models/default --data DIR --out var/evaluation --baselines
    python -m pipelines.evaluate --model models/default --data DIR --out var/quick --limit 200   # a laptop's quick look

OUT gets evaluation.json, report.md, pictures and the answers to every example as Parquet, by hash of the text. Give
--model more than once to have several in one table. As a Ray job give folders as absolute paths: a job runs in a copy
of the working folder.

The frozen test set is left out unless --test is given; each look at it is a line in --looks (in a Ray job an absolute
path too, or the line is lost with the copy).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import ray

from app.core.errors import AppError, ConfigError
from app.core.types import CLASSES, Prediction
from pipelines.behaviour import judge, texts_of
from pipelines.classify import Answers, Ask, classify
from pipelines.contestants import Contestant, artifact, baselines
from pipelines.corpora import EvaluationSet, evaluation_sets
from pipelines.looks import LOOKS, write_looks
from pipelines.predictions import read_answers, text_sha256, write_predictions
from pipelines.report import write_report
from pipelines.results import TEST_SET, ClassifierResult, Evaluation, SetFacts, write_evaluation
from pipelines.scoring import answered, score_set
from pipelines.sentences import Case, cases
from pipelines.tracking import code_version, environment

SEED = 20261123
ROUNDS = 2_000
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What to score and how. `names` are the sets wanted, None for all; `limit` the most texts of each.

    `looks` is the file in which looks at the frozen test set are written down.
    """

    test: bool = False
    names: tuple[str, ...] | None = None
    limit: int | None = None
    seed: int = SEED
    rounds: int = ROUNDS
    looks: Path = LOOKS


@dataclass(frozen=True, slots=True)
class Found:
    """An evaluation, and the answers behind it by name of the classifier."""

    evaluation: Evaluation
    answers: Mapping[str, Answers]


def chosen_sets(data: Path, plan: Plan) -> tuple[EvaluationSet, ...]:
    """The sets of a data folder that a plan wants. The frozen test set is only among them when the plan says test.

    Raises ConfigError for a name that is not there, for the test set without leave, and when nothing is left.
    """
    found = evaluation_sets(data)
    wanted = tuple(found) if plan.names is None else plan.names
    if unknown := [name for name in wanted if name not in found]:
        raise ConfigError(f"{data} holds no set called {', '.join(unknown)}: there are {', '.join(found)}")
    if TEST_SET in wanted and not plan.test:
        if plan.names is not None:
            raise ConfigError(f"{TEST_SET} is the frozen test set: it is scored once per release, with --test")
        wanted = tuple(name for name in wanted if name != TEST_SET)
    if not wanted:
        raise ConfigError(f"{data} holds no labelled set: see --data")
    return tuple(first_texts(found[name], plan.limit) for name in wanted)


def first_texts(labelled: EvaluationSet, limit: int | None) -> EvaluationSet:
    """The first `limit` texts of a set; all of them for None."""
    return replace(
        labelled,
        texts=labelled.texts[:limit],
        labels=labelled.labels[:limit],
        sources=labelled.sources[:limit],
        events=labelled.events[:limit],
    )


def result_of(
    contestant: Contestant, answers: Answers, sets: Sequence[EvaluationSet], tests: Sequence[Case], plan: Plan
) -> ClassifierResult:
    """Everything that the answers of one classifier say about it."""
    return ClassifierResult(
        model=contestant.name,
        backend=answers.backend,
        role=contestant.role,
        texts_per_s=answers.texts_per_s,
        sets=tuple(
            score_set(
                each,
                answered(each.texts, answers.by_text),
                seed=plan.seed,
                rounds=plan.rounds,
                probabilistic=contestant.probabilistic,
            )
            for each in sets
        ),
        behaviour=judge(tests, answers.by_text),
    )


def evaluation_of(
    results: Sequence[ClassifierResult], sets: Sequence[EvaluationSet], plan: Plan, now: datetime
) -> Evaluation:
    """The results with what they rest on: data, commit, machine, settings."""
    machine = environment()
    return Evaluation(
        made_at=now.isoformat(timespec="seconds"),
        commit=code_version(_ROOT).get("git.commit"),
        hardware=f"{machine['env.cpus']} CPUs, GPU {machine['env.gpu']}, {machine['env.platform']}",
        seed=plan.seed,
        rounds=plan.rounds,
        limit=plan.limit,
        test_look=any(each.name == TEST_SET for each in sets),
        data=tuple(SetFacts(name=each.name, sha256=each.sha256, labels=_counts(each)) for each in sets),
        results=tuple(results),
    )


def answers_of(contestant: Contestant, texts: Sequence[str], ask: Ask, earlier: Path | None) -> Answers:
    """The answers to some texts: those that the same files gave earlier are not asked for again."""
    known: dict[str, Prediction] = {}
    if earlier is not None and contestant.fingerprint is not None:
        stored = read_answers(earlier, contestant)
        known = {text: stored[key] for text in texts if (key := text_sha256(text)) in stored}
    new = ask(contestant.make, [text for text in texts if text not in known])
    return replace(new, by_text={**known, **new.by_text})


def evaluate(
    contestants: Sequence[Contestant],
    sets: Sequence[EvaluationSet],
    out: Path,
    plan: Plan,
    now: datetime,
    *,
    ask: Ask = classify,
    earlier: Path | None = None,
) -> Found:
    """Classify, score and write everything into `out`; each distinct text is classified once by each classifier.

    Answers that the same model gave in the evaluation folder `earlier` are used again. Raises ConfigError when two
    contestants have one name, and what the classifiers raise.
    """
    twice = [name for name, number in Counter(each.name for each in contestants).items() if number > 1]
    if twice:
        raise ConfigError(f"{', '.join(twice)} takes part twice: give each model once")
    tests = cases()
    texts = [*texts_of(tests), *(text for each in sets for text in each.texts)]
    out.mkdir(parents=True, exist_ok=True)
    given: dict[str, Answers] = {}
    results = []
    for contestant in contestants:
        answers = answers_of(contestant, texts, ask, earlier)
        write_predictions(out, contestant, sets, texts_of(tests), answers.by_text)
        results.append(result_of(contestant, answers, sets, tests, plan))
        given[contestant.name] = answers
    evaluation = evaluation_of(results, sets, plan, now)
    write_looks(plan.looks, evaluation)
    write_evaluation(evaluation, out)
    write_report(evaluation, out)
    return Found(evaluation, given)


def evaluate_folders(
    models: Sequence[Path],
    data: Path,
    out: Path,
    plan: Plan,
    *,
    with_baselines: bool = False,
    threads: int = 2,
    earlier: Path | None = None,
    now: datetime | None = None,
) -> Evaluation:
    """Evaluate the models in some artifact folders; what a training run calls when it has made one. Raises AppError."""
    contestants = [artifact(folder, threads=threads) for folder in models]
    sets = chosen_sets(data, plan)
    if with_baselines:
        contestants.extend(baselines(data))
    return evaluate(contestants, sets, out, plan, now or datetime.now(UTC), earlier=earlier).evaluation


def headline(evaluation: Evaluation) -> Mapping[str, Mapping[str, float]]:
    """Macro recall by classifier and set, rounded, for the command line."""
    return {
        result.model: {each.name: round(each.macro_recall.value, 4) for each in result.sets}
        for result in evaluation.results
    }


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.evaluate", description="Evaluate models on every set.")
    parser.add_argument(
        "--model", type=Path, action="append", default=[], dest="models", help="artifact folder; repeatable"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is found")
    parser.add_argument("--baselines", action="store_true", help="also majority, VADER and TF-IDF with a linear model")
    parser.add_argument("--sets", help="names of the sets wanted, with commas between (default: all)")
    parser.add_argument("--test", action="store_true", help="a release look: score the frozen test set too, and log it")
    parser.add_argument("--looks", type=Path, default=LOOKS, help="log of the looks at the frozen test set")
    parser.add_argument(
        "--reuse", type=Path, help="folder of an earlier evaluation: its answers are not asked for again"
    )
    parser.add_argument("--limit", type=int, help="only so many texts of each set")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the bootstrap")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the bootstrap")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of a model")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that a command line asks for."""
    names = tuple(name.strip() for name in options.sets.split(",") if name.strip()) if options.sets else None
    return Plan(options.test, names, options.limit, options.seed, options.rounds, options.looks)


def main(arguments: Sequence[str]) -> int:
    """The command line; prints the macro recalls as JSON and gives the exit status."""
    options = parse_arguments(arguments)
    try:
        if not options.models and not options.baselines:
            raise ConfigError("nothing to evaluate: give --model FOLDER or --baselines")
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        evaluation = evaluate_folders(
            options.models,
            options.data,
            options.out,
            plan_of(options),
            with_baselines=options.baselines,
            threads=options.threads,
            earlier=options.reuse,
        )
    except AppError as error:
        sys.stderr.write(f"evaluate: {error}\n")
        return 1
    print(json.dumps({"out": str(options.out), "macro_recall": headline(evaluation)}))
    return 0


def _counts(labelled: EvaluationSet) -> tuple[int, ...]:
    found = Counter(labelled.labels)
    return tuple(found[index] for index in range(len(CLASSES)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
