"""Messages for the store's tests, and what its other processes run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, select

from app.adapters.schema import metadata
from app.adapters.store import Progress, Record, Store
from app.core.types import CLASSES, Event, Label, Message, Prediction

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = Event("cup", "World Cup", "#worldcup OR final")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def make(id_: str, minutes: float = 0, *, label: Label = Label.POSITIVE, **fields: Any) -> Record:
    """A record; `fields` are those of Message."""
    values: dict[str, Any] = {"text": f"text of {id_}", "created_at": at(minutes), "source": "x", "country": "DE"}
    message = Message(id=id_, **(values | fields))
    probabilities = (0.7, 0.2, 0.1)
    prediction = None if label is Label.UNSCORED else Prediction(label, probabilities, "tiny@1", "onnx")
    hashed = hashlib.blake2b(message.text.encode(errors="replace"), digest_size=16).hexdigest()
    return Record(message, prediction, hashed, at(minutes + 1))


def put(store: Store, *records: Record, event_id: str = EVENT.id) -> tuple[int, int, int]:
    """Store a page; (inserted, repeated, superseded)."""
    result = store.put_page(event_id, "test", records, Progress(reads=len(records)))
    return result.inserted, result.repeated, result.superseded


def counts(store: Store, event_id: str = EVENT.id) -> tuple[int, int]:
    """(raw, distinct) messages of an event, after a check that all roll-ups agree."""
    assert store.check(event_id) == []
    totals = store.totals(event_id).values()
    return sum(count.raw for count in totals), sum(count.distinct for count in totals)


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with store.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def pages_of(writer: str, pages: int, size: int = 20) -> list[list[Record]]:
    """Pages of one writer: its own messages, and copies of a message that all writers share."""
    return [
        [
            make(f"{writer}-{page}-{n}", page, label=CLASSES[n % 3], duplicate_of="shared" if n % 4 == 0 else None)
            for n in range(size - 1)
        ]
        + [make("shared", 0)]
        for page in range(pages)
    ]


def write_pages(store: Store, writer: str, pages: int) -> None:
    """Write the pages of a writer, each one twice."""
    for number, page in enumerate(pages_of(writer, pages)):
        for _ in range(2):
            progress = Progress(cursor={writer: number}, reads=len(page))
            store.put_page(EVENT.id, "shared-connector", page, progress)


def migrate_and_write(url: str, writer: str, pages: int) -> None:
    """What a process does that starts beside others on an empty database."""
    with Store(url) as store:
        store.migrate()
        store.put_event(EVENT)
        write_pages(store, writer, pages)


def die_while_writing(url: str, records: Sequence[Record], statement: int) -> None:
    """Write a page and leave the process, without any clean-up, before its n-th statement."""
    store = Store(url)
    left = [statement]

    def leave(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)

    event.listen(store.engine, "before_cursor_execute", leave)
    put(store, *records)
