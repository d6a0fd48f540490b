"""Write down what people said of messages, as a Parquet file to train on.

    python -m pipelines.feedback --out var/feedback.parquet --off-topic var/off-topic.parquet
    python -m pipelines.feedback --out var/feedback.parquet --event lumen-watch-launch
    python -m pipelines.train --data DIR --out runs/next --feedback var/feedback.parquet

One row a message, with its latest label: text, label, event, message_id, source, lang, at (when it was written),
labelled_at, stratum, people, disputed, and what the model had said (said, model). Nobody's name is in it. What is
off-topic goes into a file of its own, with the same columns.

Posts collected on X stay out without --allow-x, because the terms of X forbid training on what its API delivers; so do
messages that were deleted, and those in languages that the model is not for. The line that is printed counts them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from app.adapters.records import StoredMessage
from app.adapters.store import Store
from app.core.errors import AppError
from app.core.feedback import Case, HumanLabel, MessageVerdict, Stratum, cases
from app.core.types import Label
from app.settings import Settings
from pipelines.dataset import barred

COLUMNS: Final = pa.schema(
    [
        ("text", pa.string()),
        ("label", pa.string()),
        ("event", pa.string()),
        ("message_id", pa.string()),
        ("source", pa.string()),
        ("lang", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("labelled_at", pa.timestamp("us", tz="UTC")),
        ("stratum", pa.string()),
        ("people", pa.int64()),
        ("disputed", pa.bool_()),
        ("said", pa.string()),
        ("model", pa.string()),
    ]
)
_AT_ONCE: Final = 1_000


@dataclass(slots=True)
class Export:
    """Rows to train on, rows that are off-topic, and how many judged messages are in neither, by the reason."""

    labelled: list[dict[str, Any]] = field(default_factory=list)
    off_topic: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def collect(store: Store, events: Sequence[str], *, allow_x: bool = False) -> Export:
    """The feedback of events. Raises NotFound for an event that is not there."""
    made = Export()
    for event_id in events:
        store.event(event_id)
        for case, label, message in _judged(store, event_id):
            reason = _reason(message, allow_x)
            if message is None or reason is not None:
                made.left_out[reason or "deleted"] += 1
            elif label.verdict is MessageVerdict.OFF_TOPIC:
                made.off_topic.append(_row(case, label, message))
            else:
                made.labelled.append(_row(case, label, message))
    return made


def _judged(store: Store, event_id: str) -> Iterator[tuple[Case, HumanLabel, StoredMessage | None]]:
    found = [(case, case.label) for case in cases(store.feedback.log(event_id)).values()]
    judged = [(case, label) for case, label in found if label is not None]
    for start in range(0, len(judged), _AT_ONCE):
        some = judged[start : start + _AT_ONCE]
        messages = store.some(event_id, [case.key[1] for case, _ in some])
        yield from ((case, label, messages.get(case.key[1])) for case, label in some)


def _reason(stored: StoredMessage | None, allow_x: bool) -> str | None:
    if stored is None:
        return "deleted"
    if barred(stored.message.source) and not allow_x:
        return "x"
    return "language" if stored.label is Label.UNSCORED else None


def _row(case: Case, label: HumanLabel, stored: StoredMessage) -> dict[str, Any]:
    last = case.opinions[-1]
    return {
        "text": stored.message.text,
        "label": label.verdict.value,
        "event": case.key[0],
        "message_id": case.key[1],
        "source": stored.message.source,
        "lang": stored.message.lang,
        "at": stored.message.created_at,
        "labelled_at": label.at,
        "stratum": (Stratum.RANDOM if case.drawn else last.stratum).value,
        "people": label.people,
        "disputed": label.disputed,
        "said": last.said.value,
        "model": last.model,
    }


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows to a file, which appears whole or not at all; one that is there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    pq.write_table(pa.Table.from_pylist(list(rows), schema=COLUMNS), partial)
    partial.replace(path)


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.feedback", description="Write down what people said of messages, to train on."
    )
    parser.add_argument("--out", type=Path, required=True, help="Parquet file for the messages with a sentiment")
    parser.add_argument("--off-topic", type=Path, help="Parquet file for the messages that are off-topic")
    parser.add_argument("--event", action="append", help="id of an event, more than once for several; else all")
    parser.add_argument("--allow-x", action="store_true", help="write posts collected on X too: you hold the right to")
    options = parser.parse_args(arguments)
    try:
        with Store(Settings().database) as store:
            store.migrate()
            events = options.event or sorted(event.id for event in store.events())
            made = collect(store, events, allow_x=options.allow_x)
        write(made.labelled, options.out)
        if options.off_topic is not None:
            write(made.off_topic, options.off_topic)
    except (AppError, OSError) as error:
        sys.stderr.write(f"feedback: {error}\n")
        return 1
    labels = Counter(row["label"] for row in made.labelled)
    said = {"rows": len(made.labelled), "labels": labels, "off_topic": len(made.off_topic), "left_out": made.left_out}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
