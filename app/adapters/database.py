"""A connection to SQLite or PostgreSQL that behaves the same: transactions, times, and errors in plain words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    Text,
    TypeDecorator,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from app.adapters import migrations
from app.core.errors import ConfigError, InvalidInput, StoreError

BUSY_S: Final = 30
"""How long a statement waits for another process's lock, in seconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MIGRATION_LOCK: Final = 0x4576656E7450756C  # "EventPul": any number that no other program on the server uses

SQLiteValue: TypeAlias = int | float | str | bytes | None


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970. Raises InvalidInput for a time without zone."""
    if moment.tzinfo is None:
        raise InvalidInput(f"{moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The UTC time of `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can have ON CONFLICT; both databases mean the same by it."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def among(dialect: str, column: Column[Any], parameter: str) -> ColumnElement[bool]:
    """Whether a text column is one of any number of values, given as a list when the statement is executed.

    They travel as one parameter: `column IN (?, ?, ...)` costs several times the lookup itself in a page of 256, and
    has a limit.
    """
    listed = bindparam(parameter, type_=_TextList())
    if dialect == "postgresql":
        return column == any_(listed)
    return column.in_(select(func.json_each(listed).table_valued("value").c.value))


def contains(dialect: str, column: Column[str], words: str) -> ColumnElement[bool]:
    """Whether a text column has these words anywhere, in any case."""
    for special in ("\\", "%", "_"):
        words = words.replace(special, "\\" + special)
    pattern = f"%{words}%"
    if dialect == "sqlite" and words.isascii():
        # SQLite's own LIKE knows the case of ASCII only, and takes a sixth of the time of `_lower` and LIKE.
        return column.like(pattern, escape="\\")
    return column.ilike(pattern, escape="\\")


class _TextList(TypeDecorator[list[str]]):
    """A list of texts as PostgreSQL's array, or as JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> object:
        return value if dialect.name == "postgresql" else to_json(value)


def storable(value: str) -> bool:
    """Whether every database can hold a text: no NUL (PostgreSQL) and no lone surrogates (UTF-8)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def mended(value: str) -> str:
    """The text with U+FFFD for what no database holds."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def to_json(value: object) -> str:
    """JSON in ASCII, so that any text in it can be stored. Raises StoreError for what is no JSON."""
    try:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise StoreError(f"not storable as JSON: {error}") from error


class Database:
    """An engine with one kind of transaction for reading and one for writing. Connects when first used."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError when the URL is none or of another kind of database."""
        self.url = _parse(url)
        if self.url.get_backend_name() == "sqlite":
            self.engine = create_engine(self.url, hide_parameters=True, connect_args={"timeout": BUSY_S})
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            # A connection that the server closed (restart, failover) is replaced before it is used. Nothing is
            # prepared: a plan made while the tables were small is kept, and takes 30 times as long on a large one.
            options = {"connect_timeout": 10, "prepare_threshold": None}
            self.engine = create_engine(self.url, pool_pre_ping=True, hide_parameters=True, connect_args=options)
            event.listen(self.engine, "connect", _prepare_postgresql)
        self._writing = self.engine.execution_options(writing=True)
        self._snapshot = self.engine.execution_options(snapshot=True)
        if self.engine.dialect.name == "postgresql":
            self._snapshot = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries. A value that no row can have (NUL in an id) raises InvalidInput."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except (DataError, UnicodeEncodeError, OverflowError) as error:
            raise InvalidInput("a value is not one that the store can hold") from error
        except SQLAlchemyError as error:
            raise StoreError(self._plain(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose queries all see the same state."""
        with self._translated(), self._snapshot.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back when anything is raised.

        On SQLite it holds the write lock from its beginning, so it can't fail half-way for another's write.
        """
        with self._translated(), self._writing.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to the present revision, one process at a time."""
        self._make_folder()
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            migrations.upgrade(connection)

    def close(self) -> None:
        """Let go of the connections; a second time does nothing."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            folder = Path(self.url.database).parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot create the folder {folder} for the database: {error.strerror}") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, UnicodeEncodeError, OverflowError) as error:
            raise StoreError(self._plain(error)) from error

    def _plain(self, error: Exception) -> str:
        """The error in words for people; never the statement or its values, which may be someone's post."""
        place = self.url.render_as_string(hide_password=True)
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = f"{type(cause).__name__}: {cause}"
        for sign, meaning in _MEANINGS:
            if sign in said:
                return f"{meaning} ({place})"
        return f"the database refused ({place}): {said.splitlines()[0]}"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("EVENTPULSE_DATABASE_URL is no database URL; one is sqlite:///var/my.db") from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ConfigError(
            f"EVENTPULSE_DATABASE_URL: a database of the kind {parsed.drivername} is not supported; use sqlite:///path "
            "or postgresql://user@host/name"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("EVENTPULSE_DATABASE_URL: SQLite needs a file (sqlite:///path); memory cannot be shared")
    return parsed


def _prepare_sqlite(connection: sqlite3.Connection, _entry: object) -> None:
    # Transactions are begun in `_begin_sqlite`; the driver would begin them late.
    connection.isolation_level = None
    # SQLite's own lower() knows ASCII only; a search must find what PostgreSQL's finds.
    connection.create_function("lower", 1, _lower, deterministic=True)
    # Switching to WAL fails while another process does the same; then that one has done it.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-32000")  # 32 MB: ids come in no order, so their index is hit all over


def _prepare_postgresql(connection: psycopg.Connection, _entry: object) -> None:
    connection.execute(f"SET lock_timeout = '{BUSY_S}s'")
    connection.commit()


def _lower(value: SQLiteValue) -> SQLiteValue:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    """A query alone is a transaction of its own, as it is on PostgreSQL; to say so would cost half as much again."""
    options = connection.get_execution_options()
    if options.get("writing"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif options.get("snapshot"):
        connection.exec_driver_sql("BEGIN")


# What SQLite and PostgreSQL say, and what it means. The first that fits is told.
_NOT_MIGRATED: Final = "the database has no EventPulse tables of this version: migrate it first"
_FULL: Final = "no room left for the database"
_MEANINGS: Final = (
    ("database or disk is full", _FULL),
    ("DiskFull", _FULL),
    ("database is locked", f"another process held the database locked for more than {BUSY_S} seconds"),
    ("LockNotAvailable", f"another process held the database locked for more than {BUSY_S} seconds"),
    ("unable to open database file", "the database file cannot be opened"),
    ("file is not a database", "the file is not a database"),
    ("readonly database", "the database is not writable"),
    ("no such table", _NOT_MIGRATED),
    ("no such column", _NOT_MIGRATED),
    ("UndefinedTable", _NOT_MIGRATED),
    ("UndefinedColumn", _NOT_MIGRATED),
)
