"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A revision describes its tables itself: it must not change when `app.adapters.schema` does.
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_COPIES = sa.text("duplicate_of IS NOT NULL")


def upgrade() -> None:
    """Create the tables."""
    _events()
    _messages()
    _message_indices()
    _predictions()
    _tombstones()
    _rollups()
    _source_state()
    _dead_letters()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    for table in ("dead_letters", "source_state", "rollups", "tombstones", "predictions", "messages", "events"):
        op.drop_table(table)


def _event_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=f"fk_{table}_events", ondelete="CASCADE")


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("languages", sa.Text, nullable=False),
        sa.Column("countries", sa.Text, nullable=False),
        sa.Column("starts_at", sa.BigInteger),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("read_budget", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.BigInteger, nullable=False),
        sa.Column("source", _ID, nullable=False),
        sa.Column("author", sa.Text),
        sa.Column("lang", sa.Text),
        sa.Column("location", sa.Text),
        sa.Column("country", _ID, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("publisher", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("duplicate_of", _ID),
        sa.Column("is_first", sa.Boolean, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        _event_key("messages"),
        sa.PrimaryKeyConstraint("event_id", "id", name="pk_messages"),
    )


def _message_indices() -> None:
    op.create_index("ix_messages_newest", "messages", ["event_id", "created_at", "id"])
    for column in ("label", "source", "country"):
        op.create_index(f"ix_messages_{column}", "messages", ["event_id", column, "created_at", "id"])
    op.create_index(
        "ix_messages_copies",
        "messages",
        ["event_id", "duplicate_of", "is_first", "created_at", "id"],
        sqlite_where=_COPIES,
        postgresql_where=_COPIES,
    )


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("negative", sa.Float(53), nullable=False),
        sa.Column("neutral", sa.Float(53), nullable=False),
        sa.Column("positive", sa.Float(53), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        _event_key("predictions"),
        sa.PrimaryKeyConstraint("event_id", "message_id", name="pk_predictions"),
        sqlite_with_rowid=False,
    )


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("duplicate_of", _ID),
        sa.Column("at", sa.BigInteger, nullable=False),
        _event_key("tombstones"),
        sa.PrimaryKeyConstraint("event_id", "id", name="pk_tombstones"),
        sqlite_with_rowid=False,
    )


def _rollups() -> None:
    op.create_table(
        "rollups",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("source", _ID, nullable=False),
        sa.Column("country", _ID, nullable=False),
        sa.Column("grain", _ID, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("label", _ID, nullable=False),
        sa.Column("raw", sa.BigInteger, nullable=False),
        sa.Column("distinct", sa.BigInteger, nullable=False),
        _event_key("rollups"),
        sa.PrimaryKeyConstraint("event_id", "grain", "source", "country", "start", "label", name="pk_rollups"),
        sqlite_with_rowid=False,
    )


def _source_state() -> None:
    op.create_table(
        "source_state",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("connector", _ID, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("live_to", sa.BigInteger),
        sa.Column("lag_s", sa.Float(53)),
        sa.Column("reads", sa.BigInteger, nullable=False),
        sa.Column("billed_reads", sa.BigInteger, nullable=False),
        sa.Column("unmatched", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("dead_letters", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        _event_key("source_state"),
        sa.PrimaryKeyConstraint("event_id", "connector", name="pk_source_state"),
    )


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event_id", _ID),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        _event_key("dead_letters"),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_event", "dead_letters", ["event_id", "id"])
