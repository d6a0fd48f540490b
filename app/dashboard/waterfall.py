"""The rise divided up by source, country, story, author and site: a bar for each part, from where the last one ended.

Each picture is a table of its own, so nothing has to be repeated for those who do not see the bars.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.core.evidence import Breakdown, Contribution, Dimension
from app.dashboard.markup import figure, go, isolated
from app.dashboard.view import View, country_name, source_name
from app.services.evidence import EvidenceCard
from app.services.words import messages_of, percent

_NAMES: Final = {
    Dimension.SOURCE: "source",
    Dimension.COUNTRY: "country",
    Dimension.STORY: "story",
    Dimension.AUTHOR: "author",
    Dimension.DOMAIN: "site",
}
_UNKNOWN: Final = {
    Dimension.AUTHOR: "unknown author",
    Dimension.COUNTRY: "unknown place",
    Dimension.DOMAIN: "no link",
    Dimension.SOURCE: "unknown source",
    Dimension.STORY: "no story",
}
_LONGEST = 60


def waterfalls(card: EvidenceCard, view: View) -> str:
    """All breakdowns of a card as HTML; nothing where there is no time before. The first that names someone is open."""
    drivers = card.drivers
    if drivers.rate_before is None or not drivers.breakdowns:
        return ""
    found = sorted(drivers.breakdowns, key=lambda each: list(_NAMES).index(each.by))
    telling = next((each for each in found if any(part.ids for part in each.parts)), found[0])
    tables = (_table(each, card, view, is_open=each is telling) for each in found)
    return f"<h3>Where the change comes from</h3>{''.join(tables)}"


def per_hour(rate: float) -> str:
    """A rate in messages an hour."""
    return f"{rate:,.0f}" if rate >= 9.5 else f"{rate:.1f}"


def see(view: View, statement: str, ids: tuple[str, ...], what: str) -> str:
    """The link that opens the messages of a statement."""
    if not ids:
        return ""
    chosen = replace(view, statement=statement, after="").to_query()
    name = f"See the {messages_of(len(ids))} of {what}"
    words = f"see {figure(len(ids))}"
    return go(chosen, words, current=view.statement == statement, name=name, to="#ep-right", kind="ep-see")


def _table(breakdown: Breakdown, card: EvidenceCard, view: View, *, is_open: bool) -> str:
    before, now = card.drivers.rate_before or 0.0, card.drivers.rate
    top = max(before, now, 1e-9)
    at = before
    edges = []
    for part in breakdown.parts:
        edges.append((at, at + part.rise))
        at += part.rise
        top = max(top, at)
    name = _NAMES[breakdown.by]
    rows = [
        _total("Before", before, top),
        *(_part(breakdown, part, edge, top, card, view) for part, edge in zip(breakdown.parts, edges, strict=True)),
        _total("Now", now, top),
    ]
    names = (name.capitalize(), "Messages an hour", "Of the rise", "")
    head = "".join(f'<th scope="col">{text}</th>' for text in names)
    return (
        f'<details class="ep-fall" data-key="by-{name}"{" open" if is_open else ""}><summary>By {name}</summary>'
        f'<table><caption class="ep-hidden">The change by {name}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def _total(name: str, rate: float, top: float) -> str:
    return _row(name, _bar("total", 0.0, rate, top), per_hour(rate), "", "")


def _part(
    breakdown: Breakdown,
    part: Contribution,
    edge: tuple[float, float],
    top: float,
    card: EvidenceCard,
    view: View,
) -> str:
    name = _named(breakdown.by, part, card)
    up = part.rise >= 0
    share = "" if part.share is None else _signed(part.share)
    link = "" if part.key is None else see(view, f"{breakdown.by}:{part.key}", part.ids, name)
    said = f"{'+' if up else '−'}{per_hour(abs(part.rise))}"
    return _row(isolated(name), _bar("up" if up else "down", *edge, top), said, share, link)


def _signed(share: float) -> str:
    """A part of the whole change; it may be against it, or more than all of it."""
    if 0 <= share <= 1:
        return percent(share)
    return f"{'' if share > 0 else '−'}{100 * abs(share):,.0f} %"


def _bar(kind: str, start: float, end: float, top: float) -> str:
    low, high = sorted((max(0.0, start), max(0.0, end)))
    place = f"inset-inline-start:{100 * low / top:.2f}%;width:{max(0.4, 100 * (high - low) / top):.2f}%"
    return f'<span class="ep-fall-bar"><i class="ep-fall-{kind}" style="{place}"></i></span>'


def _row(name: str, bar: str, said: str, share: str, link: str) -> str:
    return (
        f'<tr><th scope="row">{name}</th><td class="ep-fall-cell">{bar}<span>{said}</span></td>'
        f"<td>{share}</td><td>{link}</td></tr>"
    )


def _named(by: Dimension, part: Contribution, card: EvidenceCard) -> str:
    if part.key is None:
        return "All others"
    if not part.key:
        return _UNKNOWN[by]
    match by:
        case Dimension.SOURCE:
            return source_name(part.key)
        case Dimension.COUNTRY:
            return country_name(part.key)
        case Dimension.STORY:
            return _story(part.key, card)
        case _:
            return part.key


def _story(exemplar: str, card: EvidenceCard) -> str:
    story = next((each for each in card.drivers.stories if each.exemplar == exemplar), None)
    if story and story.phrases:
        return ", ".join(f"“{phrase}”" for phrase in story.phrases[:2])
    quoted = card.quoted.get(exemplar)
    text = quoted.message.text if quoted else "one text, passed on"
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
