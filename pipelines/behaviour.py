"""Behavioural tests: what a classifier must do whatever its scores (CheckList, Ribeiro et al. 2020, arXiv 2005.04118).

The cases are the tables of `pipelines.sentences`; this module judges the answers. A plain sentence has its label. A
change that means nothing keeps the label. Any other change must move the valence, P(positive) - P(negative), by at
least `MOVE` in its direction, or leave it beyond `SURE`, where there is no room left to move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core.types import Prediction
from pipelines.results import BehaviourResult, Failure
from pipelines.sentences import Case, Rule

MOVE = 0.1
SURE = 0.8
_EXAMPLES = 5


def texts_of(cases: Sequence[Case]) -> list[str]:
    """Every text of the cases, once."""
    given = [text for case in cases for text in (case.text, case.changed) if text is not None]
    return list(dict.fromkeys(given))


def passes(rule: Rule, before: Prediction, after: Prediction | None) -> bool:
    """Whether the answers to a text, and to its changed form where there is one, keep the rule."""
    if after is None:
        return before.label.value == rule.value
    if rule is Rule.SAME:
        return before.label == after.label
    way = 1 if rule is Rule.UP else -1
    start, end = way * valence(before), way * valence(after)
    return end - start >= MOVE or end >= SURE


def valence(prediction: Prediction) -> float:
    """P(positive) - P(negative), from -1 to 1."""
    negative, _, positive = prediction.probabilities
    return positive - negative


def judge(cases: Sequence[Case], answers: Mapping[str, Prediction]) -> tuple[BehaviourResult, ...]:
    """Pass counts and a few failures of each kind, in the order in which the kinds come. `answers` is by text."""
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        kinds.setdefault(case.kind, []).append(case)
    return tuple(_kind(kind, members, answers) for kind, members in kinds.items())


def _kind(kind: str, members: Sequence[Case], answers: Mapping[str, Prediction]) -> BehaviourResult:
    failed = [case for case in members if not passes(case.rule, answers[case.text], _changed(case, answers))]
    # Spread over the list, so that the examples are not one frame five times.
    shown = failed[:: max(1, len(failed) // _EXAMPLES)][:_EXAMPLES]
    return BehaviourResult(
        kind=kind,
        rule=members[0].rule.value,
        n=len(members),
        passed=len(members) - len(failed),
        examples=tuple(_failure(case, answers) for case in shown),
    )


def _failure(case: Case, answers: Mapping[str, Prediction]) -> Failure:
    got = [_told(answers[text]) for text in (case.text, case.changed) if text is not None]
    return Failure(text=case.text, changed=case.changed, expected=case.rule.value, got=" -> ".join(got))


def _changed(case: Case, answers: Mapping[str, Prediction]) -> Prediction | None:
    return None if case.changed is None else answers[case.changed]


def _told(prediction: Prediction) -> str:
    return f"{prediction.label.value} ({valence(prediction):+.2f})"
