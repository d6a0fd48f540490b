"""What analysts add: annotations, rules, incidents, verdicts, feedback, alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    _annotations()
    _detection_rules()
    _detector_state()
    _incidents()
    _incident_changes()
    _incident_steps()
    _incident_verdicts()
    _feedback()
    _alert_channels()
    _deliveries()


def downgrade() -> None:
    """Drop the tables with all that is in them."""
    for table in (
        "deliveries",
        "alert_channels",
        "feedback",
        "incident_verdicts",
        "incident_steps",
        "incident_changes",
        "incidents",
        "detector_state",
        "detection_rules",
        "annotations",
    ):
        op.drop_table(table)


def _event_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=f"fk_{table}_events", ondelete="CASCADE")


def _annotations() -> None:
    op.create_table(
        "annotations",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("times", sa.Float(53)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        _event_key("annotations"),
        sa.PrimaryKeyConstraint("event_id", "id", name="pk_annotations"),
    )
    op.create_index("ix_annotations_time", "annotations", ["event_id", "at"])


def _detection_rules() -> None:
    op.create_table(
        "detection_rules",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        _event_key("detection_rules"),
        sa.PrimaryKeyConstraint("event_id", name="pk_detection_rules"),
    )


def _detector_state() -> None:
    op.create_table(
        "detector_state",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tested_to", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        _event_key("detector_state"),
        sa.PrimaryKeyConstraint("event_id", name="pk_detector_state"),
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("in_history", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        _event_key("incidents"),
        sa.PrimaryKeyConstraint("event_id", "number", name="pk_incidents"),
    )
    op.create_index("ix_incidents_time", "incidents", ["event_id", "started_at"])
    op.create_index("ix_incidents_newest", "incidents", ["opened_at"])


def _incident_changes() -> None:
    op.create_table(
        "incident_changes",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        _event_key("incident_changes"),
        sa.PrimaryKeyConstraint("event_id", "number", "revision", name="pk_incident_changes"),
    )


def _incident_steps() -> None:
    op.create_table(
        "incident_steps",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("step", _ID, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        _event_key("incident_steps"),
        sa.PrimaryKeyConstraint("event_id", "number", "step", name="pk_incident_steps"),
    )


def _incident_verdicts() -> None:
    op.create_table(
        "incident_verdicts",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        _event_key("incident_verdicts"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_verdicts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_verdicts_incident", "incident_verdicts", ["event_id", "number", "id"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("stratum", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("undoes", sa.BigInteger),
        _event_key("feedback"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_message", "feedback", ["event_id", "message_id", "id"])
    op.create_index("ix_feedback_newest", "feedback", ["event_id", "id"])


def _alert_channels() -> None:
    op.create_table(
        "alert_channels",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("event_id", _ID),
        sa.Column("least_severity", sa.Integer, nullable=False),
        sa.Column("digest_minutes", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        _event_key("alert_channels"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_channels"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("channel_id", _ID, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("parcel", _ID),
        sa.Column("error", sa.Text, nullable=False),
        sa.UniqueConstraint("channel_id", "event_id", "number", "revision", name="uq_deliveries"),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["alert_channels.id"], name="fk_deliveries_alert_channels", ondelete="CASCADE"
        ),
        _event_key("deliveries"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_due", "deliveries", ["state", "due_at"])
    op.create_index("ix_deliveries_sent", "deliveries", ["channel_id", "sent_at"])
