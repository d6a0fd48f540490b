"""The sentences of the behavioural tests, as tables: written for this project, put together in a fixed order.

Each kind has at least a hundred cases. A frame has one gap, `{}`, for a thing, a name, an emoji or a number.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from app.core.types import Label


class Rule(StrEnum):
    """What a case expects; `app`'s label names for plain sentences, else what the change may do."""

    NEGATIVE = Label.NEGATIVE.value
    NEUTRAL = Label.NEUTRAL.value
    POSITIVE = Label.POSITIVE.value
    SAME = "same label"
    UP = "more positive"
    DOWN = "more negative"


@dataclass(frozen=True, slots=True)
class Case:
    """One behavioural test. `changed` is None for a plain sentence, whose label is the rule."""

    kind: str
    rule: Rule
    text: str
    changed: str | None = None


THINGS = (
    "the new phone",
    "this album",
    "the update",
    "the flight",
    "the final match",
    "the keynote",
    "the trailer",
    "the train service",
    "the new stadium",
    "the exhibition",
)
PRAISE = (
    "I love {}.",
    "I think {} is great.",
    "Well, {} was amazing!",
    "So happy with {}",
    "Really enjoyed {} today",
    "Best thing I have seen all week: {}",
    "Honestly, {} made my day",
    "Thank you for {}, it is wonderful",
    "Absolutely brilliant, {}!",
    "Big fan of {}",
    "I am very impressed by {}",
    "Congratulations on {}, fantastic work",
)
COMPLAINTS = (
    "I hate {}.",
    "I think {} is terrible.",
    "Well, {} was a disaster!",
    "So disappointed with {}",
    "Really annoyed by {} today",
    "Worst thing I have seen all week: {}",
    "Honestly, {} ruined my day",
    "What a waste of time, {}",
    "Absolutely awful, {}!",
    "I am fed up with {}",
    "I regret paying for {}",
    "Shame on whoever made {}, horrible work",
)
REPORTS = (
    "Tomorrow at noon: {}.",
    "They will talk about {} on Monday.",
    "Where can I find {}?",
    "They announced {} on Tuesday",
    "Here is the schedule for {}",
    "A report about {} was published today",
    "The committee will discuss {} in the main hall",
    "Who is covering {} this evening?",
    "Notes on {}, part two",
    "According to the programme, {} is next",
    "Live now: {}",
    "The press conference about {} begins in ten minutes",
)
NEGATED_PRAISE = (
    ("I love {}.", "I don't love {}."),
    ("I think {} is great.", "I think {} is not great."),
    ("Well, {} was good.", "Well, {} wasn't good."),
    ("I would recommend {}", "I would not recommend {}"),
    ("I am happy with {}", "I am not happy with {}"),
    ("I really enjoyed {}", "I really didn't enjoy {}"),
    ("I always liked {}", "I never liked {}"),
    ("They say {} is worth it", "They say {} isn't worth it"),
    ("It is a pleasure to talk about {}", "It is no pleasure to talk about {}"),
    ("I am impressed by {}", "I am not impressed by {}"),
    ("Everyone was pleased with {}", "Nobody was pleased with {}"),
    ("I can trust {}", "I can't trust {}"),
)
NEGATED_COMPLAINTS = (
    ("I hate {}.", "I don't hate {}."),
    ("I think {} is bad.", "I think {} is not bad."),
    ("Well, {} was terrible.", "Well, {} wasn't terrible."),
    ("I regret paying for {}", "I don't regret paying for {}"),
    ("I am disappointed with {}", "I am not disappointed with {}"),
    ("I think {} is a problem", "I think {} is not a problem"),
    ("They say {} is boring", "They say {} isn't boring"),
    ("I am tired of {}", "I am not tired of {}"),
    ("Everyone was angry about {}", "Nobody was angry about {}"),
    ("I am worried about {}", "I am not worried about {}"),
    ("I had trouble with {}", "I had no trouble with {}"),
    ("It is annoying to wait for {}", "It is not annoying to wait for {}"),
)
ABOUT_PEOPLE = (
    "I love how {} explained it",
    "{} did a great job tonight",
    "So proud of {}!",
    "Thank you {} for the kind words",
    "I can't stand {}",
    "{} was rude to everyone again",
    "What a terrible speech by {}",
    "{} ruined the whole evening",
    "{} speaks at noon",
    "Interview with {} on Monday",
    "{} arrived with the delegation",
    "Did {} say anything about the vote?",
)
PEOPLE = (
    ("Anna", "Aisha"),
    ("Peter", "Mohammed"),
    ("Emily", "Lakshmi"),
    ("Jack", "Jamal"),
    ("Susan", "Mei"),
    ("George", "Diego"),
    ("Claire", "Fatima"),
    ("Thomas", "Kwame"),
    ("Helen", "Yuki"),
    ("Robert", "Ivan"),
)
ABOUT_BRANDS = (
    "I love my new {}",
    "{} has the best customer service",
    "Great news from {} today!",
    "Switching to {} was the best decision",
    "{} support is useless",
    "Never buying from {} again",
    "{} lost my order and nobody cares",
    "I am furious with {}",
    "{} opens a shop in the centre on Friday",
    "Is {} open on Sundays?",
    "{} names a new head of sales",
    "Quarterly figures of {} are due tomorrow",
)
BRANDS = (
    ("Samsung", "Nokia"),
    ("Toyota", "Ford"),
    ("Adidas", "Puma"),
    ("Siemens", "Bosch"),
    ("JetBlue", "Lufthansa"),
    ("Pepsi", "Nestle"),
    ("Sony", "Canon"),
    ("Ikea", "Lego"),
    ("Dell", "Lenovo"),
    ("Spotify", "Netflix"),
)
ABOUT_PLACES = (
    "What a beautiful evening in {}",
    "I love the people of {}",
    "Best concert ever in {}!",
    "So glad to be back in {}",
    "The traffic in {} is a nightmare",
    "Worst hotel I have stayed at, in {}",
    "Stuck in {} again, I hate this",
    "The food in {} was disgusting",
    "The meeting in {} starts on Tuesday",
    "We are moving the office to {}",
    "The train to {} leaves from platform two",
    "Who is in {} this week?",
)
PLACES = (
    ("Boston", "Lagos"),
    ("Paris", "Jakarta"),
    ("Chicago", "Lima"),
    ("Berlin", "Nairobi"),
    ("Toronto", "Hanoi"),
    ("Sydney", "Karachi"),
    ("Madrid", "Bogota"),
    ("Oslo", "Accra"),
    ("Dublin", "Manila"),
    ("Seattle", "Cairo"),
)
WITH_NUMBERS = (
    "Loved episode {} of the series",
    "Seats in row {} were perfect, great view",
    "Big thanks to the driver of bus {}!",
    "The team in room {} was wonderful",
    "Flight {} is cancelled again, awful service",
    "Order {} arrived broken, so angry",
    "Platform {} is filthy and it stinks",
    "Hall {} was the worst part of the fair",
    "Bus {} leaves from the station",
    "The talk is in room {}",
    "Please have ticket {} ready",
    "Chapter {} is about the harbour",
)
NUMBERS = (
    ("12", "17"),
    ("23", "41"),
    ("31", "58"),
    ("8", "6"),
    ("104", "215"),
    ("52", "47"),
    ("19", "36"),
    ("77", "64"),
    ("305", "418"),
    ("9", "14"),
)
GLAD = ("😍", "😊", "😀", "🥰", "❤️", "👍", "👏", "😁", "🤩", "😄")
SAD = ("😡", "😠", "🤬", "👎", "💔", "😞", "🤮", "😢", "😤", "🙁")
PLAIN = ("📅", "📍", "📷", "📺", "🕐", "📌", "🎥", "📰", "🔗", "🗓️")
_TYPO_SEED = 20261123


def cases() -> tuple[Case, ...]:
    """Every behavioural test, always the same ones in the same order."""
    return (
        *_plain("plain negative", Rule.NEGATIVE, COMPLAINTS),
        *_plain("plain neutral", Rule.NEUTRAL, REPORTS),
        *_plain("plain positive", Rule.POSITIVE, PRAISE),
        *_negated("praise negated", Rule.DOWN, NEGATED_PRAISE),
        *_negated("complaint negated", Rule.UP, NEGATED_COMPLAINTS),
        *_swapped("person swapped", ABOUT_PEOPLE, PEOPLE),
        *_swapped("brand swapped", ABOUT_BRANDS, BRANDS),
        *_swapped("place swapped", ABOUT_PLACES, PLACES),
        *_swapped("number changed", WITH_NUMBERS, NUMBERS),
        *_emoji("positive emoji added", Rule.UP, GLAD),
        *_emoji("negative emoji added", Rule.DOWN, SAD),
        *_emoji("neutral emoji added", Rule.SAME, PLAIN),
        *_typos("typo"),
        *_addressed("mention and link added"),
    )


def _plain(kind: str, rule: Rule, frames: Sequence[str]) -> Iterator[Case]:
    for frame, thing in product(frames, THINGS):
        yield Case(kind, rule, frame.format(thing))


def _negated(kind: str, rule: Rule, frames: Sequence[tuple[str, str]]) -> Iterator[Case]:
    for (plain, negated), thing in product(frames, THINGS):
        yield Case(kind, rule, plain.format(thing), negated.format(thing))


def _swapped(kind: str, frames: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Iterator[Case]:
    for frame, (one, other) in product(frames, pairs):
        yield Case(kind, Rule.SAME, frame.format(one), frame.format(other))


def _emoji(kind: str, rule: Rule, emoji: Sequence[str]) -> Iterator[Case]:
    """Emoji that mean something go to plain reports, the others to sentences of every sort."""
    sentences = [text for _, text in _sentences()] if rule is Rule.SAME else [f.format(t) for f, t in _ring(REPORTS)]
    for number, text in enumerate(sentences):
        yield Case(kind, rule, text, f"{text} {emoji[number % len(emoji)]}")


def _typos(kind: str) -> Iterator[Case]:
    rng = random.Random(_TYPO_SEED)
    for _, text in _sentences():
        yield Case(kind, Rule.SAME, text, with_typo(text, rng))


def _addressed(kind: str) -> Iterator[Case]:
    for number, text in _sentences():
        yield Case(kind, Rule.SAME, text, f"@reader{number} {text} https://news.example/{number}")


def _sentences() -> Iterator[tuple[int, str]]:
    """Numbered sentences of all three sorts: every frame with four of the things."""
    frames = (*PRAISE, *REPORTS, *COMPLAINTS)
    texts = (frame.format(THINGS[(i + 3 * k) % len(THINGS)]) for i, frame in enumerate(frames) for k in range(4))
    yield from enumerate(texts)


def _ring(frames: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every frame with every thing, so that neighbours differ in both."""
    for shift, (i, frame) in product(range(len(THINGS)), enumerate(frames)):
        yield frame, THINGS[(i + shift) % len(THINGS)]


def with_typo(text: str, rng: random.Random) -> str:
    """Two neighbouring letters inside one word of four letters or more, exchanged."""
    places = [
        i
        for i in range(1, len(text) - 2)
        if text[i - 1 : i + 3].isalpha() and text[i] != text[i + 1] and text[i : i + 2].islower()
    ]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
