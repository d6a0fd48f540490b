"""What the labels say, in sentences and tables: how good the model is by the messages that were drawn at random."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from app.core.feedback import Agreement, Confusion, MessageVerdict, Stratum
from app.core.prevalence import Share
from app.core.types import CLASSES
from app.dashboard.markup import figure, isolated
from app.dashboard.tables import table
from app.services.feedback import FeedbackSummary
from app.services.words import SMALL_SAMPLE, messages_of, with_interval

VERDICTS: Final[Mapping[MessageVerdict, str]] = {
    MessageVerdict.NEGATIVE: "Negative",
    MessageVerdict.NEUTRAL: "Neutral",
    MessageVerdict.POSITIVE: "Positive",
    MessageVerdict.OFF_TOPIC: "Off-topic",
    MessageVerdict.SKIPPED: "Skipped",
}
"""What people can say of a message, as they call it."""

STRATA: Final[Mapping[Stratum, str]] = {
    Stratum.RANDOM: "drawn at random",
    Stratum.UNCERTAIN: "because the model was unsure",
    Stratum.DISAGREEMENT: "because two models disagreed",
    Stratum.CHOSEN: "chosen by somebody",
}
"""Why a message was judged."""

_RIGHT: Final = ' class="ep-right"'
_AIM: Final = 0.05
_Z95: Final = 1.96


def summary(found: FeedbackSummary) -> str:
    """What the labels of an event say, as HTML."""
    title = "<h2>What the labels say</h2>"
    if not found.messages:
        return (
            f'{title}<p class="ep-none">No labels yet. After some thirty messages you read here how often the model is '
            "right on this event, and how sure that is.</p>"
        )
    parts = (
        f'<p class="ep-lead">{lead(found.quality.accuracy)}</p>',
        *(f'<p class="ep-fact">{_tight(fact)}</p>' for fact in facts(found)),
        _confusion(found.quality.confusion),
        _versions(found),
        '<p class="ep-note">Only messages drawn at random say how good the model is; the others are picked because '
        "they are hard. Labels change no count on the other pages; those drawn correct the shares for its errors.</p>",
    )
    return title + "".join(parts)


def lead(accuracy: Share | None) -> str:
    """The sentence on top, as HTML: a share of a small sample is not said to be one."""
    if accuracy is None:
        return "<strong>No accuracy yet:</strong> no message drawn at random has been judged."
    if accuracy.n < SMALL_SAMPLE:
        right = round(accuracy.value * accuracy.n)
        said = f"<strong>Right on {right} of {accuracy.n}</strong> messages drawn at random: too few to tell"
        return _tight(f"{said} ({100 * accuracy.low:.0f}-{100 * accuracy.high:.0f} %).")
    said = f"<strong>The model is right on {with_interval(accuracy)}</strong>"
    return _tight(f"{said} of messages, by {figure(accuracy.n)} that were drawn at random and judged.")


def facts(found: FeedbackSummary) -> list[str]:
    """What else there is to say, a sentence each; those that nothing is known of are left out."""
    quality = found.quality
    said = []
    if (more := still_to_judge(quality.accuracy)) > 0:
        said.append(f"For ± 5 points judge about {figure(more)} more that are drawn at random.")
    if quality.off_topic is not None:
        skipped = f"; {figure(quality.skipped)} were skipped" if quality.skipped else ""
        said.append(f"Off-topic: {with_interval(quality.off_topic)} of {figure(quality.off_topic.n)} drawn{skipped}.")
    if found.ceiling is not None:
        said.append(f"{_agree(found.ceiling, 'drawn')} It is what a model can be measured against.")
    elif found.agreement is not None:
        said.append(_agree(found.agreement, "judged"))
    overall = found.overall.accuracy
    if overall is not None and overall != quality.accuracy:
        said.append(f"All events together: right on {with_interval(overall)}, n = {figure(overall.n)}.")
    reasons = ", ".join(f"{figure(found.strata[each])} {words}" for each, words in STRATA.items() if found.strata[each])
    people = "1 person" if found.people == 1 else f"{figure(found.people)} people"
    said.append(f"{messages_of(found.messages)} judged by {people}: {reasons}.")
    return said


def still_to_judge(accuracy: Share | None, aim: float = _AIM) -> int:
    """How many more drawn messages make the interval about ± `aim`; 0 when it is there, or nobody can tell yet."""
    if accuracy is None or accuracy.n < SMALL_SAMPLE:
        return 0
    needed = accuracy.value * (1 - accuracy.value) * (_Z95 / aim) ** 2
    return max(0, math.ceil((needed - accuracy.n) / 10) * 10)


def _agree(agreement: Agreement, which: str) -> str:
    alpha = "" if agreement.alpha is None else f", Krippendorff’s alpha {agreement.alpha:.2f}"
    same = agreement.same
    return f"People agree on {with_interval(same)} of {figure(same.n)} {which} that two or more judged{alpha}."


def _confusion(counts: Confusion) -> str:
    if not any(map(sum, counts)):
        return ""
    rows = "".join(
        f'<tr><th scope="row"><i class="ep-dot ep-{label}" aria-hidden="true"></i>{label.capitalize()}</th>'
        + "".join(f"<td{_RIGHT if column == row else ''}>{figure(cell)}</td>" for column, cell in enumerate(cells))
        + "</tr>"
        for row, (label, cells) in enumerate(zip(CLASSES, counts, strict=True))
    )
    said = "".join(f'<th scope="col">{label.capitalize()}</th>' for label in CLASSES)
    return (
        '<h3>Where it errs</h3><table class="ep-confusion"><caption class="ep-hidden">Messages drawn at random, by '
        "what people say and what the model said</caption>"
        f'<thead><tr><td></td><th scope="colgroup" colspan="{len(CLASSES)}">The model said</th></tr>'
        f'<tr><th scope="col">People say</th>{said}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _versions(found: FeedbackSummary) -> str:
    if len(found.models) < 2:
        return ""
    rows = [
        [isolated(each.model), _tight(with_interval(accuracy)), figure(accuracy.n)]
        for each in found.models
        if (accuracy := each.quality.accuracy) is not None
    ]
    return "<h3>By version of the model</h3>" + table("All events, by version", ("Version", "Right on", "n"), rows)


def _tight(text: str) -> str:
    return text.replace(" %", "\u00a0%")
