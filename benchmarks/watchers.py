"""What open dashboards cost the live pipeline: its messages a second with 20 of them over those with none, in one run.

    python -m benchmarks.watchers [--recording FILE] [--pairs 6] [--texts 6000]     # prints one JSON line

Both sides alternate on one Ray head of its own: a recording of distinct texts is replayed as fast as possible (clean,
match, de-duplicate, classify, store) and timed from the first fetch to the last commit by the times in the store, as in
`benchmarks.live`; with or without 20 readers of that very event. A reader is what a browser holds open
(`benchmarks.viewer`); all of them together are one process on the same cores, so its CPU seconds, which the product
does not spend, are measured and printed. Six to ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from app.adapters.ports import free_port
from app.adapters.store import Store
from app.core.ids import slug
from app.core.types import Event
from benchmarks.live import LONGEST_S, NO_CACHE, distinct_rows, pipeline_rate
from benchmarks.ratios import paired_ratio
from benchmarks.viewer import Viewer
from cluster.local import SAMPLE, LocalCluster, Ports

LEAST_RATIO: Final = 0.9
READERS: Final[Sequence[tuple[str, Mapping[str, str], int]]] = (
    ("", {}, 6),
    ("event", {}, 7),
    ("event", {"window": "1h"}, 1),
    ("event", {"label": "negative"}, 1),
    ("event", {"source": "x"}, 1),
    ("map", {}, 1),
    ("compare", {}, 1),
    ("incidents", {}, 1),
    ("sources", {}, 1),
)
"""Page, what its URL says besides the event, and how many look at that."""


def say(words: str) -> None:
    """Progress, for people."""
    print(words, file=sys.stderr, flush=True)


def read_along(url: str, event: str) -> dict[str, Any]:
    """All readers in this process, until its standard input ends; says "open" once every page is there."""
    viewers = [
        Viewer(url, page, ({"event": event} if page else {}) | dict(query))
        for page, query, number in READERS
        for _ in range(number)
    ]
    stop, opened = threading.Event(), threading.Semaphore(0)
    threads = [threading.Thread(target=viewer.look, args=(stop, opened.release)) for viewer in viewers]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # nobody opens 20 pages in the same moment
    for _ in viewers:
        opened.acquire()
    begin, spent = time.monotonic(), _cpu_s()
    for viewer in viewers:
        viewer.took.clear()
    print("open", flush=True)
    sys.stdin.read()
    seconds, spent = time.monotonic() - begin, _cpu_s() - spent
    took = sorted(each for viewer in viewers for each in viewer.took)
    stop.set()
    for thread in threads:
        thread.join()
    return {
        "answers_per_s": len(took) / seconds,
        "answer_p50_s": statistics.median(took),
        "answer_p95_s": took[int(0.95 * len(took))],
        "failed": sum(viewer.failed for viewer in viewers),
        "cores": spent / seconds,
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def readers(url: str, event: str, found: list[dict[str, Any]]) -> Iterator[None]:
    """For so long 20 pages are open; what they met is added to `found`."""
    command = [sys.executable, "-m", "benchmarks.watchers", "--look", url, "--event", event]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        if process.stdout.readline().strip() != "open":
            raise SystemExit("the readers did not get their pages")
        yield
        process.stdin.close()
        found.append(json.loads(process.stdout.read()))
    finally:
        process.kill()
        process.wait()


def cpu_by_part(cluster: LocalCluster) -> dict[str, float]:
    """CPU seconds so far of the parts of the product that run."""
    spent: dict[str, float] = {}
    for process in cluster.processes():
        try:
            words = " ".join(process.cmdline())
            times = process.cpu_times()
        except psutil.Error:
            continue
        part = words.split(":")[3] if "ServeReplica:" in words else "haproxy" if "haproxy" in words else "rest"
        spent[part] = spent.get(part, 0.0) + times.user + times.system
    return spent


def measure(cluster: LocalCluster, store: Store, rows: Sequence[Mapping[str, str]], pairs: int) -> dict[str, Any]:
    """The rates of both sides, and what the readers met and cost."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "texts.jsonl"
        recording.write_text("".join(json.dumps(row) + "\n" for row in rows))
        pipeline_rate(cluster, store, recording, "warm up", len(rows))
        rates: dict[str, list[float]] = {"alone": [], "watched": []}
        parts: dict[str, list[dict[str, float]]] = {"alone": [], "watched": []}
        met: list[dict[str, Any]] = []
        for pair in range(pairs):
            for side in ("alone", "watched") if pair % 2 else ("watched", "alone"):
                event = f"{side} {pair}"
                store.put_event(Event(slug(event), event, "*"))
                before = cpu_by_part(cluster)
                if side == "watched":
                    with readers(cluster.url, slug(event), met):
                        rates[side].append(pipeline_rate(cluster, store, recording, event, len(rows)))
                else:
                    rates[side].append(pipeline_rate(cluster, store, recording, event, len(rows)))
                parts[side].append({part: s - before.get(part, 0.0) for part, s in cpu_by_part(cluster).items()})
            say(f"pair {pair + 1}: {rates['alone'][-1]:.0f}/s alone, {rates['watched'][-1]:.0f}/s watched")
    named = sorted({part for spent in parts["watched"] for part in spent})
    return {
        **paired_ratio(rates["watched"], rates["alone"]).rounded(),
        "alone_per_s": round(statistics.median(rates["alone"])),
        "watched_per_s": round(statistics.median(rates["watched"])),
        "readers_met": {key: round(statistics.median(each[key] for each in met), 3) for key in met[0]},
        "cpu_s_per_part": {
            part: {side: round(statistics.median(spent.get(part, 0.0) for spent in parts[side]), 1) for side in parts}
            for part in named
        },
    }


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 1 when the median ratio is below 0.9."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=SAMPLE, help="recording to take the texts from")
    parser.add_argument("--texts", type=int, default=6_000, help="the most texts of a replay")
    parser.add_argument("--pairs", type=int, default=6, help="replays of each side")
    parser.add_argument("--look", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--event", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.look:
        print(json.dumps(read_along(options.look, options.event)))
        return 0
    rows = distinct_rows(options.recording, options.texts)
    with tempfile.TemporaryDirectory() as folder:
        with LocalCluster(Ports(free_port(), free_port()), Path(folder), NO_CACHE) as cluster:
            cluster.start()
            cluster.deploy()
            cluster.wait_ready(LONGEST_S)
            with Store(f"sqlite:///{folder}/eventpulse.db") as store:
                found = measure(cluster, store, rows, options.pairs)
    report = found | {
        "readers": sum(number for _, _, number in READERS),
        "texts": len(rows),
        "pairs": options.pairs,
        "load_average": round(os.getloadavg()[0], 2),
        "cpus": os.cpu_count(),
        "least_ratio": LEAST_RATIO,
    }
    print(json.dumps(report))
    return int(found["ratio"] < LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
