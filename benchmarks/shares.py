"""How far from the truth are sentiment shares, corrected and uncorrected, and do their intervals hold it?

    python -m benchmarks.shares --data DIR [--model models/default] [--cache FOLDER] [--test]

DIR holds the labelled sets as `pipelines.evaluate` reads them. Each is classified once (five minutes on two cores; with
--cache the answers are kept), then windows of 500 are drawn from it whose true shares are anything: uniform over all
that shares can be, or near what the set has. Prints one JSON object:

same_material    the matrix is counted on one half of a set, the windows come from the other half
other_material   the matrices are those of all other sets, as for an event whose messages nobody has labelled
validation_only  the matrix of TweetEval validation taken at its word on every other set: why other_material is needed
labelled_100     other_material, and 100 randomly chosen messages of the set that people labelled; likewise labelled_300
changes          pairs of windows whose negative shares differ by 0 to 20 points, under other_material: is it told?

The frozen test set is left out unless --test is given; then it is one more target, no other set learns from it, and the
look is written into --looks. Exits with 1 when same_material misses what it must show.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.core.adjusted_counts import ConfusionMatrix, Counts, Errors, Matrix, corrected, corrected_differences
from app.core.adjusted_counts import transfer_weight as weight_of
from app.core.emq import embedded_prior, emq
from app.core.metrics import Floats, Ints, confusion_matrix
from app.core.prevalence import difference, share
from app.core.types import CLASSES
from pipelines.contestants import artifact
from pipelines.corpora import EvaluationSet, evaluation_sets
from pipelines.looks import LOOKS
from pipelines.predictions import read_answers, text_sha256, write_predictions
from pipelines.results import TEST_SET
from pipelines.scoring import answered, generator
from pipelines.tracking import code_version

WINDOW: Final = 500
SEED: Final = 20261123
MOST_RATIO: Final = 1 / 3
LEAST_COVERAGE: Final = 0.93
# A matrix of fewer texts of a class is itself too unsure to be judged by the error of single windows.
ENOUGH: Final = 300
NEAR: Final = 20.0  # precision of the Dirichlet distribution around a set's own shares
CHANGES: Final = (0.0, 0.05, 0.1, 0.2)
VALIDATION: Final = "tweeteval-validation"


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled set with what the model said: class indices [texts], and probabilities [texts, classes]."""

    name: str
    sha256: str
    true: Ints
    said: Ints
    probabilities: Floats

    def part(self, rows: Ints) -> Scored:
        """Some of its texts."""
        return Scored(self.name, self.sha256, self.true[rows], self.said[rows], self.probabilities[rows])

    @property
    def matrix(self) -> Matrix:
        """Its confusion matrix."""
        counts = confusion_matrix(self.true, self.said, len(CLASSES))
        return tuple(tuple(int(cell) for cell in row) for row in counts)

    @property
    def rarest(self) -> int:
        """Texts of the class that has the fewest."""
        return int(np.bincount(self.true, minlength=len(CLASSES)).min())


@dataclass(frozen=True, slots=True)
class Window:
    """A drawn window: its true shares, the labels that the model gave, and the rows."""

    true: Floats
    counts: Counts
    rows: Ints


class Tally:
    """What was found in many windows, as one row of figures."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []

    def add(self, **figures: float) -> None:
        """The figures of one window."""
        self._rows.append(figures)

    def means(self) -> dict[str, float]:
        """The mean of each figure, with the ratio of the errors where there are two."""
        names = self._rows[0]
        found = {name: float(np.mean([row[name] for row in self._rows])) for name in names}
        if "corrected" in found:
            found["ratio"] = found["corrected"] / found["uncorrected"]
        return {name: round(value, 4) for name, value in found.items()} | {"windows": len(self._rows)}


def say(words: str) -> None:
    """Progress, for people."""
    print(words, file=sys.stderr, flush=True)


def score(model: Path, sets: Mapping[str, EvaluationSet], cache: Path) -> Iterator[Scored]:
    """What the model says of every text, from the cache where it has said it before."""
    contestant = artifact(model)
    classifier = None
    for name, labelled in sets.items():
        folder = cache / name
        stored = read_answers(folder, contestant)
        texts = list(dict.fromkeys(labelled.texts))
        if all(text_sha256(text) in stored for text in texts):
            answers = {text: stored[text_sha256(text)] for text in texts}
        else:
            say(f"classifying {len(texts):,} texts of {name}")
            classifier = classifier or contestant.make()
            answers = dict(zip(texts, classifier.classify(texts), strict=True))
            write_predictions(folder, contestant, [labelled], [], answers)
        given = answered(labelled.texts, answers)
        yield Scored(
            name, labelled.sha256, np.array(labelled.labels, dtype=np.int64), given.labels, given.probabilities
        )


def draw(scored: Scored, shares: Floats, rng: np.random.Generator) -> Window:
    """A window of texts drawn with replacement, class by class."""
    numbers = rng.multinomial(WINDOW, shares)
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(scored.true == k), number) for k, number in enumerate(numbers) if number]
    )
    negative, neutral, positive = (int(each) for each in np.bincount(scored.said[rows], minlength=len(CLASSES)))
    return Window(numbers / WINDOW, (negative, neutral, positive), rows)


def anything(rng: np.random.Generator) -> Floats:
    """Any shares, each as likely as the others."""
    return rng.dirichlet(np.ones(len(CLASSES)))


def near(scored: Scored, rng: np.random.Generator) -> Floats:
    """Shares as the set might have them another day."""
    own = (np.bincount(scored.true, minlength=len(CLASSES)) + 0.5) / (len(scored.true) + 1.5)
    return rng.dirichlet(NEAR * own)


def judge(window: Window, errors: Errors) -> dict[str, float]:
    """Errors of both kinds of share, whether the interval holds, and how wide it is: means over the classes."""
    found = corrected(window.counts, errors)
    if found is None:
        raise SystemExit("an empty window")
    plain = np.array(window.counts) / WINDOW
    value, low, high = (np.array([getattr(each, name) for each in found]) for name in ("value", "low", "high"))
    return {
        "uncorrected": float(np.abs(plain - window.true).mean()),
        "corrected": float(np.abs(value - window.true).mean()),
        "coverage": float(((low <= window.true) & (window.true <= high)).mean()),
        "width": float((high - low).mean()),
    }


def same_material(scored: Scored, model: str, windows: int) -> dict[str, float]:
    """The matrix from one half, windows from the other, ten halvings."""
    rng = generator(SEED, scored.name)
    tally = Tally()
    for _ in range(10):
        order = rng.permutation(len(scored.true))
        half, other = (scored.part(rows) for rows in np.array_split(order, 2))
        errors = Errors((ConfusionMatrix(model, scored.name, half.matrix),))
        prior = embedded_prior(half.probabilities, half.true)
        for _ in range(windows // 10):
            window = draw(other, anything(rng), rng)
            crosscheck = emq(other.probabilities[window.rows], prior)
            tally.add(**judge(window, errors), emq=float(np.abs(crosscheck - window.true).mean()))
    return {"rarest_class": scored.rarest // 2} | tally.means()


def elsewhere(scored: Scored, errors: Errors, windows: int, *, labelled: int = 0) -> dict[str, dict[str, float]]:
    """Windows of a set whose matrix is not known, but for `labelled` of its messages; by how shares are drawn."""
    found = {}
    for kind in ("anything", "near"):
        rng = generator(SEED, f"{scored.name} {kind} {labelled}")
        tally = Tally()
        for _ in range(5):
            order = rng.permutation(len(scored.true))
            mine, rest = scored.part(order[:labelled]), scored.part(order[labelled:])
            known = errors.plus(mine.matrix)
            for _ in range(windows // 5):
                tally.add(**judge(draw(rest, near(rest, rng) if kind == "near" else anything(rng), rng), known))
        found[kind] = tally.means()
    return found


def change(scored: Scored, errors: Errors, points: float, pairs: int) -> dict[str, float]:
    """Pairs of windows; the second has so much more of negative, taken evenly from the other classes."""
    rng = generator(SEED, f"{scored.name} {points}")
    tally = Tally()
    for _ in range(pairs):
        first = near(scored, rng)
        first = 0.75 * first + 0.25 * np.array([0.2, 0.6, 0.2])  # room for more
        more = min(points, 0.98 - first[0])
        second = first * (1 - first[0] - more) / (1 - first[0])
        second[0] = first[0] + more
        before, after = draw(scored, first, rng), draw(scored, second, rng)
        found = corrected_differences(after.counts, before.counts, errors)
        now, then = share(after.counts[0], WINDOW), share(before.counts[0], WINDOW)
        if found is None or now is None or then is None:
            raise SystemExit("an empty window")
        plain = difference(now, then)
        tally.add(
            coverage=float(found[0].low <= more <= found[0].high),
            width=found[0].high - found[0].low,
            higher=float(found[0].verdict == "higher"),
            lower=float(found[0].verdict == "lower"),
            uncorrected_coverage=float(plain.low <= more <= plain.high),
            uncorrected_higher=float(plain.verdict == "higher"),
            uncorrected_lower=float(plain.verdict == "lower"),
        )
    return tally.means()


def mean_of(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean over sets, each counting alike; the ratio is that of the mean errors."""
    names = [name for name in next(iter(rows.values())) if name not in {"windows", "ratio", "rarest_class"}]
    found = {name: float(np.mean([row[name] for row in rows.values()])) for name in names}
    if "corrected" in found:
        found["ratio"] = found["corrected"] / found["uncorrected"]
    found["least_coverage"] = min(row["coverage"] for row in rows.values())
    return {name: round(value, 4) for name, value in found.items()} | {"sets": len(rows)}


def by_kind(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Means and rows of each way to draw shares."""
    kinds: dict[str, Any] = {}
    for kind in ("anything", "near"):
        sets = {name: row[kind] for name, row in rows.items()}
        kinds[kind] = {"mean": mean_of(sets), "sets": sets}
    return kinds


def run(sets: list[Scored], model: str, windows: int) -> dict[str, Any]:
    """All figures."""
    learnt = [each for each in sets if each.name != TEST_SET]
    matrices = {each.name: ConfusionMatrix(model, each.name, each.matrix) for each in learnt}
    others: dict[str, Errors] = {}
    for each in sets:
        known = tuple(matrix for name, matrix in matrices.items() if name != each.name)
        others[each.name] = Errors(known, weight_of(known))
    say("the matrix from one half, windows from the other")
    same = {each.name: same_material(each, model, windows) for each in sets}
    enough = {name: row for name, row in same.items() if row["rarest_class"] >= ENOUGH}
    say("the matrices of other sets")
    validation = Errors((matrices[VALIDATION],))
    foreign = [each for each in sets if each.name != VALIDATION]
    return {
        "weight": weight_of(tuple(matrices.values())),
        "same_material": {
            "mean": mean_of(same),
            f"mean_with_{ENOUGH}_of_each_class": mean_of(enough),
            "sets": same,
        },
        "other_material": by_kind({each.name: elsewhere(each, others[each.name], windows) for each in sets}),
        "validation_only": by_kind({each.name: elsewhere(each, validation, windows) for each in foreign}),
        **{
            f"labelled_{number}": by_kind(
                {each.name: elsewhere(each, others[each.name], windows, labelled=number) for each in sets}
            )
            for number in (100, 300)
        },
        "changes": {
            f"{100 * points:.0f}": mean_of(
                {each.name: change(each, others[each.name], points, windows // 2) for each in sets}
            )
            for points in CHANGES
        },
    }


def write_look(path: Path, scored: Scored, model: str, found: Mapping[str, Any]) -> None:
    """Write down that the test set was looked at, and what was seen."""
    look = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "set": TEST_SET,
        "sha256": scored.sha256,
        "n": len(scored.true),
        "purpose": "corrected shares",
        "same_material": found["same_material"]["sets"][TEST_SET],
        "other_material": found["other_material"]["anything"]["sets"][TEST_SET],
        "commit": code_version(Path(__file__).resolve().parent.parent).get("git.commit"),
    }
    with path.open("a") as log:
        log.write(json.dumps(look) + "\n")


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="artifact folder")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the model said (default: nothing is kept)")
    parser.add_argument("--windows", type=int, default=300, help="windows of each set")
    parser.add_argument("--test", action="store_true", help="look at the frozen test set too, and log it")
    parser.add_argument("--looks", type=Path, default=LOOKS, help="log of the looks at the frozen test set")
    options = parser.parse_args()
    model = artifact(options.model).name
    with tempfile.TemporaryDirectory(prefix="eventpulse-bench-") as scratch:
        wanted = {
            name: each for name, each in evaluation_sets(options.data).items() if options.test or name != TEST_SET
        }
        sets = list(score(options.model, wanted, options.cache or Path(scratch)))
    found = run(sets, model, options.windows)
    if options.test:
        write_look(options.looks, next(each for each in sets if each.name == TEST_SET), model, found)
    shown = found["same_material"][f"mean_with_{ENOUGH}_of_each_class"]
    result = {
        "model": model,
        "window": WINDOW,
        "most_ratio": round(MOST_RATIO, 4),
        "least_coverage": LEAST_COVERAGE,
        **found,
    }
    print(json.dumps(result, indent=1))
    return int(shown["ratio"] > MOST_RATIO or shown["coverage"] < LEAST_COVERAGE)


if __name__ == "__main__":
    sys.exit(main())
