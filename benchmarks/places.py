"""How well profile locations are resolved to countries, how fast, and in how much memory.

    python -m benchmarks.places --half held_out
    python -m benchmarks.places --data ../shared/data/events/us-airlines-2015.parquet --sample 100

Without `--data`: the hand-written strings of tests/core/locations.jsonl, of which a hash puts every other one into the
tuning half, the rest into the held-out half. With `--data` (Parquet with a column `location`): how much is resolved,
the speed on the strings as they come and on distinct ones, and with `--sample` strings to judge by hand. Prints JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from app.adapters.gazetteer import ShippedGazetteer
from app.core.places import Resolver

STRINGS = Path(__file__).parents[1] / "tests/core/locations.jsonl"
_UNRESOLVED = "??"


def is_held_out(text: str) -> bool:
    """Which half a string is in: it was decided before there was a resolver."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1


def outcome(wanted: str, country: str | None) -> str:
    """How a country compares with the wanted one, which is `??` for a string that no reader could place."""
    if country is None:
        return "rightly_unresolved" if wanted == _UNRESOLVED else "unresolved_though_resolvable"
    return "resolved_right" if country == wanted else "resolved_wrong"


def score(half: str) -> dict[str, object]:
    """The outcomes on a half of the hand-written strings, and what went wrong."""
    rows = [json.loads(line) for line in STRINGS.read_text("utf-8").splitlines()]
    chosen = [row for row in rows if half == "all" or is_held_out(row["text"]) is (half == "held_out")]
    resolver = Resolver(ShippedGazetteer())
    counts: Counter[str] = Counter()
    failures: list[dict[str, object]] = []
    for row in chosen:
        said = resolver.resolve(row["text"])
        found = outcome(row["country"], said.country)
        counts[found] += 1
        if found in {"resolved_wrong", "unresolved_though_resolvable"}:
            failures.append({"text": row["text"][:60], "wanted": row["country"], "said": said.country, "how": said.how})
    resolved = counts["resolved_right"] + counts["resolved_wrong"]
    resolvable = sum(row["country"] != _UNRESOLVED for row in chosen)
    return {
        "half": half,
        "strings": len(chosen),
        **counts,
        "accuracy": (counts["resolved_right"] + counts["rightly_unresolved"]) / len(chosen),
        "precision": counts["resolved_right"] / resolved,
        "recall": counts["resolved_right"] / resolvable,
        "failures": failures,
    }


def measure(path: Path, sample: int) -> dict[str, object]:
    """Speed, memory, share resolved, and strings to judge by hand."""
    texts = [text for text in pq.read_table(path, columns=["location"]).column(0).to_pylist() if text]
    distinct = list(dict.fromkeys(texts))
    process = psutil.Process()
    before = process.memory_full_info().uss
    started = time.perf_counter()
    resolver = Resolver(ShippedGazetteer())
    resolver.resolve("Paris")
    ready_s = time.perf_counter() - started
    empty = process.memory_full_info().uss - before
    as_they_come = _speed(resolver, texts)
    kept = process.memory_full_info().uss - before
    answers = {text: resolver.resolve(text) for text in distinct}
    return {
        "strings": len(texts),
        "distinct": len(distinct),
        "share_resolved": sum(answers[text].country is not None for text in texts) / len(texts),
        "how": Counter(answers[text].how for text in texts),
        "strings_per_cpu_second_as_they_come": round(as_they_come),
        "strings_per_cpu_second_distinct": round(_speed(Resolver(ShippedGazetteer()), distinct)),
        "ready_ms": round(1000 * ready_s, 1),
        "memory_mb_ready": round(empty / 1e6, 1),
        "memory_mb_with_full_caches": round(kept / 1e6, 1),
        "sample": [
            {"text": text, "country": answers[text].country, "how": answers[text].how}
            for text in sorted(filter(_is_judged, distinct), key=_mixed)[:sample]
        ],
    }


def _is_judged(text: str) -> bool:
    # A fifth of the strings was never looked at while the resolver was made.
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 5 == 0


def _mixed(text: str) -> str:
    return hashlib.sha256(b"order" + text.encode()).hexdigest()


def _speed(resolver: Resolver, texts: Sequence[str]) -> float:
    started = time.thread_time()
    for text in texts:
        resolver.resolve(text)
    return len(texts) / (time.thread_time() - started)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("tuning", "held_out", "all"), default="held_out")
    parser.add_argument("--data", type=Path, help="a Parquet file with a column `location`")
    parser.add_argument("--sample", type=int, default=0, help="strings of it to judge by hand")
    asked = parser.parse_args()
    found = measure(asked.data, asked.sample) if asked.data else score(asked.half)
    print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
