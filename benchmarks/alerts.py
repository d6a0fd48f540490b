"""How long from an incident change in the store to the webhook at its receiver, and is each change told once?

    python -m benchmarks.alerts [--rounds 100] [--messages 20000] [--kills 8]      # prints one JSON line

Two parts, both with the alerter as a process of its own (`python -m pipelines.alert`), an SQLite store in a temporary
folder and a receiver in this process. First, changes are committed one by one, each with evidence that has to be made
anew from a window of the given number of messages; the time runs from the commit to the request at the receiver. Then
changes go to several channels while the alerter is killed (SIGKILL) and started again at random moments; afterwards
each change must have arrived at each channel under one id, and under no second one. Exits with 1 when the 95th
percentile is above 5 s, when anything is missing, or told twice. Takes three to five minutes, most of them waiting for
the leases of the killed ones to end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from app.adapters.alert_records import DeliveryFilter
from app.adapters.artifact import read_manifest
from app.adapters.incident_records import Findings
from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.alerts import Channel, ChannelKind, DeliveryState
from app.core.incidents import Change, Incident, Kind, Severity, Signal, Update
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Message, Prediction
from app.settings import Settings

MOST_P95_S: Final = 5.0
EVENT: Final = Event("cup", "World Cup", "#worldcup")
WORDS: Final = "what a goal by the team tonight in the stadium nobody can believe this referee again and again".split()
CHANNELS: Final = 6
KILLED_CHANGES: Final = 40
PAGE: Final = 2_000


@dataclass
class Receiver:
    """What came, and when: (time, webhook-id, path, body)."""

    port: int = 0
    taken: list[tuple[float, str, str, Any]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def count(self) -> int:
        """How many came so far."""
        with self.came:
            return len(self.taken)

    def wait_beyond(self, count: int, seconds: float) -> bool:
        """Wait until more have come."""
        with self.came:
            return self.came.wait_for(lambda: len(self.taken) > count, seconds)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver of webhooks on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            with receiver.came:
                receiver.taken.append((at, self.headers["webhook-id"], self.path, body))
                receiver.came.notify_all()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fill(store: Store, messages: int, now: datetime) -> None:
    """Half of the messages in the half hour before now, by many authors, the other half in the six hours before it."""
    rng = random.Random(7)
    model = read_manifest(Settings().model_dir).model  # its errors are known: the shares are corrected
    store.migrate()
    store.put_event(EVENT)
    page: list[Record] = []
    for number in range(messages):
        late = number % 2 == 0
        at = now - timedelta(minutes=rng.uniform(0, 30) if late else rng.uniform(30, 390))
        text = " ".join(rng.choices(WORDS, k=15)) + (" penalty" if late and rng.random() < 0.4 else "") + f" {number}"
        label = rng.choices(CLASSES, (6, 3, 1) if late else (2, 5, 3))[0]
        message = Message(f"x:{number}", text, at, "x", author=f"author {rng.randrange(messages)}", lang="en")
        page.append(Record(message, Prediction(label, (0.2, 0.3, 0.5), model, "none"), content_hash(text), now))
        if len(page) == PAGE or number == messages - 1:
            store.put_page(EVENT.id, "x", page, Progress(live_to=now, reads=len(page)))
            page = []


def opened(number: int, now: datetime) -> Update:
    """An incident of its own window, so that no evidence is known yet."""
    since = now - timedelta(minutes=30) + timedelta(seconds=number)
    found = Signal(Kind.NEGATIVE_SHARE, "x", since, 0.6, 0.2, 400.0, 9.0, 4.0)
    incident = Incident(number, (found.kind,), Severity.HIGH, since, now, now, None, 1, found.size, 0, (found,))
    return Update(Change.OPENED, now, incident)


def tell(store: Store, update: Update) -> None:
    """Commit a change as the detector does."""
    stands = store.incidents.detector(EVENT.id)
    if not store.incidents.advance(EVENT.id, stands.revision if stands else 0, {}, update.at, Findings((update,))):
        raise SystemExit("another process writes to the benchmark's own store")


def channel(name: str, port: int, *, enabled: bool = True) -> Channel:
    """A webhook to the receiver; its name is the path."""
    target = f"http://127.0.0.1:{port}/{name}"
    kind, now = ChannelKind.WEBHOOK, datetime.now(UTC)
    return Channel(name, name, kind, target, "a secret of some length", None, Severity.WATCH, 0, enabled, now)


def alerter(url: str) -> subprocess.Popen[bytes]:
    """The alerter as a process."""
    allowed = {"EVENTPULSE_DATABASE_URL": url, "EVENTPULSE_ALERT_PRIVATE_NETWORKS": "true"}
    return subprocess.Popen([sys.executable, "-m", "pipelines.alert"], env=os.environ | allowed)


def latencies(store: Store, receiver: Receiver, numbers: Iterable[int], now: datetime) -> list[float]:
    """Seconds from the commit of each change to its arrival. Each has a channel of its own: no flood guard."""
    rng, took = random.Random(11), []
    for number in numbers:
        store.alerts.put_channel(channel(f"round-{number}", receiver.port))
        before = receiver.count()
        tell(store, opened(number, now))
        committed = time.time()
        if not receiver.wait_beyond(before, 60):
            raise SystemExit("no webhook within a minute")
        at, _, path, body = receiver.taken[-1]
        if path != f"/round-{number}" or body["incidents"][0]["number"] != number:
            raise SystemExit(f"round {number} got {path}")
        took.append(at - committed)
        store.alerts.put_channel(channel(f"round-{number}", receiver.port, enabled=False))
        time.sleep(rng.uniform(0, 0.5))  # at any phase of the alerter's polling
    return took


def under_fire(store: Store, url: str, receiver: Receiver, kills: int, first: int, now: datetime) -> dict[str, int]:
    """Commit changes to several channels while the alerter is killed again and again; what arrived in the end."""
    rng = random.Random(13)
    names = [f"fire-{number}" for number in range(CHANNELS)]
    for name in names:
        store.alerts.put_channel(channel(name, receiver.port))
    receiver.taken.clear()
    process, killed = alerter(url), 0
    numbers = list(range(first, first + KILLED_CHANGES))
    for place, number in enumerate(numbers):
        tell(store, opened(number, now))
        if killed < kills and place % max(1, len(numbers) // kills) == 0:
            receiver.wait_beyond(receiver.count(), 30)  # once it is at work: as a message arrives, or a moment later
            time.sleep(rng.choice((0.0, 0.0, rng.uniform(0, 0.3))))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process, killed = alerter(url), killed + 1
    open_states = (DeliveryState.WAITING, DeliveryState.SENDING)
    deadline = time.monotonic() + 400
    while any(store.alerts.deliveries(DeliveryFilter(state=state), limit=1).items for state in open_states):
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    process.terminate()
    process.wait()
    return tally(receiver, names, numbers) | {"kills": killed}


def tally(receiver: Receiver, names: Sequence[str], numbers: Sequence[int]) -> dict[str, int]:
    """What arrived, as a receiver sees it that looks at the ids."""
    ids: dict[tuple[str, int], set[str]] = {}
    for _, id_, path, body in receiver.taken:
        for incident in body["incidents"]:
            ids.setdefault((path.strip("/"), incident["number"]), set()).add(id_)
    wanted = {(name, number) for name in names for number in numbers}
    return {
        "changes_times_channels": len(wanted),
        "requests": len(receiver.taken),
        "messages": len({id_ for _, id_, _, _ in receiver.taken}),
        "repeated_under_the_same_id": len(receiver.taken) - len({id_ for _, id_, _, _ in receiver.taken}),
        "missing": len(wanted - ids.keys()),
        "told_twice": sum(len(found) > 1 for found in ids.values()),
    }


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="changes that are timed")
    parser.add_argument(
        "--messages", type=int, default=20_000, help="messages in the store, half of them in the window"
    )
    parser.add_argument("--kills", type=int, default=8, help="times that the alerter is killed")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="eventpulse-bench-") as folder, receiving() as receiver:
        url = f"sqlite:///{folder}/alerts.db"
        with Store(url) as store:
            fill(store, options.messages, now)
            process = alerter(url)
            try:
                latencies(store, receiver, range(1, 4), now)  # it has started
                took = latencies(store, receiver, range(4, 4 + options.rounds), now)
            finally:
                process.terminate()
                process.wait()
            fire = under_fire(store, url, receiver, options.kills, options.rounds + 10, now)
    p95 = statistics.quantiles(took, n=20, method="inclusive")[-1]
    report = {
        "p50_s": round(statistics.median(took), 3),
        "p95_s": round(p95, 3),
        "worst_s": round(max(took), 3),
        "rounds": options.rounds,
        "messages_in_window": options.messages // 2,
        "under_kill_9": fire,
        "load_average": round(os.getloadavg()[0], 2),
        "cpus": os.cpu_count(),
    }
    print(json.dumps(report))
    return int(p95 > MOST_P95_S or fire["missing"] > 0 or fire["told_twice"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
