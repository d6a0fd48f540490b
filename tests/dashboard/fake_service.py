"""A service over plain lists, with hostile and peaceful messages that grow as its clock moves."""

from __future__ import annotations

import hashlib
import math
import random
from datetime import UTC, datetime, timedelta

from app.adapters.records import Facets, MessageFilter, MessagePage, StoredMessage
from app.core.errors import InvalidInput, NotFound, StoreError
from app.core.prevalence import difference, share
from app.core.types import CLASSES, Bucket, Count, Event, Label, Message, Prediction, SourceState, SourceStatus
from app.service import EventDraft, Service, slug
from app.services.windows import step_for
from app.views import Basis, EventSummary, Overview, Selection, Statuses, Timeline

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

HOSTILE = (
    '<script>window.hacked = 1</script> "quoted" & <img src=x onerror="window.hacked=2">',
    "\u202egnp.exe\u202c javascript:alert(1) ${window.hacked=3} {{constructor}} `backtick`",
    "https://evil.example/?q=1 </p></article><h1>owned</h1>",
    "شاشة النظارة تشققت بعد يومين فقط <b>خيبة أمل</b>",
)
TEXTS = {
    Label.NEGATIVE: (
        "The screen cracked after two days.",
        "Third refund request, still no answer from support.",
        "Battery gone after an hour, what a letdown.",
    ),
    Label.NEUTRAL: (
        "Vision Pro arrives in ten more countries on Friday.",
        "Anyone know if it works with prescription lenses?",
        "The keynote starts at 18:00.",
    ),
    Label.POSITIVE: (
        "Watched a film in it last night, best picture I have ever seen.",
        "Setup took two minutes. Impressed!",
        "The hand tracking just works.",
    ),
    Label.UNSCORED: ("画面がとてもきれいです", "Екранот е одличен"),
}


def message(
    number: int, at: datetime, label: Label = Label.NEUTRAL, text: str | None = None, **fields: str
) -> StoredMessage:
    """A stored message."""
    words = text if text is not None else f"{TEXTS[label][number % len(TEXTS[label])]}"
    prediction = None
    if label in CLASSES:
        chances = tuple(0.86 if label == other else 0.07 for other in CLASSES)
        prediction = Prediction(label, (chances[0], chances[1], chances[2]), "minilm-7", "onnx")
    made = Message(f"m{number}", words, at, fields.pop("source", "x"), **fields)
    return StoredMessage(made, prediction, 0, hashlib.sha256(words.encode("utf-8", "replace")).hexdigest(), at, at)


class FakeService(Service):
    """Answers like the service, from memory. Give it `messages`; raise `broken` to have a store that refuses."""

    def __init__(self, now: datetime = NOON) -> None:
        self.moment = now
        self.known: dict[str, Event] = {}
        self.stored: dict[str, list[StoredMessage]] = {}
        self.statuses: dict[str, tuple[SourceStatus, ...]] = {}
        self.changes: dict[str, int] = {}
        self.edges: dict[str, datetime] = {}
        self.broken = False
        self.asked = 0

    def clock(self) -> datetime:
        return self.moment

    def add(self, event: Event, *messages: StoredMessage, statuses: tuple[SourceStatus, ...] = ()) -> None:
        """Put messages into an event, made where it is not there yet."""
        self.known.setdefault(event.id, event)
        self.stored.setdefault(event.id, []).extend(messages)
        self.statuses[event.id] = statuses or self.statuses.get(event.id, ())
        self.changes[event.id] = self.changes.get(event.id, 0) + 1

    def version(self, event_id: str) -> int:
        if self.broken:
            raise StoreError("the database does not answer")
        return self.changes[self.event(event_id).id]

    def event(self, event_id: str) -> Event:
        if event_id not in self.known:
            raise NotFound(f"there is no event {event_id!r}", field="event_id")
        return self.known[event_id]

    def events(self) -> list[EventSummary]:
        if self.broken:
            raise StoreError("the database does not answer")
        return [
            EventSummary(event, len(self.stored[key]), 0, None, self.changes[key]) for key, event in self.known.items()
        ]

    def create_event(self, draft: EventDraft) -> Event:
        made = self._from_draft(slug(draft.name), draft)
        if made.id in self.known:
            raise InvalidInput(f"there is an event {made.id!r} already", field="name")
        self.add(made)
        return made

    def update_event(self, event_id: str, draft: EventDraft) -> Event:
        self.event(event_id)
        self.known[event_id] = self._from_draft(event_id, draft)
        self.add(self.known[event_id])
        return self.known[event_id]

    def _edge(self, event_id: str) -> datetime | None:
        return max((status.live_to for status in self.statuses.get(event_id, ()) if status.live_to), default=None)

    def _span(self, event_id: str, selection: Selection) -> tuple[datetime, datetime]:
        if selection.start and selection.end:
            return selection.start, selection.end
        end = (self._edge(event_id) or self.moment).replace(second=0, microsecond=0) + timedelta(minutes=1)
        return end - timedelta(hours=selection.hours), end

    def _counted(self, event_id: str, start: datetime, end: datetime, selection: Selection) -> dict[Label, Count]:
        counts = dict.fromkeys(Label, Count())
        for item in self._found(
            event_id, MessageFilter(start, end, source=selection.source, country=selection.country)
        ):
            counts[item.label] += Count(1, 0 if item.message.duplicate_of else 1)
        return counts

    def _found(self, event_id: str, where: MessageFilter) -> list[StoredMessage]:
        return [
            item
            for item in self.stored[event_id]
            if (where.start is None or item.message.created_at >= where.start)
            and (where.end is None or item.message.created_at < where.end)
            and where.label in (None, item.label)
            and where.source in (None, item.message.source)
            and where.country in (None, item.message.country or "??")
            and (where.text or "").casefold() in item.message.text.casefold()
            and not (where.distinct_only and item.message.duplicate_of)
        ]

    def overview(self, event_id: str, selection: Selection) -> Overview:
        self.asked += 1
        event = self.event(event_id)
        start, end = self._span(event_id, selection)
        counts = self._counted(event_id, start, end, selection)
        before = self._counted(event_id, start - (end - start), start, selection)
        scored = sum(counts[label].distinct for label in CLASSES)
        shares = {label: made for label in CLASSES if (made := share(counts[label].distinct, scored))}
        previous = share(before[Label.NEGATIVE].distinct, sum(before[label].distinct for label in CLASSES))
        now, total = shares.get(Label.NEGATIVE), sum(counts.values(), Count())
        down = tuple(
            s.source for s in self.statuses[event_id] if s.state in (SourceState.NOT_CONNECTED, SourceState.ERROR)
        )
        basis = Basis(total.raw, total.distinct, counts[Label.UNSCORED].raw, ("minilm-7",), self._edge(event_id), down)
        change = difference(now, previous) if now and previous else None
        return Overview(event, start, end, counts, shares, previous, change, basis, self.changes[event_id])

    def timeline(self, event_id: str, selection: Selection, step_s: int | None = None) -> Timeline:
        start, end = self._span(event_id, selection)
        step = step_s or step_for((end - start).total_seconds())[0]
        start = datetime.fromtimestamp(math.floor(start.timestamp() / step) * step, UTC)
        gathered: dict[float, dict[Label, Count]] = {}
        for item in self._found(
            event_id, MessageFilter(start, end, source=selection.source, country=selection.country)
        ):
            slot = math.floor(item.message.created_at.timestamp() / step) * step
            counts = gathered.setdefault(slot, {})
            counts[item.label] = counts.get(item.label, Count()) + Count(1, 0 if item.message.duplicate_of else 1)
        buckets = tuple(Bucket(datetime.fromtimestamp(slot, UTC), gathered[slot]) for slot in sorted(gathered))
        return Timeline(event_id, start, end, step, buckets, self._edge(event_id), self.changes[event_id])

    def facets(self, event_id: str) -> Facets:
        sources: dict[str, Count] = {}
        countries: dict[str, Count] = {}
        for item in self.stored[self.event(event_id).id]:
            sources[item.message.source] = sources.get(item.message.source, Count()) + Count(1, 1)
            country = item.message.country or "??"
            countries[country] = countries.get(country, Count()) + Count(1, 1)
        return Facets(sources, countries)

    def messages(
        self, event_id: str, where: MessageFilter, *, limit: int = 50, after: str | None = None
    ) -> MessagePage:
        found = sorted(self._found(event_id, where), key=lambda item: item.message.created_at, reverse=True)
        first = int(after or 0)
        more = str(first + limit) if len(found) > first + limit else None
        return MessagePage(tuple(found[first : first + limit]), more)

    def sources(self, event_id: str) -> Statuses:
        statuses = self.statuses[self.event(event_id).id]
        return Statuses(statuses, sum(status.dead_letters for status in statuses))


EVENT = Event("vision-pro", "Apple Vision Pro launch", '"Vision Pro" OR #VisionPro', read_budget=5000)


def some_statuses(edge: datetime, reads: int = 0) -> tuple[SourceStatus, ...]:
    return (
        SourceStatus("vision-pro", "x", SourceState.LIVE, "", edge, 4.0, reads, reads, 0, 1, 0),
        SourceStatus(
            "vision-pro", "replay", SourceState.LIVE, "", edge - timedelta(minutes=15), 912.0, 341, 0, 12, 0, 3
        ),
        SourceStatus("vision-pro", "newsapi", SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set."),
    )


def random_message(rng: random.Random, number: int, at: datetime, negative: float) -> StoredMessage:
    label = rng.choices(list(Label), weights=[negative, 0.42, max(0.05, 0.55 - negative), 0.03])[0]
    text = rng.choice(HOSTILE) if rng.random() < 0.04 else None
    country = rng.choice(["US", "GB", "DE", "??", "FR"])
    made = message(
        number,
        at,
        label,
        text,
        source=rng.choice(["x", "x", "replay"]),
        author=f"user{number % 97}",
        country=country if country != "??" else "",
        lang="en" if label in CLASSES else "ja",
    )
    if made.message.country == "":
        made = message(number, at, label, text, source="x", author=f"user{number % 97}", lang="en")
    return made


def busy_service(now: datetime, count: int = 2600) -> FakeService:
    """A day of messages with a rise of negative ones in the last two hours, and a gap in the night."""
    rng = random.Random(7)
    service = FakeService(now)
    made = []
    for number in range(count):
        hours = rng.uniform(0, 46) if rng.random() < 0.8 else rng.uniform(0, 2.5)
        if 13 < hours < 14.5:
            continue
        made.append(random_message(rng, number, now - timedelta(hours=hours), 0.5 if hours < 2.5 else 0.18))
    copied = [
        StoredMessage(
            i.message, i.prediction, 84 if rng.random() < 0.03 else 0, i.content_hash, i.fetched_at, i.stored_at
        )
        for i in made
    ]
    service.add(EVENT, *copied, statuses=some_statuses(now - timedelta(seconds=4), count))
    service.add(Event("quiet", "A quiet event", "quiet", created_at=now), statuses=some_statuses(now)[:1])
    return service
