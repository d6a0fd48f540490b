"""The service over a database of its own, for each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.store import Store
from tests.dashboard.rig import Rig


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is migrated and has no rows."""
    path = tmp_path_factory.mktemp("dashboard") / "empty.db"
    with Store(f"sqlite:///{path}") as store:
        store.migrate()
    return path


@pytest.fixture
def rig(tmp_path: Path, empty_database: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, empty_database)
    yield made
    made.store.close()
