"""How many copies each text has, counted as they come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, and count what is stored."""
    op.create_table(
        "families",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("copies", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_families_events", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "id", name="pk_families"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO families (event_id, id, copies) SELECT event_id, duplicate_of, count(*) FROM messages "
        "WHERE duplicate_of IS NOT NULL GROUP BY event_id, duplicate_of"
    )


def downgrade() -> None:
    """Drop the table: what it holds can be counted again."""
    op.drop_table("families")
