"""Messages in the store of a service, with what a model said of them."""

from __future__ import annotations

from datetime import datetime

from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.text import content_hash
from app.core.types import CLASSES, Label, Message, Prediction


def prediction(label: Label, model: str = "fake-1") -> Prediction:
    negative, neutral, positive = (0.8 if each is label else 0.1 for each in CLASSES)
    return Prediction(label, (negative, neutral, positive), model, "fake")


class Feed:
    """Puts messages into the store of a service, a page a call."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.number = 0

    def put(
        self,
        label: Label,
        at: datetime,
        times: int = 1,
        *,
        copy_of: str | None = None,
        source: str = "x",
        country: str | None = None,
        progress: Progress | None = None,
        model: str = "fake-1",
    ) -> None:
        records = []
        for _ in range(times):
            self.number += 1
            text = f"text {self.number}"
            message = Message(f"m{self.number}", text, at, source, country=country, duplicate_of=copy_of)
            said = None if label is Label.UNSCORED else prediction(label, model)
            records.append(Record(message, said, content_hash(text), at))
        self.store.put_page("launch", source, records, progress or Progress())
