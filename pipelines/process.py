"""What happens to a message between its source and the store; the live and the batch pipeline share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.adapters.database import mended
from app.adapters.gazetteer import resolver
from app.adapters.page_writes import unfit
from app.adapters.records import Record
from app.core.dedup import DuplicateIndex
from app.core.language import is_scorable, resolve_language
from app.core.publishers import publisher_country
from app.core.query import matches, parse
from app.core.text import clean, content_hash
from app.core.types import DeadLetter, Event, Message, Prediction


@dataclass(frozen=True, slots=True)
class Prepared:
    """Messages that belong to the event. `scorable[i]` says whether the model may judge `messages[i]`."""

    messages: tuple[Message, ...]
    scorable: tuple[bool, ...]
    unmatched: int
    dead_letters: tuple[DeadLetter, ...]

    @property
    def to_score(self) -> list[Message]:
        """What the model may judge, in order."""
        return [message for message, scorable in zip(self.messages, self.scorable, strict=True) if scorable]


def country_of(location: str) -> str | None:
    """The country of a profile location; None where it cannot be told. The gazetteer is opened at the first call."""
    return resolver().resolve(location).country


class Preparer:
    """Cleans, places, matches and selects the messages of one event. Stateless between calls.

    `country_of` tells the country of a profile location.
    """

    def __init__(
        self, event: Event, trained: frozenset[str], country_of: Callable[[str], str | None] = country_of
    ) -> None:
        self._country_of = country_of
        self._event = event
        self._query = parse(event.query)
        self._trained = trained

    def prepare(self, messages: Iterable[Message]) -> Prepared:
        """Sort messages into those of the event, those of something else, and those without any text."""
        kept: list[Message] = []
        scorable: list[bool] = []
        dead: list[DeadLetter] = []
        unmatched = 0
        for given in messages:
            message = _mended(given)
            text = clean(given.text)
            if not text:
                dead.append(DeadLetter("clean", "there is no text", message.id, message.source, self._event.id))
                continue
            if reason := unfit(message):
                dead.append(DeadLetter("store", reason, repr(message), message.source, self._event.id))
                continue
            language = resolve_language(message.lang, message.text)
            if not self._belongs(message, text, language) or not self._is_there(country := self._country(message)):
                unmatched += 1
                continue
            kept.append(replace(message, lang=language, country=country))
            scorable.append(is_scorable(language, self._trained, text))
        return Prepared(tuple(kept), tuple(scorable), unmatched, tuple(dead))

    def _belongs(self, message: Message, text: str, language: str) -> bool:
        event = self._event
        return (
            (event.starts_at is None or message.created_at >= event.starts_at)
            and (event.ends_at is None or message.created_at < event.ends_at)
            and (not event.languages or language in event.languages)
            and matches(self._query, text)
        )

    def _is_there(self, country: str | None) -> bool:
        return not self._event.countries or country in self._event.countries

    def _country(self, message: Message) -> str | None:
        """The place that the source names; else where the publisher of an article is, or what the profile says."""
        if message.country is not None:
            return message.country
        if message.publisher is not None:
            return publisher_country(message.url)
        return self._country_of(message.location) if message.location else None


def mark_duplicates(messages: Sequence[Message], index: DuplicateIndex) -> list[Message]:
    """Point each copy to the first message with its text. Order matters, and the index remembers."""
    return [replace(message, duplicate_of=index.first_of(message.id, message.text)) for message in messages]


def records(
    messages: Sequence[Message], scorable: Sequence[bool], predictions: Sequence[Prediction], fetched_at: datetime
) -> list[Record]:
    """Join messages with the predictions of those among them that are scorable, in order."""
    given = iter(predictions)
    return [
        Record(message, next(given) if scored else None, content_hash(message.text), fetched_at)
        for message, scored in zip(messages, scorable, strict=True)
    ]


def _mended(message: Message) -> Message:
    """The original, but for what no database holds: NUL and lone surrogates become U+FFFD."""
    return replace(
        message,
        text=mended(message.text),
        author=message.author and mended(message.author),
        location=message.location and mended(message.location),
        publisher=message.publisher and mended(message.publisher),
        url=message.url and mended(message.url),
    )
