"""After any pages, repeats, copies, revisions and deletions the roll-ups equal a recount in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.store import Record, Store
from app.core.types import Label
from tests.adapters.builders import EVENT, make, put

Counts: TypeAlias = dict[tuple[str, int, str, str, str], tuple[int, int]]

IDS = st.sampled_from("abcdefgh")
MINUTES = st.sampled_from([0, 0.5, 1, 59, 60, 719, 720, -721])  # around the ends of minutes, hours and days
RECORDS = st.builds(
    lambda id_, minutes, label, **fields: make(id_, minutes, label=label, **fields),
    IDS,
    MINUTES,
    label=st.sampled_from(Label),
    source=st.sampled_from(["x", "newsapi"]),
    country=st.sampled_from(["DE", "FR", None]),
    duplicate_of=st.none() | IDS,
    supersedes=st.just(()) | st.tuples(IDS),
)
STEPS = st.one_of(
    st.lists(RECORDS, min_size=1, max_size=5),
    st.frozensets(IDS, min_size=1, max_size=3),  # ids to delete
    st.integers(0, 5),  # an earlier page again
)


@dataclass
class Reference:
    """The rules, written as plainly as they can be."""

    stored: dict[str, Record] = field(default_factory=dict)
    family: dict[str, str] = field(default_factory=dict)  # of all ids ever stored
    gone: set[str] = field(default_factory=set)
    first: dict[str, str] = field(default_factory=dict)  # the first of each family

    def put(self, records: list[Record]) -> None:
        for record in records:
            for id_ in set(record.message.supersedes) - {record.message.id}:
                self.remove(id_)
        for record in records:
            id_, names = record.message.id, record.message.duplicate_of
            if id_ not in self.stored and id_ not in self.gone:
                self.stored[id_] = record
                self.family[id_] = self.family.get(names, names) if names else id_
        self.settle()

    def delete(self, ids: frozenset[str]) -> None:
        for id_ in ids:
            self.remove(id_)
        self.settle()

    def remove(self, id_: str) -> None:
        self.gone.add(id_)
        self.stored.pop(id_, None)

    def settle(self) -> None:
        members: dict[str, list[str]] = {}
        for id_ in sorted(self.stored, key=lambda id_: (self.stored[id_].message.created_at, id_)):
            members.setdefault(self.family[id_], []).append(id_)
        self.first = {
            family: family if family in ids else self.first[family] if self.first.get(family) in ids else ids[0]
            for family, ids in members.items()
        }

    def counts(self) -> Counts:
        raw: Counter[tuple[str, int, str, str, str]] = Counter()
        distinct: Counter[tuple[str, int, str, str, str]] = Counter()
        for id_, record in self.stored.items():
            message = record.message
            label = record.prediction.label if record.prediction else Label.UNSCORED
            moment = message.created_at
            minute = moment.replace(second=0, microsecond=0)
            starts = {"minute": minute, "hour": minute.replace(minute=0), "day": minute.replace(minute=0, hour=0)}
            for grain, start in {**starts, "ever": None}.items():
                for source in (message.source, ""):
                    for country in (message.country or "??", ""):
                        place = 0 if start is None else round(start.timestamp()) * 1_000_000
                        raw[grain, place, source, country, label] += 1
                        distinct[grain, place, source, country, label] += id_ in self.first.values()
        return {cell: (raw[cell], distinct[cell]) for cell in raw}


@pytest.fixture(scope="module")
def one_store(sqlite_migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("property") / "store.db"
    path.write_bytes(sqlite_migrated.read_bytes())
    with Store(f"sqlite:///{path}") as store:
        yield store


numbers = count()


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_rollups_equal_a_recount_after_anything(
    one_store: Store, steps: list[list[Record] | frozenset[str] | int]
) -> None:
    event_id = f"event {next(numbers)}"  # each example has an event of its own: a new database would take longer
    one_store.put_event(replace(EVENT, id=event_id))
    reference = Reference()
    pages: list[list[Record]] = []
    for step in steps:
        if isinstance(step, frozenset):
            one_store.delete_messages(event_id, step)
            reference.delete(step)
            continue
        if isinstance(step, int):
            page = pages[step % len(pages)] if pages else []
        else:
            page = step
            pages.append(page)
        put(one_store, *page, event_id=event_id)
        reference.put(page)
    expected = reference.counts()
    recounted = {tuple(cell): (n.raw, n.distinct) for cell, n in one_store.recount(event_id).items()}
    assert recounted == expected
    assert one_store.check(event_id) == []
    shown = {item.message.id: item for item in one_store.messages(event_id, limit=50).items}
    assert shown.keys() == reference.stored.keys()
    for id_, item in shown.items():
        family = reference.family[id_]
        first = reference.first[family]
        assert item.message.duplicate_of == (None if first == id_ else first)
        assert item.copies == sum(reference.family[other] == family for other in reference.stored) - 1
