"""What a crash, a full disk, a lock or another process does to the store: nothing. On SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from app.adapters.store import Progress, Store
from app.core.errors import ConfigError, StoreError
from app.core.types import DeadLetter, Label
from tests.adapters.builders import (
    EVENT,
    counts,
    die_while_writing,
    dump,
    make,
    migrate_and_write,
    put,
    write_pages,
)

PAGE = [
    make("v2", 1, supersedes=("v1",)),
    make("b", 2, duplicate_of="gone", label=Label.NEGATIVE),
    make("a", 3),
    make("c", 4, duplicate_of="a"),
]
PROGRESS = Progress(cursor={"page": 2}, reads=4, dead_letters=(DeadLetter("parse", "no id", "{}", "x"),))


class Crash(BaseException):
    pass


def deliver(store: Store) -> None:
    store.put_page(EVENT.id, "x", PAGE, PROGRESS)


def erase(store: Store) -> None:
    store.delete_messages(EVENT.id, ["early", "v1"])


def drop(store: Store) -> None:
    store.delete_event(EVENT.id)


def fail_at(store: Store, number: int, error: BaseException) -> Callable[[], None]:
    """Raise before the statement of that number (0: the first) from now on; returns what undoes it."""
    left = [number]

    def fail(*_: object) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise error

    event.listen(store.engine, "before_cursor_execute", fail)
    return lambda: event.remove(store.engine, "before_cursor_execute", fail)


def statements_of(store: Store, action: Callable[[Store], None]) -> int:
    """How many statements an action has, tried in a transaction that is rolled back by failing at its commit."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    def refuse(*_: object) -> None:
        raise Crash

    event.listen(store.engine, "before_cursor_execute", note)
    event.listen(store.engine, "commit", refuse)
    with pytest.raises(Crash):
        action(store)
    event.remove(store.engine, "before_cursor_execute", note)
    event.remove(store.engine, "commit", refuse)
    return len(seen)


@pytest.mark.parametrize("action", [deliver, erase, drop])
def test_a_crash_before_any_statement_changes_nothing(store: Store, action: Callable[[Store], None]) -> None:
    put(
        store,
        make("v1"),
        make("early", -5),
        make("copy", -4, duplicate_of="early"),
        make("gone copy", duplicate_of="gone"),
    )
    before = dump(store)
    number = statements_of(store, action)
    assert number >= 7
    assert dump(store) == before  # the last crash of all: at the commit
    for statement in range(number):
        restore = fail_at(store, statement, Crash())
        with pytest.raises(Crash):
            action(store)
        restore()
        assert dump(store) == before, statement
    action(store)
    assert dump(store) != before
    assert store.check(EVENT.id) == []


def test_a_page_that_crashed_is_counted_right_when_delivered_again(store: Store) -> None:
    put(store, make("v1"), make("early", -5))
    restore = fail_at(store, 6, Crash())
    with pytest.raises(Crash):
        deliver(store)
    restore()
    deliver(store)
    assert counts(store) == (5, 4)
    deliver(store)
    assert counts(store) == (5, 4)
    assert store.cursor(EVENT.id, "x") == {"page": 2}


def test_a_killed_writer_leaves_nothing_behind(store: Store, url: str) -> None:
    before = dump(store)
    process = get_context("spawn").Process(target=die_while_writing, args=(url, PAGE, 8))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert dump(store) == before
    assert put(store, *PAGE) == (4, 0, 0)  # the dead process holds no lock


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_ends_is_replaced(store: Store) -> None:
    def end_the_others(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO rollups"):
            with store.engine.connect() as other:
                mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid"
                other.execute(text(mine), {"pid": connection.connection.dbapi_connection.info.backend_pid})

    put(store, make("before"))
    event.listen(store.engine, "before_cursor_execute", end_the_others)
    with pytest.raises(StoreError, match="the database refused"):
        deliver(store)
    event.remove(store.engine, "before_cursor_execute", end_the_others)
    assert counts(store) == (1, 1)
    deliver(store)
    assert counts(store) == (5, 4)


# Many at once


def test_threads_lose_nothing(store: Store, url: str) -> None:
    with Store(url) as second, ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(write_pages, (store, second)[n % 2], f"t{n}", 3) for n in range(4)]:
            done.result()
    assert counts(store) == (4 * 3 * 19 + 1, 4 * 3 * 14 + 1)
    assert store.statuses()[0].reads == 4 * 3 * 2 * 20


def test_processes_that_start_on_an_empty_database_lose_nothing(empty_url: str) -> None:
    spawn = get_context("spawn")
    processes = [spawn.Process(target=migrate_and_write, args=(empty_url, f"p{n}", 5)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    with Store(empty_url) as store:
        assert counts(store) == (2 * 5 * 19 + 1, 2 * 5 * 14 + 1)
        assert store.version(EVENT.id) == 2 + 2 * 5 * 2


def test_a_reader_sees_whole_pages_only(store: Store) -> None:
    put(store, make("a"))
    seen: list[tuple[int, int]] = []

    def read(*_: object) -> None:
        if not seen:
            seen.append((0, 0))  # reading runs statements too
            with ThreadPoolExecutor(1) as thread:
                seen[0] = thread.submit(counts, store).result()

    def read_before_the_counts(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO rollups"):
            read()

    event.listen(store.engine, "before_cursor_execute", read_before_the_counts)
    put(store, make("b"), make("c"))
    assert seen == [(1, 1)]
    assert counts(store) == (3, 3)


# Refusals in plain words


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_full_disk_is_said_and_keeps_nothing(store: Store) -> None:
    before = dump(store)

    def fill(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    store.engine.dispose()
    event.listen(store.engine, "connect", fill)
    with pytest.raises(StoreError, match="no room left"):
        put(store, *(make(f"m{n}", n, text="x" * 4096) for n in range(50)))
    assert dump(store) == before


def test_a_locked_database_is_said(store: Store, url: str) -> None:
    def hurry(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout = 0" if "sqlite" in url else "SET lock_timeout = '1ms'")
        connection.commit()

    with Store(url) as other:
        event.listen(other.engine, "connect", hurry)
        other.put_event(EVENT)
        answers = []

        def write_too(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("INSERT INTO rollups"):
                with pytest.raises(StoreError, match="locked") as refused:
                    put(other, make("other"))
                answers.append(refused.value)

        event.listen(store.engine, "before_cursor_execute", write_too)
        put(store, make("mine"))
    assert len(answers) == 1
    assert counts(store) == (1, 1)


def test_a_database_that_is_not_migrated_is_said(empty_url: str) -> None:
    with Store(empty_url) as store:
        for ask in (store.events, lambda: store.put_event(EVENT), lambda: store.check("cup")):
            with pytest.raises(StoreError, match="migrate it first"):
                ask()


def test_an_sqlite_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("this is no database " * 100)
    (tmp_path / "folder").mkdir()
    for name, meaning in (("a.db", "not a database"), ("folder", "cannot be opened"), ("no/b.db", "cannot be opened")):
        with Store(f"sqlite:///{tmp_path}/{name}") as store, pytest.raises(StoreError, match=meaning):
            store.events()
    with (
        Store(f"sqlite:///{tmp_path}/a.db/c/d.db") as store,
        pytest.raises(StoreError, match="cannot create the folder"),
    ):
        store.migrate()


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    with (
        Store("postgresql://me:secret@127.0.0.1:1/none") as store,
        pytest.raises(StoreError, match=r"refused .*127.0.0.1:1/none") as refused,
    ):
        store.events()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_database_that_is_not_there_is_said(url: str) -> None:
    with (
        Store(url.rsplit("/", 1)[0] + "/missing") as store,
        pytest.raises(StoreError, match='"missing" does not exist'),
    ):
        store.events()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://me:secret@host/db", "postgresql+psycopg2://h/db"],
)
def test_an_unfit_url_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="EVENTPULSE_DATABASE_URL") as refused:
        Store(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_error_does_not_show_the_message(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE predictions"))
    with pytest.raises(StoreError) as refused:
        put(store, make("a", text="private words"))
    assert "private words" not in f"{refused.value} {refused.value.__cause__}"
