"""A store on each database. PostgreSQL is EVENTPULSE_TEST_POSTGRES_URL, or a server of the tests' own, or skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from app.adapters.ports import free_port
from app.adapters.schema import alert_channels, events
from app.adapters.store import Store
from tests.adapters.builders import EVENT
from tests.fakes.clock import Clock


def _initdb() -> Path | None:
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found) if found else installed[-1] if installed else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases may be created."""
    given = os.environ.get("EVENTPULSE_TEST_POSTGRES_URL")
    initdb = _initdb()
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    if initdb is None:
        pytest.skip("PostgreSQL is not installed and EVENTPULSE_TEST_POSTGRES_URL is not set")
    user = "postgres" if os.geteuid() == 0 else None  # initdb refuses to run as root
    folder = tempfile.mkdtemp(prefix="eventpulse-pg-")
    if user:
        shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(initdb.with_name(program)), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    port = free_port()
    try:
        run("initdb", "-A", "trust", "-U", "eventpulse", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql+psycopg://eventpulse@127.0.0.1:{port}/postgres"
    finally:
        if Path(folder, "data", "postmaster.pid").exists():
            run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_database(postgres: str) -> Iterator[str]:
    """The URL of a new database, dropped at the end; nothing else on the server is touched."""
    name = f"eventpulse_test_{uuid.uuid4().hex[:12]}"
    server = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("postgres_database")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def sqlite_migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    with Store(f"sqlite:///{path}") as store:
        store.migrate()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is migrated and has no rows."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_migrated"), tmp_path / "store.db")
        return f"sqlite:///{tmp_path}/store.db"
    found: str = request.getfixturevalue("postgres_database")
    with Store(found) as store:
        try:
            with store.engine.begin() as connection:
                connection.execute(events.delete())  # almost everything belongs to an event
                connection.execute(alert_channels.delete())
        except ProgrammingError:  # a test before this one wanted it without tables
            store.migrate()
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """A store with one event, by a clock that stands still."""
    with Store(url, now=clock) as store:
        store.put_event(EVENT)
        yield store
