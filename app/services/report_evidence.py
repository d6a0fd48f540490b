"""Why a window differs, as a part of a report: phrases, sub-stories with an exemplar each, and who adds to the rise."""

from __future__ import annotations

from typing import Final

from app.core.evidence import Dimension
from app.core.types import Count, Label
from app.services.evidence import EvidenceCard
from app.services.report_html import ours, said, section, table, time
from app.services.words import messages_of, percent

PHRASES: Final = (
    "Phrases are those that more authors use than before, beyond chance: log-odds with an informative prior (Monroe "
    "2008), false discovery rate controlled (Benjamini and Hochberg 1995); one author counts once."
)
"""How the phrases of every report are found."""

_MOST_PHRASES: Final = 10
_STORIES: Final = 6
_PARTS: Final = 5
_LEAST_PART: Final = 0.02
"""Who adds less to the rise than this is not named."""


def why(card: EvidenceCard) -> str:
    """The section of an evidence card; nothing where it has nothing to say."""
    drivers = card.drivers
    phrases = table(
        "Phrases that more authors use than before",
        ["Phrase", "Times as often", "Authors", "Before", "Negative"],
        (
            [
                said(phrase.text),
                f"at least {phrase.times_low:.1f}"
                if phrase.times is None
                else f"{phrase.times:.1f} ({phrase.times_low:.1f}–{phrase.times_high or phrase.times:.1f})",
                f"{phrase.authors:,}",
                f"{phrase.authors_before:,}",
                _part(phrase.counts.get(Label.NEGATIVE, Count()), sum(phrase.counts.values(), Count())),
            ]
            for phrase in drivers.phrases[:_MOST_PHRASES]
        ),
        (2, 3),
    )
    stories = "".join(_story(card, story.exemplar, story.total, story.authors) for story in drivers.stories[:_STORIES])
    against = ""
    if card.before is None:
        against = '<p class="soft">Nothing came before this window that it could be compared with.</p>'
    elif card.window.sampled or card.before.sampled:
        against = (
            f'<p class="soft">Read: {card.window.read:,} of {card.window.messages:,} messages of the window, '
            f"{card.before.read:,} of {card.before.messages:,} before.</p>"
        )
    return section("Why", phrases, stories, _rise(card), against)


def _part(some: Count, whole: Count) -> str:
    return f"{percent(some.distinct / whole.distinct)} of {whole.distinct:,}" if whole.distinct else "–"


def _story(card: EvidenceCard, exemplar: str, total: Count, authors: int) -> str:
    stored = card.quoted.get(exemplar)
    if stored is None:
        return ""
    message = stored.message
    about = f"{stored.label}, {ours(message.source)}, {time(message.created_at)}"
    return (
        f"<blockquote>{said(message.text)}<footer>{about} · one of {messages_of(total.raw)} like it, "
        f"{authors:,} authors</footer></blockquote>"
    )


def _rise(card: EvidenceCard) -> str:
    made = []
    for breakdown in card.drivers.breakdowns:
        if breakdown.by is Dimension.STORY:
            continue
        rows = [
            [
                "all others" if part.key is None else said(part.key) if part.key else "not known",
                f"{part.rise:+,.1f}",
                percent(part.share) if part.share is not None and part.share >= 0 else "–",
            ]
            for part in breakdown.parts[:_PARTS]
            if part.share is None or abs(part.share) >= _LEAST_PART
        ]
        made.append(
            table(f"The change by {breakdown.by.value}", ["", "Messages an hour", "Of the change"], rows, (1, 2))
        )
    return "".join(made)
