"""The revisions lead to what `schema.py` describes. On SQLite and PostgreSQL."""

from __future__ import annotations

import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from app.adapters import migrations
from app.adapters.schema import metadata
from app.adapters.store import Store
from app.core.errors import StoreError
from tests.adapters.builders import EVENT, make, put


def head() -> str | None:
    config = Config()
    config.set_main_option("script_location", "app.adapters:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


def test_a_new_database_is_what_the_schema_describes(empty_url: str) -> None:
    with Store(empty_url) as store:
        store.migrate()
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert context.get_current_revision() == head()
            assert compare_metadata(context, metadata) == []


def test_sqlite_has_the_same_statements_either_way(tmp_path: Path) -> None:
    def statements(path: Path) -> list[str]:
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'"))
            found = sorted(" ".join(sql.split()).replace(" )", ")") for (sql,) in rows if sql)
        engine.dispose()
        return found

    with Store(f"sqlite:///{tmp_path}/migrated.db") as store:
        store.migrate()
    engine = create_engine(f"sqlite:///{tmp_path}/created.db")
    metadata.create_all(engine)
    engine.dispose()
    # Comparing tables, Alembic looks neither at primary keys nor at WITHOUT ROWID nor at a partial index's condition.
    assert statements(tmp_path / "migrated.db") == statements(tmp_path / "created.db")


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    for _ in range(2):
        with Store(empty_url) as store:
            store.migrate()
            store.migrate()
            store.put_event(EVENT)
    with Store(empty_url) as store:
        assert [event.id for event in store.events()] == [EVENT.id]


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = migrations.upgrade

    def upgrade_and_fail(connection: Connection) -> None:
        upgrade(connection)
        connection.exec_driver_sql("SELECT no_such_thing")

    monkeypatch.setattr(migrations, "upgrade", upgrade_and_fail)
    with Store(empty_url) as store:
        with pytest.raises(StoreError):
            store.migrate()
        monkeypatch.undo()
        with pytest.raises(StoreError, match="migrate it first"):
            store.events()
        store.migrate()
        assert store.events() == []


def test_the_folder_of_the_file_is_made_and_the_file_is_in_wal_mode(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/a/b 100%/c.db") as store:
        store.migrate()
        with store.engine.connect() as connection:
            modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
            assert modes == ["wal", 1]
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        store.close()
    assert (tmp_path / "a" / "b 100%" / "c.db").exists()


def test_threads_may_migrate_different_databases(tmp_path: Path) -> None:
    def migrate(name: str) -> int:
        with Store(f"sqlite:///{tmp_path}/{name}.db") as store:
            store.migrate()
            return len(store.events())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(migrate, "abcdabcd")) == [0] * 8


def test_importing_the_revisions_does_nothing() -> None:
    for found in pkgutil.walk_packages(migrations.__path__, "app.adapters.migrations."):
        importlib.import_module(found.name)


def test_copies_that_were_stored_before_they_were_counted_are_counted(empty_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "app.adapters:migrations")
    config.set_main_option("path_separator", "os")
    with Store(empty_url) as store:
        store.migrate()
        store.put_event(EVENT)
        put(store, make("a"), make("b", 1, duplicate_of="a"), make("c", 2, duplicate_of="a"), make("d", 3))
        with store.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
        store.migrate()
        assert [store.message(EVENT.id, id_).copies for id_ in "abcd"] == [2, 2, 2, 0]
        assert store.check(EVENT.id) == []


def test_the_revisions_lead_back(empty_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "app.adapters:migrations")
    config.set_main_option("path_separator", "os")
    with Store(empty_url) as store:
        store.migrate()
        with store.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
        with pytest.raises(StoreError, match="migrate it first"):
            store.events()
        store.migrate()
        assert store.events() == []
