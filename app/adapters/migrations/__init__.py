"""The revisions of the store's tables, run by Alembic from inside the package: there is no alembic.ini.

A new revision: change `app/adapters/schema.py`, add a module to `versions/` that does the same to existing tables;
`tests/adapters/test_migrations.py` fails until both agree.
"""

from __future__ import annotations

from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

_one_at_a_time = Lock()  # Alembic keeps what it works on in a global


def upgrade(connection: Connection) -> None:
    """Bring the tables to the latest revision within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", "app.adapters:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")
