"""The sample recording from its source to the incident: replay, follow, classify, store, detect. No Ray."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.adapters.incident_records import IncidentFilter
from app.adapters.store import Store
from app.core.incidents import Change, Kind
from app.core.types import CLASSES, Event, Label, Prediction
from app.services.incidents import Incidents
from pipelines.detect import Detector, Outcome
from pipelines.follow import EventState, Follower
from pipelines.sources.replay import Playback, Replay
from tests.fakes.pipeline import Naps

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "lumen-watch-launch.jsonl"
BEGIN = datetime(2025, 9, 16, 6, tzinfo=UTC)
EVENT = Event("lumen", "Lumen Watch launch", "*")
NEGATIVE = {Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT}


class AsWritten:
    """Says what the writers meant, but for three texts in ten: as often as a good model differs from people."""

    def __init__(self) -> None:
        rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
        self._labels = {row["text"]: Label(row["intended_label"]) for row in rows}

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        return [self._said(text) for text in texts]

    def _said(self, text: str) -> Prediction:
        number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())
        label = self._labels[text] if number % 10 > 2 else CLASSES[number // 10 % 3]
        negative, neutral, positive = (0.8 if each is label else 0.1 for each in CLASSES)
        return Prediction(label, (negative, neutral, positive), "written", "fake")


def test_the_crisis_of_the_sample_opens_one_negative_incident_and_the_calm_before_it_none(store: Store) -> None:
    store.put_event(EVENT)
    detector = Detector(store, now=lambda: BEGIN + timedelta(days=30))
    runs: list[Outcome] = []
    follower = Follower(
        EventState(EVENT, store, frozenset({"en"})),
        Replay(SAMPLE, EVENT.id, now=lambda: BEGIN, playback=Playback(speed=0, page_size=128)),
        store,
        AsWritten(),
        sleep=Naps(),
        stored=lambda: runs.append(detector.test(EVENT.id)),
    )
    asyncio.run(follower.run())
    told = [update for run in runs for update in run.told]
    assert [update.incident.number for update in told if update.change is Change.OPENED] == [1]
    assert sum(run.late for run in runs) == 0
    (stored,) = store.incidents.find(IncidentFilter()).items
    crisis = BEGIN + timedelta(hours=40)
    assert not stored.in_history
    assert NEGATIVE & set(stored.incident.kinds)
    assert crisis - timedelta(minutes=5) <= stored.incident.started_at < crisis + timedelta(hours=1)
    assert crisis < stored.incident.opened_at <= crisis + timedelta(hours=1)
    assert stored.incident.ended_at is not None
    headline = Incidents(store, lambda: BEGIN + timedelta(days=3)).get(EVENT.id, 1).incident.headline
    assert "up from" in headline
    # A replay of it all, as after a change of the rule, knows of nothing else.
    assert detector.review(EVENT.id).told == ()
    assert len(store.incidents.find(IncidentFilter()).items) == 1
