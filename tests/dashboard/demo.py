"""Look at the dashboard with moving data: `python -m tests.dashboard.demo PORT`.

The main event is the sample's, moved so that its crisis has just begun, read by the model that is shipped;
a second one is calm, a third has no messages yet. It takes about a minute to begin with.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import uvicorn

from app.adapters.onnx import OnnxClassifier
from app.adapters.records import Progress, Record
from app.core.alerts import ChannelKind
from app.core.dedup import DuplicateIndex
from app.core.types import DeadLetter, Event, SourceState
from app.dashboard.mount import dashboard_app
from app.services.alerts import ChannelDraft
from app.services.annotations import AnnotationDraft
from app.services.feedback import VerdictDraft
from pipelines.detect import Detector
from pipelines.process import Preparer, mark_duplicates, records
from pipelines.sources.recordings import open_recording
from samples.build import EVENT_NAME, EVENT_QUERY, OUTPUT, START
from tests.dashboard.rig import Rig, random_record

MODEL: Final = Path(__file__).parents[2] / "models" / "default"
LUMEN: Final = Event("lumen-watch-launch", EVENT_NAME, EVENT_QUERY, read_budget=5_000)
CALM: Final = Event("world-cup-final", "World Cup final", '"World Cup" final')
QUIET: Final = Event("quiet", "A quiet event", "quiet")
CONNECTORS: Final = {"x": "x_search", "news": "newsapi"}
SINCE_START: Final = timedelta(hours=41.5)
"""So long after the sample's beginning the demo begins: an hour and a half into its crisis."""
_TICK: Final = timedelta(minutes=20)
_LABELLED: Final = 80


def now() -> datetime:
    """The clock of the wall."""
    return datetime.now(UTC)


class Moved:
    """A clock that is set, until it is let go."""

    def __init__(self) -> None:
        self.at: datetime | None = None

    def __call__(self) -> datetime:
        return self.at or now()


def story(shift: timedelta) -> list[Record]:
    """The sample, moved by so much and read by the model, in order of time."""
    rows = open_recording(OUTPUT).rows(0)
    moved = [replace(row.message, created_at=row.message.created_at + shift) for row in rows if row.message is not None]
    model = OnnxClassifier(MODEL)
    prepared = Preparer(LUMEN, model.languages).prepare(moved)
    said = model.classify([message.text for message in prepared.to_score])
    messages = mark_duplicates(prepared.messages, DuplicateIndex())
    return records(messages, prepared.scorable, said, now())


def furnished(folder: Path) -> tuple[Rig, list[Record]]:
    """Three events, one in trouble, one calm, one without messages; and what is still to come of the first."""
    clock = Moved()
    rig = Rig(folder, clock=clock, model_dir=MODEL)
    begin = now() - SINCE_START
    told = story(begin - START)
    rig.watch(LUMEN)
    draft = ChannelDraft(name="Press office", kind=ChannelKind.SLACK, target="https://hooks.example.com/press")
    rig.service.alerts.create(draft)
    ahead = _live_through(rig, told, clock, begin)
    _sources(rig)
    _calm(rig, told)
    rig.watch(QUIET)
    _people(rig, begin)
    return rig, ahead


def _live_through(rig: Rig, told: Sequence[Record], clock: Moved, begin: datetime) -> list[Record]:
    """Store and test what came, twenty minutes at a time; returns what comes later."""
    detector, ahead, edge, end = Detector(rig.store, now=clock), list(told), begin, now()
    while edge < end:
        edge = min(edge + _TICK, end)
        clock.at = edge
        came = [record for record in ahead if record.message.created_at < edge]
        ahead = ahead[len(came) :]
        for source, connector in CONNECTORS.items():
            late = edge - timedelta(minutes=15) if source == "news" else edge
            rig.put(
                *(each for each in came if each.message.source == source), event=LUMEN, source=connector, live_to=late
            )
        detector.test(LUMEN.id)
        for parcel in rig.store.alerts.claim():
            rig.store.alerts.mark_sent(parcel)
    clock.at = None
    return ahead


def _sources(rig: Rig) -> None:
    """One source that is not connected, and two records that could not be used."""
    rig.state("x_stream", SourceState.NOT_CONNECTED, "EVENTPULSE_X_BEARER_TOKEN is not set.", event=LUMEN)
    letters = (
        DeadLetter("parse", "created_at is no time: 'yesterday'", '{"id": "1", "created_at": "yesterday"}', "newsapi"),
        DeadLetter("clean", "there is no text", '{"id": "2", "text": ""}', "x_search"),
    )
    rig.store.put_page(LUMEN.id, "newsapi", [], Progress(dead_letters=letters))


def _calm(rig: Rig, told: Sequence[Record]) -> None:
    """Two days of an event in which nothing happens; its random messages as if that model had read them."""
    served = next(record.prediction for record in told if record.prediction)
    rig.watch(CALM)
    rng = random.Random(3)
    drawn = [random_record(rng, n, now() - timedelta(hours=rng.uniform(0, 48)), 0.12) for n in range(2_000)]
    peaceful = [each for each in drawn if "evil" not in each.message.text and "hacked" not in each.message.text]
    rig.put(
        *(
            replace(each, prediction=replace(each.prediction, model=served.model, backend=served.backend))
            if each.prediction
            else each
            for each in peaceful
        ),
        event=CALM,
        source="x_search",
    )
    Detector(rig.store, now=now).test(CALM.id)


def _people(rig: Rig, begin: datetime) -> None:
    """What analysts did: flags, and labels by what the writers meant."""
    notes = rig.service.annotations
    keynote = begin + timedelta(hours=11)
    notes.add(
        LUMEN.id,
        AnnotationDraft(at=keynote, until=keynote + timedelta(hours=3), kind="expected", text="Keynote", times=3),
    )
    notes.add(LUMEN.id, AnnotationDraft(at=begin + timedelta(hours=26), kind="statement", text="On sale"))
    lines = OUTPUT.read_text(encoding="utf-8").splitlines()
    meant = {row["id"]: row["intended_label"] for row in map(json.loads, lines)}
    for item in rig.service.feedback.queue(LUMEN.id, "ann", limit=_LABELLED).items:
        id_ = item.message.message.id
        draft = VerdictDraft(message_id=id_, verdict=meant[id_], stratum=item.stratum, who="ann")
        rig.service.feedback.judge(LUMEN.id, draft)


def go_on(rig: Rig, ahead: Sequence[Record]) -> None:
    """What came later, a message every ten seconds, tested as it comes."""
    detector = Detector(rig.store, now=now)
    pause = threading.Event()  # never set
    for record in ahead:
        pause.wait(10)
        message = replace(record.message, created_at=now())
        rig.put(replace(record, message=message), event=LUMEN, source=CONNECTORS[message.source])
        detector.test(LUMEN.id)


def main() -> None:
    """Serve until stopped."""
    with tempfile.TemporaryDirectory() as folder:
        rig, ahead = furnished(Path(folder))
        threading.Thread(target=go_on, args=(rig, ahead), daemon=True).start()
        app = dashboard_app(rig.service, now, rig.settings)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
