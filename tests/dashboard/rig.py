"""The service over a database of its own, with hostile and peaceful messages, by a clock that is moved by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.adapters.incident_records import Findings
from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.detection import Memory
from app.core.dial import Dial
from app.core.errors import ClassifierError
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Label, Message, Prediction, SourceState
from app.core.watch import Rule, Watch
from app.service import Service
from app.settings import Settings
from tests.fakes.clock import START, Clock

NOON = START

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
EVENT = Event("vision-pro", "Apple Vision Pro launch", '"Vision Pro" OR #VisionPro', read_budget=5000)


def record(number: int, at: datetime, label: Label = Label.NEUTRAL, said: str | None = None, **fields: Any) -> Record:
    """A message as it is stored; `fields` are those of Message."""
    words = said if said is not None else f"{TEXTS[label][number % len(TEXTS[label])]}"
    prediction = None
    if label in CLASSES:
        chances = tuple(0.86 if label == other else 0.07 for other in CLASSES)
        prediction = Prediction(label, (chances[0], chances[1], chances[2]), "minilm-7", "onnx")
    values = {"source": "x", "author": f"user{number % 97}"} | fields
    made = Message(id=f"m{number}", text=words, created_at=at, **values)
    return Record(made, prediction, content_hash(words), at)


async def no_model(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    """The pages classify nothing."""
    raise ClassifierError("there is no model here")


class Rig:
    """A service with its store and clock. The database is a copy of `empty`, one that is migrated; there is no model
    but that in `model_dir`.
    """

    def __init__(
        self,
        folder: Path,
        empty: Path | None = None,
        clock: Callable[[], datetime] | None = None,
        model_dir: Path | None = None,
    ) -> None:
        self.clock = clock or Clock()
        path = folder / "dashboard.db"
        if empty is not None:
            path.write_bytes(empty.read_bytes())
        self.settings = Settings(_env_file=None, state_dir=folder, model_dir=model_dir or folder)
        self.store = Store(f"sqlite:///{path}", now=self.clock)
        if empty is None:
            self.store.migrate()
        self.service = Service(self.store, no_model, self.settings, self.clock)

    def watch(self, event: Event = EVENT) -> Event:
        """Begin to watch an event."""
        return self.store.put_event(event)

    def put(self, *records: Record, event: Event = EVENT, source: str = "x", live_to: datetime | None = None) -> None:
        """Store messages, as the source that is live to then; to the clock's time when it is not said."""
        edge = live_to or self.clock()
        lag = (self.clock() - edge).total_seconds()
        self.store.put_page(event.id, source, records, Progress(live_to=edge, lag_s=lag, reads=len(records)))

    def state(self, source: str, state: SourceState, detail: str = "", event: Event = EVENT) -> None:
        """Set the state of a source."""
        self.store.set_status(event.id, source, state, detail)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """For so long the database refuses."""
        with self.store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE events RENAME TO hidden"))
        yield
        with self.store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE hidden RENAME TO events"))

    def incident(self, made: Incident, change: Change = Change.OPENED, event: Event = EVENT) -> None:
        """Store a change of an incident, as the detector does."""
        before = self.store.incidents.detector(event.id)
        findings = Findings(updates=(Update(change, made.updated_at, made),), current=made if made.is_open else None)
        memory = Memory(Watch(Rule()).state(), {}, self.clock(), Dial(), "").as_json()
        self.store.incidents.advance(event.id, before.revision if before else 0, memory, self.clock(), findings)


def an_incident(
    number: int = 1,
    *,
    hours_ago: float = 2.0,
    hours: float | None = None,
    kind: Kind = Kind.NEGATIVE_SHARE,
    severity: Severity = Severity.HIGH,
    source: str = "x",
    revision: int = 1,
) -> Incident:
    """An incident that began so long before noon, and lasted so long; None is still open."""
    started = NOON - timedelta(hours=hours_ago)
    observed, expected = (0.5, 0.18) if kind is Kind.NEGATIVE_SHARE else (420.0, 130.0)
    signal = Signal(kind, source, started, observed, expected, 60.0, 7.5, 4.0)
    return Incident(
        number=number,
        kinds=(kind,),
        severity=severity,
        started_at=started,
        opened_at=started + timedelta(minutes=10),
        updated_at=started + timedelta(minutes=10),
        ended_at=None if hours is None else started + timedelta(hours=hours),
        revision=revision,
        size=60.0,
        reopened=0,
        evidence=(signal,),
    )


def random_record(rng: random.Random, number: int, at: datetime, negative: float) -> Record:
    """A message like many, now and then a hostile one."""
    label = rng.choices(list(Label), weights=[negative, 0.42, max(0.05, 0.55 - negative), 0.03])[0]
    said = rng.choice(HOSTILE) if rng.random() < 0.04 else f"{rng.choice(TEXTS[label])} {rng.choice(_TAILS)}"
    return record(
        number,
        at,
        label,
        said,
        source=rng.choice(["x", "x", "replay"]),
        country=rng.choice(["US", "GB", "DE", None, "FR"]),
        lang="en" if label in CLASSES else "ja",
    )


_TAILS = (
    "",
    "Really.",
    "Day two.",
    "Just saying",
    "#VisionPro",
    "What about yours?",
    "I tried it at a friend's place.",
)


def fill(rig: Rig, count: int = 2_600, event: Event = EVENT) -> None:
    """A day of messages with a rise of negative ones in the last two hours, and a gap in the night."""
    rng = random.Random(7)
    now = rig.clock()
    made = []
    for number in range(count):
        hours = rng.uniform(0, 46) if rng.random() < 0.8 else rng.uniform(0, 2.5)
        if 13 < hours < 14.5:
            continue
        made.append(random_record(rng, number, now - timedelta(hours=hours), 0.5 if hours < 2.5 else 0.18))
    rig.watch(event)
    by_source = {"x": [r for r in made if r.message.source == "x"]}
    by_source["replay"] = [r for r in made if r.message.source == "replay"]
    rig.put(*by_source["x"], event=event, live_to=now - timedelta(seconds=4))
    rig.put(*by_source["replay"], event=event, source="replay", live_to=now - timedelta(minutes=15))
    rig.state("newsapi", SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set.", event=event)
