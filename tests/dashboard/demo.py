"""Look at the dashboard with moving data: `python -m tests.dashboard.demo PORT`."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn

from app.core.types import Event
from app.dashboard.mount import dashboard_app
from app.services.annotations import AnnotationDraft
from pipelines.detect import Detector
from tests.dashboard.rig import EVENT, Rig, fill, random_record

CALM = Event("world-cup-final", "World Cup final", '"World Cup" final')
QUIET = Event("quiet", "A quiet event", "quiet")


def now() -> datetime:
    """The clock of the wall."""
    return datetime.now(UTC)


def furnished(folder: Path) -> Rig:
    """Three events: one in trouble, one calm, one without messages."""
    rig = Rig(folder, clock=now)
    fill(rig, 5_000)
    rng = random.Random(3)
    rig.watch(CALM)
    calm = [random_record(rng, n, now() - timedelta(hours=rng.uniform(0, 40)), 0.12) for n in range(2_000)]
    rig.put(*calm, event=CALM)
    rig.watch(QUIET)
    notes = rig.service.annotations
    hour = now().replace(minute=0, second=0, microsecond=0)
    notes.add(
        EVENT.id, AnnotationDraft(at=hour - timedelta(hours=1), kind="statement", text="Our statement on refunds")
    )
    notes.add(EVENT.id, AnnotationDraft(at=hour - timedelta(hours=9), kind="expected", text="Keynote", times=3))
    for event in (EVENT, CALM):
        Detector(rig.store, now=now).test(event.id)
    return rig


def go_on(rig: Rig) -> None:
    """A few messages every two seconds, tested as they come."""
    rng = random.Random(5)
    detector = Detector(rig.store, now=now)
    number = 100_000
    while True:
        time.sleep(2)
        number += 3
        rig.put(*[random_record(rng, number + n, now(), 0.5) for n in range(3)])
        detector.test(EVENT.id)


def main() -> None:
    """Serve until stopped."""
    with tempfile.TemporaryDirectory() as folder:
        rig = furnished(Path(folder))
        threading.Thread(target=go_on, args=(rig,), daemon=True).start()
        app = dashboard_app(rig.service, now, rig.settings)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
