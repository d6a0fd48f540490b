"""The batch pipeline: read an event's past from its sources with Ray Data, into the lake and the store.

    ray job submit --working-dir . -- python -m pipelines.ingest --event E --since 7d
    python -m pipelines.ingest --event E --since 7d                       # on a laptop, with a Ray of its own

Safe to repeat: the store counts each message once. A run of the lake is complete when its manifest is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy, Dataset

from app.adapters.artifact import verify
from app.adapters.lake import Run
from app.adapters.onnx import OnnxClassifier
from app.adapters.records import Progress, Record
from app.adapters.store import Store
from app.core.dedup import DuplicateIndex
from app.core.errors import AppError, SourceError
from app.core.types import CLASSES, DeadLetter, Event, Label, Message, Prediction, SourceState
from app.settings import Settings
from pipelines.detect import Detector
from pipelines.process import Preparer, mark_duplicates, records
from pipelines.since import parse_since
from pipelines.sources.base import Cursor, Source
from pipelines.sources.registry import Sources, read_budget

_PAGE = 512


def read_all(source: Source, cursor: Cursor | None = None) -> Iterator[dict[str, Any]]:
    """Every record of a bounded source after `cursor` as a row: a message, a dead letter, or the source's own end.

    A source that fails gives what it has read, and then a row that says why.
    """
    reads = billed = 0
    detail = ""
    state = SourceState.FINISHED
    try:
        while True:
            page = source.fetch(cursor)
            cursor = page.cursor
            reads, billed = reads + len(page.messages), billed + page.billed
            yield from (_row(source.name, "message", asdict(message)) for message in page.messages)
            yield from (_row(source.name, "dead", asdict(letter)) for letter in page.dead_letters)
            if page.finished:
                break
    except SourceError as error:
        state, detail = SourceState.ERROR, str(error)
    finally:
        source.close()
    yield _row(source.name, "end", {"reads": reads, "billed": billed, "state": state, "detail": detail})


def _row(connector: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"connector": connector, "kind": kind, "content": json.dumps(content, default=str, ensure_ascii=True)}


def message_of(content: str) -> Message:
    """A message from its row."""
    fields = json.loads(content)
    created_at = datetime.fromisoformat(fields.pop("created_at"))
    supersedes = tuple(fields.pop("supersedes"))
    return Message(**fields, created_at=created_at, supersedes=supersedes)


class Read:
    """Stage 1, a task per connector: everything the source has between two times."""

    def __init__(
        self, event: Event, settings: Settings, window: tuple[datetime, datetime], remaining: int, shift_s: float
    ) -> None:
        self._event = event
        self._settings = settings
        self._window = window
        self._remaining = remaining
        self._shift_s = shift_s

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The records of the connector that `row` names."""
        sources = Sources(self._settings)
        shift = timedelta(seconds=self._shift_s)
        since, until = (moment - shift for moment in self._window)
        start: Cursor | None = {"position": 0, "shift_s": self._shift_s} if self._shift_s else None
        try:
            for connection in sources.bounded(self._event, since=since, until=until, remaining=self._remaining):
                if connection.name != row["connector"]:
                    continue
                if connection.source is None:
                    end = {"reads": 0, "billed": 0, "state": SourceState.NOT_CONNECTED, "detail": connection.reason}
                    yield _row(connection.name, "end", end)
                else:
                    yield from read_all(connection.source, start)
        finally:
            sources.close()


def replay_shift_s(store: Store, event: Event) -> float:
    """By how much the live replay of the event moves the recorded times: the batch must agree with it."""
    shift = (store.cursor(event.id, "replay") or {}).get("shift_s")
    return float(shift) if isinstance(shift, (int, float)) else 0.0


class Classify:
    """Stage 2, an actor that holds the model: adds label and probabilities to the messages it may judge."""

    def __init__(self, event: Event, model_dir: str, threads: int) -> None:
        self._classifier = OnnxClassifier(Path(model_dir), threads=threads)
        self._preparer = Preparer(event, self._classifier.languages)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows that are no message go through; messages of other events become the kind "unmatched"."""
        kinds, contents = list(batch["kind"]), list(batch["content"])
        labels: list[str] = [""] * len(kinds)
        probabilities: list[list[float]] = [[] for _ in kinds]
        for index, kind in enumerate(kinds):
            if kind != "message":
                continue
            prepared = self._preparer.prepare([message_of(contents[index])])
            if prepared.dead_letters:
                kinds[index], contents[index] = "dead", json.dumps(asdict(prepared.dead_letters[0]), default=str)
            elif not prepared.messages:
                kinds[index] = "unmatched"
            else:
                contents[index] = json.dumps(asdict(prepared.messages[0]), default=str)
                labels[index] = "" if prepared.scorable[0] else Label.UNSCORED.value
        open_rows = [i for i, kind in enumerate(kinds) if kind == "message" and not labels[i]]
        texts = [json.loads(contents[i])["text"] for i in open_rows]
        for i, prediction in zip(open_rows, self._classifier.classify(texts), strict=True):
            labels[i], probabilities[i] = prediction.label.value, list(prediction.probabilities)
        return {
            "connector": list(batch["connector"]),
            "kind": kinds,
            "content": contents,
            "label": labels,
            "probabilities": probabilities,
        }


def classified(connectors: Sequence[str], read: Read, classify: dict[str, Any]) -> Dataset:
    """Stages 1 and 2 as a Ray Data set; nothing runs yet."""
    rows = ray.data.from_items([{"connector": name} for name in connectors], override_num_blocks=len(connectors))
    return rows.flat_map(read, num_cpus=0.25).map_batches(
        Classify, fn_constructor_kwargs=classify, batch_size=256, compute=ActorPoolStrategy(size=1), num_cpus=0.5
    )


class Loader:
    """Stage 3, in the driver, in order: de-duplicate and store."""

    def __init__(self, store: Store, event: Event, model: str, now: datetime) -> None:
        self._store = store
        self._event = event
        self._model = model
        self._now = now
        self._index = DuplicateIndex()
        for message_id, text in store.firsts(event.id, 20_000):
            self._index.first_of(message_id, text)
        self.counts = {"inserted": 0, "repeated": 0, "unmatched": 0, "dead_letters": 0}
        self.sources: dict[str, str] = {}

    def put(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store a batch of classified rows; each connector's part in a transaction of its own."""
        for connector in sorted({row["connector"] for row in rows}):
            self._put(connector, [row for row in rows if row["connector"] == connector])

    def _put(self, connector: str, rows: Sequence[dict[str, Any]]) -> None:
        dead = tuple(self._dead_letter(row["content"]) for row in rows if row["kind"] == "dead")
        unmatched = sum(row["kind"] == "unmatched" for row in rows)
        progress = Progress(unmatched=unmatched, dead_letters=dead)
        for row in rows:
            if row["kind"] == "end":
                end = json.loads(row["content"])
                state = SourceState(end["state"])
                self.sources[connector] = end["detail"] or state.value
                progress = replace(
                    progress, state=state, detail=end["detail"], reads=end["reads"], billed_reads=end["billed"]
                )
        # The batch leaves cursor and state of the live source of the same name alone.
        result = self._store.put_page(self._event.id, f"batch:{connector}", self._records(rows), progress)
        for name, more in (
            ("inserted", result.inserted),
            ("repeated", result.repeated),
            ("unmatched", unmatched),
            ("dead_letters", len(dead)),
        ):
            self.counts[name] += more

    def _records(self, rows: Sequence[dict[str, Any]]) -> list[Record]:
        kept = [row for row in rows if row["kind"] == "message"]
        messages = mark_duplicates([message_of(row["content"]) for row in kept], self._index)
        scorable = [row["label"] != Label.UNSCORED for row in kept]
        predictions = [self._prediction(row) for row in kept if row["label"] != Label.UNSCORED]
        return records(messages, scorable, predictions, self._now)

    def _prediction(self, row: dict[str, Any]) -> Prediction:
        negative, neutral, positive = (float(value) for value in row["probabilities"])
        return Prediction(Label(row["label"]), (negative, neutral, positive), self._model, "onnx-int8")

    def _dead_letter(self, content: str) -> DeadLetter:
        fields = json.loads(content)
        return DeadLetter(fields["stage"], fields["reason"], fields["payload"], fields["source"], self._event.id)


def ingest(event: Event, settings: Settings, since: datetime, now: datetime) -> dict[str, Any]:
    """Run the three stages; gives the manifest. Raises AppError."""
    with Store(settings.database) as store:
        store.migrate()
        spent = sum(status.billed_reads for status in store.statuses(event.id))
        remaining = max(0, read_budget(event, settings) - spent)
        manifest = verify(settings.model_dir)
        sources = Sources(settings)
        names = [each.name for each in sources.bounded(event, since=since, until=now, remaining=remaining)]
        sources.close()
        run = Run.begin(settings.state_dir.resolve() / "lake", event.id, now)
        read = Read(event, settings, (since, now), remaining, replay_shift_s(store, event))
        classify = {"event": event, "model_dir": str(settings.model_dir.resolve()), "threads": settings.model_threads}
        classified(names, read, classify).write_parquet(str(run.data))
        loader = Loader(store, event, manifest.model, now)
        for rows in run.batches(_PAGE):
            loader.put(rows)
        result = {
            "event": event.id,
            "since": since.isoformat(),
            "until": now.isoformat(),
            "model": manifest.model,
            "classes": [label.value for label in CLASSES],
            "sources": loader.sources,
            **loader.counts,
        }
        run.finish(result)
        # What is older than what the live pipeline has tested: its incidents are found, and nobody is told of them.
        Detector(store).review(event.id)
        return result


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.ingest", description="Read an event's past.")
    parser.add_argument("--event", required=True, help="id of the event")
    parser.add_argument("--since", default="7d", help="how far back: 90m, 36h, 7d, or an ISO 8601 time")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    settings = Settings()
    try:
        since = parse_since(options.since, now)
        with Store(settings.database) as store:
            store.migrate()
            event = store.event(options.event)
        ray.init(ignore_reinit_error=True, log_to_driver=True)
        print(json.dumps(ingest(event, settings, since, now)))
    except AppError as error:
        sys.stderr.write(f"ingest: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
