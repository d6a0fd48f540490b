"""Everything, once, for real: `make smoke`.

Brings EventPulse up on free ports with a state folder of its own, replays the sample as fast as possible, kills the
live pipeline's replica in the middle, and compares what the API says with a recount of the file. Then plays six
hundred of its messages at 30 a second and measures how long each takes to be visible. Prints one JSON line; the exit
status is 1 when a message was lost or counted twice, or when a process was left behind.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from app.adapters.ports import free_port
from app.core.errors import AppError
from app.core.ids import slug
from cluster.local import SAMPLE, LocalCluster, Ports, say
from samples.build import EVENT_NAME, EVENT_QUERY

PACED_EVENT = "Paced sample"
PACED_MESSAGES = 600
PACED_PER_S = 30


def progress(text: str) -> None:
    """A line for the person who waits; standard output is for the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def messages(cluster: LocalCluster, event_id: str) -> Iterator[dict[str, Any]]:
    """All messages of an event, page by page."""
    after = ""
    while True:
        page = cluster.get(f"/events/{event_id}/messages?limit=500{after}")
        yield from page["items"]
        if page["next"] is None:
            return
        after = f"&after={quote(page['next'])}"


def finished(cluster: LocalCluster, event_id: str) -> bool:
    """Whether the replay of the event has come to its end."""
    sources = cluster.get(f"/events/{event_id}/sources")["sources"]
    return bool(sources) and all(source["state"] == "finished" for source in sources)


def stored(cluster: LocalCluster, event_id: str) -> int:
    """How many messages the API counts for the event, from its roll-ups."""
    summaries = cluster.get("/events")["items"]
    return next((int(each["raw"]) for each in summaries if each["event"]["id"] == event_id), 0)


def kill_live(cluster: LocalCluster) -> int:
    """SIGKILL the replica of the live pipeline; gives its pid. Raises AppError when there is none."""
    for process in cluster.processes():
        try:
            if "ServeReplica:live" in " ".join(process.cmdline()):
                process.kill()
                return int(process.pid)
        except psutil.NoSuchProcess:
            continue
    raise AppError("the live pipeline's replica was not found")


def recount(cluster: LocalCluster, event_id: str) -> tuple[int, int, int]:
    """(expected, lost, counted twice): the file against the API's messages and its timeline."""
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    expected = {row["id"] for row in rows if not row["off_topic"]}
    shown = [item["id"] for item in messages(cluster, event_id)]
    counted = stored(cluster, event_id)
    lost = len(expected - set(shown)) + max(0, len(expected) - counted)
    return len(expected), lost, (len(shown) - len(set(shown))) + max(0, counted - len(expected))


def paced_recording(folder: Path) -> Path:
    """A recording of sample texts, one every thirtieth of a second."""
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()][:PACED_MESSAGES]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    path = folder / "paced.jsonl"
    with path.open("w") as file:
        for index, row in enumerate(rows):
            moment = start + timedelta(seconds=index / PACED_PER_S)
            paced = {"id": f"paced-{index}", "text": row["text"], "created_at": moment.isoformat(), "source": "x"}
            file.write(json.dumps(paced) + "\n")
    return path


def visible_delays(cluster: LocalCluster, event_id: str) -> list[float]:
    """Seconds from the moment each message was due to the moment the API showed it, asking ten times a second."""
    delays: dict[str, float] = {}
    deadline = time.monotonic() + 60 + PACED_MESSAGES / PACED_PER_S
    while len(delays) < PACED_MESSAGES and time.monotonic() < deadline:
        try:
            items = cluster.get(f"/events/{event_id}/messages?limit=100")["items"]
        except OSError:  # the event is not there before the pipeline has created it
            items = []
        seen_at = datetime.now(UTC)
        for item in items:
            due = datetime.fromisoformat(item["created_at"])
            delays.setdefault(item["id"], (seen_at - due).total_seconds())
        time.sleep(0.1)
    return sorted(delays.values())


def smoke(cluster: LocalCluster) -> dict[str, Any]:
    """Run both parts; gives what is printed."""
    started = time.monotonic()
    cluster.start()
    cluster.deploy()
    cluster.wait_ready()
    report: dict[str, Any] = {"ready_s": round(time.monotonic() - started, 1)}
    event_id = slug(EVENT_NAME)
    progress("up; waiting for the replay to be half way ...")
    cluster.wait("the replay", lambda: stored(cluster, event_id) >= 800, 120)
    report["killed_pid"] = kill_live(cluster)
    report["stored_at_kill"] = stored(cluster, event_id)
    progress("live pipeline killed; waiting for the end of the replay ...")
    cluster.wait("the end of the replay", lambda: finished(cluster, event_id), 180)
    expected, lost, double = recount(cluster, event_id)
    report |= {"messages": expected, "lost": lost, "double_counted": double, "pss_mb": round(cluster.pss_mb())}
    progress("measuring how long a message takes to be visible ...")
    with tempfile.TemporaryDirectory() as folder:
        paced = {"replay_path": str(paced_recording(Path(folder))), "replay_event": PACED_EVENT, "replay_query": "*"}
        cluster.deploy({**paced, "replay_speed": 1.0, "replay_times": "shifted"})
        delays = visible_delays(cluster, slug(PACED_EVENT))
    if len(delays) < PACED_MESSAGES:
        raise AppError(f"only {len(delays)} of {PACED_MESSAGES} paced messages became visible")
    report |= {"p50_event_to_visible_s": round(delays[len(delays) // 2], 3)}
    report |= {"p95_event_to_visible_s": round(delays[int(len(delays) * 0.95)], 3), "per_s": PACED_PER_S}
    return report


def main() -> int:
    """Gives the exit status."""
    replay = {"PATH": str(SAMPLE), "EVENT": EVENT_NAME, "QUERY": EVENT_QUERY, "SPEED": "0", "TIMES": "shifted"}
    environment = {f"EVENTPULSE_REPLAY_{name}": value for name, value in replay.items()}
    with tempfile.TemporaryDirectory(prefix="eventpulse-smoke-") as state:
        cluster = LocalCluster(Ports(free_port(), free_port()), Path(state), environment)
        report: dict[str, Any] = {}
        try:
            report = smoke(cluster)
        except AppError as error:
            report["error"] = str(error)
        finally:
            report["left_behind"] = len(cluster.stop())
    say(json.dumps(report))
    failed = "error" in report or report["lost"] or report["double_counted"] or report["left_behind"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
