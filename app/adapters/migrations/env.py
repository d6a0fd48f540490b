"""What Alembic runs to migrate; `app.adapters.migrations.upgrade` gives it the connection."""

from __future__ import annotations

from alembic import context

from app.adapters.schema import metadata


def run() -> None:
    """Run the revisions in the transaction of the given connection."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic runs this file; importing it does nothing
    run()
