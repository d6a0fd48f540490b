"""How long it takes to know: EventPulse against reading by hand, for the incidents of an event.

    python -m benchmarks.insight --event E                      # the incidents that the store of the settings holds
    python -m benchmarks.insight --recording FILE --model DIR   # follow a recording first, into a store of its own

For each negative incident: the messages that one would have to read and code, in the incident and in the day before it,
to know both negative shares as closely as the screen does (95 % intervals of the same width, simple random sample,
corrected for the finite number of messages), and the time that takes. What is assumed are arguments. Searching,
sampling, typing, tabulating and a second coder come on top by hand, and are not counted; nor is that nobody reads at
three in the morning. Beside it stands how long after its first message the incident was noticed, in the time of the
messages, and, where people have used the product, the recorded times from there to evidence and verdict.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.adapters.onnx import OnnxClassifier
from app.adapters.records import MessageFilter
from app.adapters.store import Store
from app.core.incidents import Kind
from app.core.prevalence import Share
from app.core.types import Event, Prediction
from app.services.incidents import Incidents, IncidentView
from app.services.insight import Insight
from app.settings import Settings
from pipelines.detect import Detector
from pipelines.follow import EventState, Follower
from pipelines.sources.replay import Playback, Replay

_Z95 = 1.959963984540054
_MOST_READ = 2_000  # messages that the mean length is taken of
_DAY = timedelta(days=1)
_NEGATIVE = {Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT}


@dataclass(frozen=True, slots=True)
class Assumed:
    """How a person reads. 238 words a minute is the mean of adults' silent reading (Brysbaert 2019)."""

    words_per_minute: float
    seconds_to_decide: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One incident, by hand and by EventPulse. Times are in seconds."""

    event_id: str
    number: int
    headline: str
    words_a_message: float
    to_read: int
    by_hand_s: float
    noticed_after_s: float
    steps_s: dict[str, float]


def sample_size(share: Share, messages: int) -> int:
    """Messages to code for a 95 % interval as wide as that of `share`, when there are so many in all."""
    half = max((share.high - share.low) / 2, 0.5 / max(messages, 1))
    p = min(max(share.value, 0.01), 0.99)
    wanted = _Z95**2 * p * (1 - p) / half**2
    return min(messages, math.ceil(wanted / (1 + (wanted - 1) / max(messages, 1))))


def words_a_message(store: Store, event_id: str, start: datetime, end: datetime) -> float:
    """The mean length of the distinct messages of a window, the latest `_MOST_READ` of them."""
    lengths: list[int] = []
    after: str | None = None
    where = MessageFilter(start=start, end=end, distinct_only=True)
    while len(lengths) < _MOST_READ:
        page = store.messages(event_id, where, limit=500, after=after)
        lengths += [len(item.message.text.split()) for item in page.items]
        after = page.next
        if after is None:
            break
    return statistics.fmean(lengths) if lengths else 0.0


def compare(store: Store, view: IncidentView, steps: dict[str, datetime], assumed: Assumed) -> Compared | None:
    """One incident by hand; None where there is no share to know."""
    if view.negative is None or view.negative_before is None:
        return None
    end = view.ended_at or view.updated_at
    words = words_a_message(store, view.event_id, view.started_at - _DAY, end)
    to_read = sample_size(view.negative, view.negative.n) + sample_size(view.negative_before, view.negative_before.n)
    each_s = 60 * words / assumed.words_per_minute + assumed.seconds_to_decide
    noticed = steps.get("noticed")
    took = {name: (at - noticed).total_seconds() for name, at in steps.items() if noticed and at > noticed}
    return Compared(
        event_id=view.event_id,
        number=view.number,
        headline=view.headline,
        words_a_message=round(words, 1),
        to_read=to_read,
        by_hand_s=round(to_read * each_s),
        noticed_after_s=(view.opened_at - view.started_at).total_seconds(),
        steps_s=took,
    )


def compare_all(store: Store, event_id: str, assumed: Assumed) -> dict[str, Any]:
    """All negative incidents of an event, and the median of each time."""
    steps = store.incidents.steps(event_id)
    views = Incidents(store, lambda: datetime.now(UTC)).find(event_id=event_id, limit=500).items
    found = [
        made
        for view in views
        if _NEGATIVE & set(view.kinds)
        and (made := compare(store, view, dict(steps.get((event_id, view.number), {})), assumed))
    ]
    recorded = {
        name: [each.steps_s[name] for each in found if name in each.steps_s] for name in ("evidence", "verdict")
    }
    return {
        "event": event_id,
        "assumed": asdict(assumed),
        "incidents": [asdict(each) for each in found],
        "median": {
            "by_hand_s": statistics.median([each.by_hand_s for each in found]) if found else None,
            "noticed_after_s": statistics.median([each.noticed_after_s for each in found]) if found else None,
            **{f"{name}_s": statistics.median(times) for name, times in recorded.items() if times},
        },
        "insight": asdict(Insight(store).report(event_id)),
    }


class _Local:
    """The release model in this process, as the follower calls it."""

    def __init__(self, model: Path) -> None:
        self._model = OnnxClassifier(model, threads=2)
        self.languages = self._model.languages

    async def classify(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[Prediction]:
        return await asyncio.to_thread(self._model.classify, list(texts))


def follow(store: Store, recording: Path, model: Path) -> str:
    """Follow a recording as fast as it goes, testing after each page; gives the id of its event."""
    event = Event("recording", recording.stem, "*")
    store.put_event(event)
    classifier, detector = _Local(model), Detector(store)
    source = Replay(recording, event.id, now=lambda: datetime.now(UTC), playback=Playback(speed=0, page_size=64))
    state = EventState(event, store, classifier.languages)
    follower = Follower(state, source, store, classifier, stored=lambda: _test(detector, event.id))
    asyncio.run(follower.run())
    return event.id


def _test(detector: Detector, event_id: str) -> None:
    detector.test(event_id)


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.insight", description=__doc__)
    parser.add_argument("--event", help="id of an event in the store of the settings")
    parser.add_argument("--recording", type=Path, help="a recording to follow instead")
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="model that labels the recording")
    parser.add_argument("--words-per-minute", type=float, default=238.0)
    parser.add_argument("--seconds-to-decide", type=float, default=2.0, help="to choose a label and note it down")
    options = parser.parse_args(arguments)
    if (options.event is None) is (options.recording is None):
        parser.error("give either --event or --recording")
    assumed = Assumed(options.words_per_minute, options.seconds_to_decide)
    if options.event:
        with Store(Settings().database) as store:
            result = compare_all(store, options.event, assumed)
    else:
        with tempfile.TemporaryDirectory() as folder, Store(f"sqlite:///{folder}/store.db") as store:
            store.migrate()
            event_id = follow(store, options.recording, options.model)
            result = compare_all(store, event_id, assumed)
            result["insight"]["stretches"] = []  # nobody looked, and the clock of a fast replay says nothing
            for incident in result["incidents"]:
                incident["steps_s"] = {}
    print(json.dumps(result, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
