"""Do the pages of the dashboard get slower with the number of messages?

    python -m benchmarks.pages [--database postgresql://user@host/name] [--only event,map]

Fills two stores with 10,000 and 1,000,000 messages in the same 24 hours, as `benchmarks.rollups` does, with incidents,
verdicts, annotations and dead letters, then asks both in turn for the answers behind each page: those of its feed, made
anew each time, nothing of it from a cache of answers. Prints one JSON object; exits with 1 when an answer of the large
store takes more than 1.5 times as long as that of the small one (the median of the pairs). On SQLite, which works in
this process on files that the system has in memory, the time is that of the CPU, so that other work on the machine
counts less; on PostgreSQL it is that of the clock. Three to eight minutes, 1 GB of disk. Why a window differs is not
asked here: that card has `benchmarks.evidence`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from app.adapters.artifact import read_manifest
from app.adapters.incident_records import Findings
from app.adapters.records import MessageFilter, Progress
from app.adapters.store import Store
from app.core.alerts import Channel, ChannelKind
from app.core.detection import Memory
from app.core.dial import Dial
from app.core.feedback import MessageVerdict
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from app.core.types import DeadLetter, Prediction, SourceState
from app.core.watch import Rule, Watch
from app.dashboard.compare_feed import CompareFeed
from app.dashboard.compare_view import Side
from app.dashboard.event_feed import EventFeed
from app.dashboard.feedback_actions import functions
from app.dashboard.feedback_feed import FeedbackFeed
from app.dashboard.incidents_feed import IncidentsFeed
from app.dashboard.live import Feed, Query
from app.dashboard.map_feed import MapFeed
from app.dashboard.overview_feed import OverviewFeed
from app.dashboard.scope import Scopes
from app.dashboard.sources_feed import SourcesFeed
from app.dashboard.view import written
from app.dashboard.why import Desk
from app.service import Service
from app.services.annotations import AnnotationDraft
from app.services.feedback import VerdictDraft
from app.settings import Settings
from benchmarks.ratios import paired_ratio
from benchmarks.rollups import EVENT, MOST_RATIO, START, WINDOW, databases, fill, say

END: Final = START + WINDOW
CLOSED_INCIDENTS: Final = 12
VERDICTS: Final = 200
DEAD_LETTERS: Final = 100
"""One in so many messages."""


class Clock:
    """A clock that goes on by a minute when it is told, so that no page is answered from what it has made before."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def __call__(self) -> datetime:
        """What time it is."""
        return self._at

    def tick(self) -> None:
        """A minute later."""
        self._at += timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a page: `ask` makes the answer."""

    name: str
    ask: Callable[[], object]


async def no_model(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    """The pages classify nothing."""
    raise SystemExit("a page asked for the model")


def furnish(store: Store, service: Service, messages: int) -> None:
    """What an event has besides messages: the same in both stores, but for dead letters, which grow with messages."""
    letters = [DeadLetter("clean", "there is no text", "{}", "x", EVENT.id) for _ in range(messages // DEAD_LETTERS)]
    store.put_page(EVENT.id, "x_stream", [], Progress(live_to=END, reads=messages, dead_letters=tuple(letters)))
    store.set_status(EVENT.id, "newsapi", SourceState.NOT_CONNECTED, "EVENTPULSE_NEWSAPI_KEY is not set")
    now = END - timedelta(hours=1)
    store.alerts.put_channel(
        Channel("c", "Press office", ChannelKind.SLACK, "https://x.test/", None, None, Severity.WATCH, 0, True, now)
    )
    for number in range(1, CLOSED_INCIDENTS + 2):
        is_open = number > CLOSED_INCIDENTS
        _put_incident(store, number, END - timedelta(hours=0.5) if is_open else START + number * WINDOW / 14, is_open)
    for hours, kind, words in ((6, "statement", "Our statement"), (12, "expected", "Half-time"), (18, "note", "Final")):
        draft = {"at": START + timedelta(hours=hours), "kind": kind, "text": words}
        service.annotations.add(EVENT.id, AnnotationDraft.model_validate(draft))
    rng = random.Random(5)
    for item in service.feedback.queue(EVENT.id, "ann", limit=VERDICTS // 2).items * 2:
        verdict = rng.choice((MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL, MessageVerdict.POSITIVE))
        given = {"message_id": item.message.message.id, "verdict": verdict, "stratum": item.stratum}
        service.feedback.judge(EVENT.id, VerdictDraft.model_validate(given | {"who": rng.choice(("ann", "bob"))}))


def _put_incident(store: Store, number: int, since: datetime, is_open: bool) -> None:
    signal = Signal(Kind.NEGATIVE_SHARE, "x", since, 0.5, 0.2, 60.0, 7.5, 4.0)
    seen = since + timedelta(minutes=10)
    ended = None if is_open else since + timedelta(minutes=30)
    incident = Incident(number, (signal.kind,), Severity.HIGH, since, seen, seen, ended, 1, 60.0, 0, (signal,))
    stands = store.incidents.detector(EVENT.id)
    found = Findings((Update(Change.OPENED, seen, incident),))
    memory = Memory(Watch(Rule()).state(), {}, END, Dial(), "").as_json()
    if not store.incidents.advance(EVENT.id, stands.revision if stands else 0, memory, END, found):
        raise SystemExit("another process writes to the benchmark's own store")


def questions(service: Service, clock: Clock) -> list[Asked]:
    """What the pages ask, in the order of the navigation."""
    scopes, desk = Scopes(service, clock), Desk(service, clock)
    event = {"event": EVENT.id}
    stretch = {"start": written(START + timedelta(hours=10)), "end": written(START + timedelta(hours=12))}
    after = {"after": _second_page(service)}
    sides = {
        "sources": [Side(EVENT.id, source=source) for source in ("x", "newsapi")],
        "countries": [Side(EVENT.id, country=country) for country in ("DE", "US", "GB", "FR")],
    }
    asked: list[tuple[str, Feed, list[tuple[str, Query]]]] = [
        ("overview", OverviewFeed(service, clock), [("all events", {})]),
        (
            "event",
            EventFeed(service, desk, scopes, clock),
            [
                ("24 hours", event),
                ("1 hour", event | {"window": "1h"}),
                ("all time", event | {"window": "all"}),
                ("a source", event | {"source": "newsapi"}),
                ("a country", event | {"country": "DE"}),
                ("negative ones", event | {"label": "negative"}),
                ("distinct ones", event | {"distinct": "1"}),
                ("a word that many have", event | {"text": "goal"}),
                ("a stretch", event | stretch),
                ("an incident", event | {"incident": "3"}),
                ("older messages", event | after),
            ],
        ),
        ("map", MapFeed(service, scopes, clock), [("24 hours", event), ("a source and stretch", event | stretch)]),
        (
            "compare",
            CompareFeed(service, clock),
            [
                ("two days", event),
                *((words, event | _sides(parts)) for words, parts in sides.items()),
                ("before and after", event | {"at": written(START + timedelta(hours=12)), "hours": "6"}),
            ],
        ),
        (
            "incidents",
            IncidentsFeed(service, clock),
            [("all events", {}), ("one event", event), ("one incident", event | {"incident": "3"})],
        ),
        ("feedback", FeedbackFeed(service), [("labels", event)]),
        ("sources", SourcesFeed(service, clock), [("all events", {}), ("one event", event)]),
    ]
    queue = functions(service)[0]
    found = [
        Asked(f"{page}: {words}", partial(feed.panels, query)) for page, feed, all_ in asked for words, query in all_
    ]
    return [*found, Asked("feedback: next messages", partial(queue, {"event": EVENT.id, "who": "eve"}))]


def _sides(sides: Sequence[Side]) -> dict[str, str]:
    return {f"s{number}": side.write() for number, side in enumerate(sides, start=1)}


def _second_page(service: Service) -> str:
    half = MessageFilter(end=START + WINDOW / 2)
    return service.messages(EVENT.id, half, limit=50).next or ""


def timed(asked: Asked, timer: Callable[[], float]) -> float:
    """Milliseconds for an answer."""
    begin = timer()
    asked.ask()
    return (timer() - begin) * 1_000


def measure(
    sides: Mapping[str, tuple[Clock, Sequence[Asked]]], rounds: int, timer: Callable[[], float]
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by question and side, both sides in turn and each as often the first."""
    times: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds + 1):
        for clock, _ in sides.values():
            clock.tick()
        order = sorted(sides, reverse=number % 2 == 0)
        for place in range(len(sides["small"][1])):
            for side in order:
                asked = sides[side][1][place]
                spent = timed(asked, timer)
                if number:  # the first round is for connections and caches, as in a dashboard that is open
                    times.setdefault(asked.name, {}).setdefault(side, []).append(spent)
    return times


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a PostgreSQL URL; default: two SQLite files in a temporary folder")
    parser.add_argument("--small", type=int, default=10_000, help="messages in the small store")
    parser.add_argument("--large", type=int, default=1_000_000, help="messages in the large store")
    parser.add_argument("--rounds", type=int, default=30, help="answers to each question timed on each store")
    parser.add_argument("--only", help="pages, separated by commas; default: all")
    options = parser.parse_args(arguments)
    settings = Settings(_env_file=None, state_dir=Path("no-shadow-log-here"))
    model = read_manifest(settings.model_dir).model  # its errors are known: the shares are corrected
    with databases(options.database) as (small_url, large_url), Store(small_url) as small, Store(large_url) as large:
        sides: dict[str, tuple[Clock, list[Asked]]] = {}
        for seed, (name, store) in enumerate({"small": small, "large": large}.items(), start=1):
            fill(store, getattr(options, name), seed, model)
            clock = Clock(END)
            service = Service(store, no_model, settings, clock)
            furnish(store, service, getattr(options, name))
            asked = questions(service, clock)
            wanted = options.only.split(",") if options.only else [each.name.partition(":")[0] for each in asked]
            sides[name] = clock, [each for each in asked if each.name.partition(":")[0] in wanted]
        load = os.getloadavg()[0]
        say("asking both stores in turn")
        dialect = small.engine.dialect.name
        times = measure(sides, options.rounds, time.process_time if dialect == "sqlite" else time.perf_counter)
    pages = {
        name: {
            **paired_ratio(spent["large"], spent["small"]).rounded(2),
            "ms_small": round(statistics.median(spent["small"]), 1),
            "ms_large": round(statistics.median(spent["large"]), 1),
        }
        for name, spent in times.items()
    }
    slow = [name for name, spent in times.items() if paired_ratio(spent["large"], spent["small"]).value > MOST_RATIO]
    result = {
        "most": max(float(str(each["ratio"])) for each in pages.values()),
        "slow": slow,
        "pages": pages,
        "small": options.small,
        "large": options.large,
        "rounds": options.rounds,
        "time": "CPU" if dialect == "sqlite" else "clock",
        "database": dialect,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
        "most_ratio": MOST_RATIO,
    }
    print(json.dumps(result))
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
