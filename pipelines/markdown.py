"""Tables of an evaluation in Markdown, shared by the report and the model card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.core.prevalence import share
from app.core.slices import DIMENSIONS, place
from app.core.types import CLASSES
from pipelines.published import beside
from pipelines.results import TEST_SET, BehaviourResult, ClassifierResult, Estimate, Evaluation, SliceResult

NONE = "–"
_ALL_CLASSES = len(CLASSES)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, then an empty line. Bars in a cell are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines), ""]


def estimate(found: Estimate, digits: int = 3) -> str:
    """A figure with its interval: 0.742 (0.722 to 0.762)."""
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def by_class(values: Sequence[float]) -> str:
    """One figure a class, in the order of the classes."""
    return " / ".join(f"{value:.3f}" for value in values)


def comparison(evaluation: Evaluation, results: Sequence[ClassifierResult]) -> list[str]:
    """Macro recall: a row for each set, a column for each classifier; the best of a row is bold."""
    rows = []
    for facts in evaluation.data:
        found = [result.on(facts.name) for result in results]
        best = max((each.macro_recall.value for each in found if each), default=0.0)
        cells = [
            NONE
            if each is None
            else f"**{estimate(each.macro_recall)}**"
            if each.macro_recall.value == best and len(results) > 1
            else estimate(each.macro_recall)
            for each in found
        ]
        rows.append([facts.name, f"{facts.n:,}", *cells])
    return table(["set", "n", *(result.model for result in results)], rows)


def scores(result: ClassifierResult) -> list[str]:
    """Every score of one classifier, a row for each set."""
    classes = " / ".join(name.value for name in CLASSES)
    rows = [
        [
            each.name,
            f"{each.n:,}",
            estimate(each.macro_recall),
            estimate(each.macro_f1),
            estimate(each.accuracy),
            by_class(each.recall),
            by_class(each.precision),
        ]
        for each in result.sets
    ]
    head = ["set", "n", "macro recall", "macro F1", "accuracy", f"recall {classes}", f"precision {classes}"]
    return table(head, rows)


def calibration(result: ClassifierResult) -> list[str]:
    """Calibration on each set; a sentence for a classifier without probabilities."""
    rows = [
        [
            each.name,
            estimate(each.calibration.ece),
            f"{each.calibration.ece_equal_mass:.3f}",
            f"{each.calibration.brier:.3f}",
            f"{each.calibration.nll:.3f}",
        ]
        for each in result.sets
        if each.calibration is not None
    ]
    if not rows:
        return ["Its outputs are no probabilities: there is nothing to calibrate.", ""]
    return table(["set", "ECE", "ECE, equal mass", "Brier", "log loss (nats)"], rows)


def slices(result: ClassifierResult) -> list[str]:
    """Macro recall by slice: a table for each dimension, a row for each set that has it."""
    lines: list[str] = []
    for dimension in DIMENSIONS:
        found = {
            each.name: {part.value: part for part in each.slices if part.dimension == dimension} for each in result.sets
        }
        values = sorted(
            {value for parts in found.values() for value in parts}, key=lambda each: place((dimension, each))
        )
        if not values:
            continue
        lines += [f"**{dimension}**", ""]
        if dimension in {"source", "event"}:
            rows = [
                [name, value, f"{part.n:,}", estimate(part.macro_recall)]
                for name, parts in found.items()
                for value, part in parts.items()
            ]
            lines += table(["set", dimension, "n", "macro recall"], rows)
        else:
            rows = [[name, *(_part(parts.get(value)) for value in values)] for name, parts in found.items() if parts]
            lines += table(["set", *values], rows)
    return lines


def behaviour(results: Sequence[ClassifierResult]) -> list[str]:
    """Pass rates with 95 % intervals (Wilson): a row for each kind of test, a column for each classifier."""
    kinds = results[0].behaviour if results else ()
    rows = [
        [kind.kind, kind.rule, str(kind.n), *(_rate(result.behaviour[place]) for result in results)]
        for place, kind in enumerate(kinds)
    ]
    return table(["test", "expected", "cases", *(result.model for result in results)], rows)


def failures(result: ClassifierResult) -> list[str]:
    """A few failed tests of each kind."""
    rows = [
        [kind.kind, example.text, example.changed or NONE, example.expected, example.got]
        for kind in result.behaviour
        for example in kind.examples
    ]
    return table(["test", "text", "changed", "expected", "got: label (P(positive) - P(negative))"], rows)


def data(evaluation: Evaluation) -> list[str]:
    """The sets: size, labels, hash."""
    classes = " / ".join(name.value for name in CLASSES)
    rows = [
        [each.name, f"{each.n:,}", " / ".join(f"{count:,}" for count in each.labels), f"`{each.sha256[:16]}`"]
        for each in evaluation.data
    ]
    return table(["set", "n", classes, "SHA-256, start"], rows)


def ladder(results: Sequence[ClassifierResult]) -> list[str]:
    """Our classifiers among the published figures on the frozen test set, the best first."""
    published = beside(result.model for result in results)
    rows = [(each.macro_recall, [each.name, f"{each.macro_recall:.3f}", each.source]) for each in published]
    for result in results:
        scored = result.on(TEST_SET)
        if scored is not None:
            found = scored.macro_recall
            rows.append((found.value, [f"**{result.model}**", f"**{estimate(found)}**", "this evaluation"]))
    rows.sort(key=lambda row: row[0], reverse=True)
    return table(["classifier", "macro recall", "from"], [cells for _, cells in rows])


def _part(found: SliceResult | None) -> str:
    if found is None:
        return NONE
    star = "" if found.classes == _ALL_CLASSES else "*"
    return f"{found.macro_recall.value:.3f}{star} ({found.n:,})"


def _rate(found: BehaviourResult) -> str:
    passed = share(found.passed, found.n)
    return NONE if passed is None else f"{passed.value:.2f} ({passed.low:.2f} to {passed.high:.2f})"
