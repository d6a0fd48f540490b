"""The evidence card as HTML: phrases, stories, and the rise divided up. Each statement opens its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.core.evidence import Concentration, Drivers, Phrase, Story
from app.core.phrases import FALSE_DISCOVERY_RATE
from app.core.types import CLASSES, Count, Label
from app.dashboard.controls import choice
from app.dashboard.markup import day, figure, go, isolated, safe
from app.dashboard.scope import Scope
from app.dashboard.view import View, source_name
from app.dashboard.waterfall import per_hour, see, waterfalls
from app.services.evidence import Against, EvidenceCard, Ground
from app.services.words import messages_of, percent

_MOST_PHRASES = 8
_MOST_STORIES = 4
_LONGEST = 280
_ABOUT: Final = (
    ("All messages", "all"),
    ("Negative messages", Label.NEGATIVE),
    ("Neutral messages", Label.NEUTRAL),
    ("Positive messages", Label.POSITIVE),
)


def chooser(scope: Scope, about: Label | None) -> str:
    """What is explained and with what it is compared: the title, and the controls."""
    when = scope.stretch.words() if scope.stretch else "the whole window"
    clear = ""
    if scope.stretch:
        whole = replace(scope.view, start=None, end=None, incident=None, statement="", after="")
        clear = go(whole.to_query(), "Clear", kind="ep-quiet", name="Clear the selection")
    against = [("the time before", ""), (f"the other messages of {'it' if scope.stretch else 'the window'}", "rest")]
    fields = choice("about", "Explained", _ABOUT, about or "all", default="", clears="statement after")
    if about:
        fields += choice(
            "against", "Compared with", against, scope.view.against, default="", clears="statement after", key="against"
        )
    return f'<h2>Why, {when} {clear}</h2><div class="ep-fields ep-chooser">{fields}</div>'


def card_html(card: EvidenceCard, view: View) -> str:
    """The card. `view` is what the links start from."""
    drivers = card.drivers
    if not card.window.messages:
        return '<p class="ep-none">No messages in this stretch: there is nothing to explain.</p>'
    return (
        f'<p class="ep-lead">{_rate(drivers)}</p>'
        + _phrases(card, view)
        + _stories(card, view)
        + waterfalls(card, view)
        + _basis(card)
    )


def _rate(drivers: Drivers) -> str:
    now = f"{per_hour(drivers.rate)} messages an hour"
    if drivers.rate_before is None:
        return f"{now}; nothing before to compare with."
    return f"{now}, {per_hour(drivers.rate_before)} in the time before."


def _mix(counts: Mapping[Label, Count]) -> str:
    """The labels of some messages as one bar; the words are for those who cannot see it."""
    total = sum(count.distinct for count in counts.values())
    if not total:
        return ""
    parts = [(label, counts[label].distinct) for label in Label if label in counts]
    words = ", ".join(f"{figure(number)} {label}" for label, number in parts)
    bars = "".join(f'<i class="ep-{label}" style="flex:{number}"></i>' for label, number in parts)
    return f'<span class="ep-bar" role="img" title="{words}" aria-label="{words}">{bars}</span>'


def _phrases(card: EvidenceCard, view: View) -> str:
    found = card.drivers.phrases
    title = "<h3>What people say more than before</h3>"
    if card.against is Against.REST:
        title = f"<h3>What the {card.label} messages say and the others do not</h3>"
    if not found:
        return f'{title}<p class="ep-none">No phrase stands out ({figure(card.drivers.tested)} were compared).</p>'
    rows = "".join(_phrase(phrase, view) for phrase in found[:_MOST_PHRASES])
    more = found[_MOST_PHRASES:]
    rest = (
        f'<details data-key="phrases"><summary>{len(more)} more phrases</summary>'
        f'<ol class="ep-phrases" start="{_MOST_PHRASES + 1}">{"".join(_phrase(each, view) for each in more)}</ol>'
        "</details>"
        if more
        else ""
    )
    return f'{title}<ol class="ep-phrases">{rows}</ol>{rest}'


def _phrase(phrase: Phrase, view: View) -> str:
    if phrase.times is None:
        rise = "new"
    else:
        rise = f"x&nbsp;{phrase.times:.0f}" if phrase.times >= 9.5 else f"x&nbsp;{phrase.times:.1f}"
        if phrase.times_high is not None:
            rise += f" <small>({phrase.times_low:.1f}-{phrase.times_high:.1f})</small>"
    wordings = ", ".join(phrase.wordings[:4])
    also = f' <span class="ep-also">also {isolated(wordings)}</span>' if wordings else ""
    link = see(view, f"phrase:{phrase.text}", phrase.ids, f"“{phrase.text}”")
    return (
        f'<li data-key="{safe(phrase.text)}"><span class="ep-phrase"><q dir="auto">{safe(phrase.text)}</q>{also}</span>'
        f'<span class="ep-rise">{rise}</span><span class="ep-authors">{_people(phrase.authors)}</span>'
        f"{_mix(phrase.counts)}{link}</li>"
    )


def _people(number: int) -> str:
    return "1 author" if number == 1 else f"{figure(number)} authors"


def _quote(card: EvidenceCard, message_id: str) -> str:
    item = card.quoted.get(message_id)
    if item is None:
        return '<p class="ep-none">This message is no longer stored.</p>'
    text = item.message.text
    cut = "…" if len(text) > _LONGEST else ""
    by = isolated(item.message.author or item.message.publisher or "unknown author")
    where = isolated(source_name(item.message.source))
    return (
        f'<blockquote><p dir="auto">{safe(text[:_LONGEST])}{cut}</p>'
        f"<footer>{by} · {where} · {day(item.message.created_at)}</footer></blockquote>"
    )


def _stories(card: EvidenceCard, view: View) -> str:
    stories = card.drivers.stories
    if not stories:
        return ""
    rows = "".join(_story(card, story, view) for story in stories[:_MOST_STORIES])
    more = stories[_MOST_STORIES:]
    rest = (
        f'<details data-key="stories"><summary>{len(more)} more stories</summary><ul class="ep-stories">'
        f"{''.join(_story(card, each, view) for each in more)}</ul></details>"
        if more
        else ""
    )
    return f'<h3>Stories in it</h3><ul class="ep-stories">{rows}</ul>{rest}'


def _story(card: EvidenceCard, story: Story, view: View) -> str:
    named = ", ".join(f"“{phrase}”" for phrase in story.phrases[:3])
    title = f"<b>{isolated(named)}</b>" if named else "<b>One text, passed on</b>"
    total = story.total
    said = f"{messages_of(total.raw)}, {figure(total.distinct)} distinct, {_people(story.authors)}"
    first = card.quoted.get(story.first)
    began = f", first {day(first.message.created_at)}" if first else ""
    link = see(view, f"story:{story.exemplar}", story.ids, "this story")
    return (
        f'<li data-key="{safe(story.exemplar)}"><p class="ep-story">{title} {_mix(story.counts)} {link}</p>'
        f"{_quote(card, story.exemplar)}"
        f'<p class="ep-note">{said}{began}; {story.rise:+,.0f} an hour</p></li>'
    )


def _basis(card: EvidenceCard) -> str:
    parts = [_ground("Explained", card.window, card.label)]
    if card.rest:
        parts.append(_ground("phrases compared with the others", card.rest, None))
    if card.before:
        parts.append(_ground("compared with", card.before, card.label))
    drivers, rate = card.drivers, percent(FALSE_DISCOVERY_RATE)
    tested = f"{figure(drivers.tested)} phrases tested, false discovery rate {rate}"
    parts.append(f"{tested}; each author and text counts once")
    return f'<p class="ep-note">{_few(drivers.concentration)}{". ".join(parts)}.</p>'


def _ground(what: str, ground: Ground, label: Label | None) -> str:
    kind = f"{label} messages" if label in CLASSES else "messages"
    read = f" (a sample of {figure(ground.read)})" if ground.sampled else ""
    return f"{what}: {figure(ground.messages)} {kind}{read}, {day(ground.start)} to {day(ground.end)}"


def _few(found: Concentration | None) -> str:
    if found is None:
        return ""
    said = []
    if found.authors is not None:
        usual = f" (usually {percent(found.authors_before)})" if found.authors_before is not None else ""
        said.append(f"The ten busiest authors wrote {percent(found.authors)} of it{usual}")
    usual = f" (usually {percent(found.texts_before)})" if found.texts_before is not None else ""
    said.append(f"the ten most repeated texts are {percent(found.texts)}{usual}")
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}. "
