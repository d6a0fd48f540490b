"""What the live pipeline costs on top of the classifier: messages a second from source to stored, over the classifier
adapter called alone on the same texts, in one run.

    python -m benchmarks.live [--recording FILE]      # prints one JSON line; progress on stderr

Sides alternate: the adapter in this process with the threads and the batch size of the pipeline's replica, then the
whole of it (replay as fast as possible -> clean, match, de-duplicate -> Serve handle -> classifier replica -> store)
on a Ray head of its own, timed from the first fetch to the last commit by the times in the store. Texts are distinct.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

from app.adapters.onnx import OnnxClassifier
from app.adapters.ports import free_port
from app.adapters.records import MessageFilter
from app.adapters.store import Store
from app.core.errors import NotFound
from app.core.ids import slug
from app.core.text import content_hash
from app.core.types import SourceState
from app.settings import Settings
from benchmarks.ratios import paired_ratio
from cluster.local import SAMPLE, LocalCluster, Ports
from pipelines.follow import BATCH
from pipelines.sources.recordings import open_recording

PAIRS = 7
TEXTS = 2048
LONGEST_S = 400
NO_CACHE = {"EVENTPULSE_CACHED_TEXTS": "1"}
"""The router remembers texts: the same recording, played again, would be classified from memory."""


def distinct_rows(recording: Path, most: int = TEXTS) -> list[dict[str, str]]:
    """Rows with different texts, up to so many of them."""
    rows = (row for row in open_recording(recording).rows(0) if row.message is not None)
    kept = {content_hash(row.message.text): row.message for row in rows if row.message}
    return [
        {"id": m.id, "text": m.text, "created_at": m.created_at.isoformat(), "source": m.source, "lang": "en"}
        for m in islice(kept.values(), most)
    ]


def adapter_rate(classifier: OnnxClassifier, texts: Sequence[str]) -> float:
    """Texts a second, in batches as the pipeline sends them."""
    started = time.perf_counter()
    for start in range(0, len(texts), BATCH):
        classifier.classify(texts[start : start + BATCH])
    return len(texts) / (time.perf_counter() - started)


def pipeline_rate(cluster: LocalCluster, store: Store, recording: Path, event: str, count: int) -> float:
    """Messages a second of one replay, by the times in the store."""
    arguments = {"replay_path": str(recording), "replay_event": event, "replay_query": "*", "replay_speed": 0}
    cluster.deploy(arguments)

    def done() -> bool:
        return any(status.state is SourceState.FINISHED for status in store.statuses(slug(event)))

    cluster.wait(f"the replay of {event}", done, LONGEST_S)
    first = last = None
    after: str | None = None
    seen = 0
    while True:
        page = store.messages(slug(event), MessageFilter(), limit=500, after=after)
        for item in page.items:
            first = min(first or item.fetched_at, item.fetched_at)
            last = max(last or item.stored_at, item.stored_at)
        seen += len(page.items)
        after = page.next
        if after is None:
            break
    if first is None or last is None or seen != count:
        raise NotFound(f"{seen} of {count} messages are in the store")
    return count / ((last - first) / timedelta(seconds=1))


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 1 when the median ratio is below 0.8."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description="The cost of the live pipeline.")
    parser.add_argument("--recording", type=Path, default=SAMPLE, help="recording to take the texts from")
    rows = distinct_rows(parser.parse_args(arguments).recording)
    texts = [row["text"] for row in rows]
    settings = Settings()
    classifier = OnnxClassifier(settings.model_dir, threads=settings.model_threads)
    adapter, pipeline = [], []
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "texts.jsonl"
        recording.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with LocalCluster(Ports(free_port(), free_port()), Path(folder), NO_CACHE) as cluster:
            cluster.start()
            cluster.deploy()
            cluster.wait_ready()
            store = Store(f"sqlite:///{folder}/eventpulse.db")
            pipeline_rate(cluster, store, recording, "warm up", len(rows))
            for pair in range(PAIRS):
                adapter.append(adapter_rate(classifier, texts))
                pipeline.append(pipeline_rate(cluster, store, recording, f"pair {pair}", len(rows)))
                sys.stderr.write(f"pair {pair + 1}: adapter {adapter[-1]:.0f}/s, pipeline {pipeline[-1]:.0f}/s\n")
            store.close()
    ratio = paired_ratio(pipeline, adapter)
    report = {
        **ratio.rounded(),
        "adapter_per_s": round(statistics.median(adapter)),
        "pipeline_per_s": round(statistics.median(pipeline)),
        "texts": len(rows),
        "pairs": PAIRS,
        "load_average": round(os.getloadavg()[0], 2),
        "cpus": os.cpu_count(),
    }
    print(json.dumps(report))
    return 0 if ratio.value >= 0.8 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
