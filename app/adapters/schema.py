"""The tables of the store, as SQLAlchemy Core describes them. `migrations/` makes a database look like this.

Times are whole microseconds since 1970 in UTC: exact on every database, and a bucket is one integer division.
Ids compare by code point everywhere (collation "C" on PostgreSQL), so paging gives one order on all databases.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

EVERY: Final = ""
"""In `rollups`, the source or country that stands for all of them together."""

EVER: Final = "ever"
"""The grain of `rollups` that has one bucket for all time, starting at 0."""

metadata = MetaData(
    naming_convention={
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s",
    }
)

Id: Final = Text().with_variant(Text(collation="C"), "postgresql")
Micros: Final = BigInteger()


def _event_key() -> ForeignKey:
    return ForeignKey("events.id", ondelete="CASCADE")


events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("languages", Text, nullable=False),  # JSON list
    Column("countries", Text, nullable=False),  # JSON list
    Column("starts_at", Micros),
    Column("ends_at", Micros),
    Column("read_budget", BigInteger),
    Column("created_at", Micros, nullable=False),
    # Raised first in every writing transaction of the event: that also makes its writers wait for each other.
    Column("version", BigInteger, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("id", Id, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("stored_at", Micros, nullable=False),
    Column("fetched_at", Micros, nullable=False),
    Column("source", Id, nullable=False),
    Column("author", Text),
    Column("lang", Text),
    Column("location", Text),
    Column("country", Id, nullable=False),  # UNRESOLVED where the place is not known
    Column("url", Text),
    Column("publisher", Text),
    Column("text", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    # The id under which this message's family of copies is known; it stays when that message is deleted.
    Column("duplicate_of", Id),
    # True for exactly one message of each family: the original where it is stored, else one of the copies.
    Column("is_first", Boolean, nullable=False),
    Column("label", Text, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    Index("ix_messages_newest", "event_id", "created_at", "id"),
    Index("ix_messages_label", "event_id", "label", "created_at", "id"),
    Index("ix_messages_source", "event_id", "source", "created_at", "id"),
    Index("ix_messages_country", "event_id", "country", "created_at", "id"),
    Index(
        "ix_messages_copies",
        "event_id",
        "duplicate_of",
        "is_first",
        "created_at",
        "id",
        sqlite_where=text("duplicate_of IS NOT NULL"),
        postgresql_where=text("duplicate_of IS NOT NULL"),
    ),
)

predictions = Table(
    "predictions",
    metadata,
    # No foreign key to `messages`: PostgreSQL plans its check when the table is small, and a first load then takes
    # hundreds of microseconds a row until the table is analysed.
    Column("event_id", Id, _event_key(), nullable=False),
    Column("message_id", Id, nullable=False),
    Column("arm", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("negative", Float(53), nullable=False),
    Column("neutral", Float(53), nullable=False),
    Column("positive", Float(53), nullable=False),
    Column("model", Text, nullable=False),
    Column("backend", Text, nullable=False),
    PrimaryKeyConstraint("event_id", "message_id"),
    sqlite_with_rowid=False,
)

families = Table(
    "families",
    metadata,
    # How many stored messages have this `duplicate_of`: in a large family, counting them is slow.
    Column("event_id", Id, _event_key(), nullable=False),
    Column("id", Id, nullable=False),
    Column("copies", BigInteger, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("id", Id, nullable=False),
    Column("duplicate_of", Id),  # as it was in `messages`: copies that still name this id find their family
    Column("at", Micros, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    sqlite_with_rowid=False,
)

rollups = Table(
    "rollups",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("source", Id, nullable=False),  # or EVERY
    Column("country", Id, nullable=False),  # or EVERY
    Column("grain", Id, nullable=False),  # minute, hour, day or EVER
    Column("start", Micros, nullable=False),
    Column("label", Id, nullable=False),
    Column("raw", BigInteger, nullable=False),
    Column("distinct", BigInteger, nullable=False),
    # The buckets of one line of a timeline lie next to each other.
    PrimaryKeyConstraint("event_id", "grain", "source", "country", "start", "label"),
    sqlite_with_rowid=False,
)

source_state = Table(
    "source_state",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("connector", Id, nullable=False),
    Column("cursor", Text),  # JSON object
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("live_to", Micros),
    Column("lag_s", Float(53)),
    Column("reads", BigInteger, nullable=False),
    Column("billed_reads", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("dead_letters", BigInteger, nullable=False),
    Column("updated_at", Micros, nullable=False),
    PrimaryKeyConstraint("event_id", "connector"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Id, _event_key()),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", Micros, nullable=False),
    Index("ix_dead_letters_event", "event_id", "id"),
    sqlite_autoincrement=True,
)

notes = Table(
    "annotations",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("id", Id, nullable=False),
    Column("at", Micros, nullable=False),
    Column("until", Micros),
    Column("kind", Text, nullable=False),  # note, statement, expected or system
    Column("text", Text, nullable=False),
    Column("times", Float(53)),  # of an expected moment: how many times the usual volume is foreseen
    Column("created_at", Micros, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    Index("ix_annotations_time", "event_id", "at"),
)

detection_rules = Table(
    "detection_rules",
    metadata,
    Column("event_id", Id, _event_key(), primary_key=True),
    Column("rule", Text, nullable=False),  # JSON object
    Column("updated_at", Micros, nullable=False),
)

detector_state = Table(
    "detector_state",
    metadata,
    Column("event_id", Id, _event_key(), primary_key=True),
    Column("state", Text, nullable=False),  # JSON object
    # Everything before this has been tested.
    Column("tested_to", Micros, nullable=False),
    Column("updated_at", Micros, nullable=False),
    # Grows with every write: who read an older one writes nothing.
    Column("revision", BigInteger, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("number", BigInteger, nullable=False),  # counted from 1 in each event
    Column("kind", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", Text, nullable=False),  # open or closed
    Column("started_at", Micros, nullable=False),  # when it began in the messages
    Column("opened_at", Micros, nullable=False),  # when it was noticed
    Column("updated_at", Micros, nullable=False),
    Column("ended_at", Micros),
    # Grows with every change that is told; together with event and number it names the change.
    Column("revision", BigInteger, nullable=False),
    Column("in_history", Boolean, nullable=False),  # it was over before it was noticed
    Column("detail", Text, nullable=False),  # JSON object
    PrimaryKeyConstraint("event_id", "number"),
    Index("ix_incidents_time", "event_id", "started_at"),
    Index("ix_incidents_newest", "opened_at"),
)

incident_changes = Table(
    "incident_changes",
    metadata,
    Column("event_id", Id, _event_key(), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("at", Micros, nullable=False),  # in the time of the messages
    Column("told_at", Micros, nullable=False),  # by the clock
    Column("change", Text, nullable=False),  # opened, raised, updated or closed
    Column("severity", Integer, nullable=False),
    Column("detail", Text, nullable=False),  # JSON object
    PrimaryKeyConstraint("event_id", "number", "revision"),
)

incident_steps = Table(
    "incident_steps",
    metadata,
    # From the spike in the input to the verdict: the first time of each step.
    Column("event_id", Id, _event_key(), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("step", Id, nullable=False),  # began, noticed, shown, evidence or verdict
    Column("at", Micros, nullable=False),
    PrimaryKeyConstraint("event_id", "number", "step"),
)

incident_verdicts = Table(
    "incident_verdicts",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Id, _event_key(), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),  # real, false_alarm, expected or withdrawn
    Column("note", Text, nullable=False),
    Column("at", Micros, nullable=False),
    Index("ix_incident_verdicts_incident", "event_id", "number", "id"),
    sqlite_autoincrement=True,
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Id, _event_key(), nullable=False),
    Column("message_id", Id, nullable=False),
    Column("verdict", Text, nullable=False),  # a label, off_topic, skipped or undone
    Column("stratum", Text, nullable=False),  # why it was shown: uncertain, disagreement, random or chosen
    Column("label", Text, nullable=False),  # what the model had said
    Column("model", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Micros, nullable=False),
    Column("undoes", BigInteger),  # of an undone row: the id of the one that it takes back
    Index("ix_feedback_message", "event_id", "message_id", "id"),
    Index("ix_feedback_newest", "event_id", "id"),
    sqlite_autoincrement=True,
)

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # webhook, slack or email
    Column("target", Text, nullable=False),
    Column("secret", Text),
    Column("event_id", Id, _event_key()),  # None: all events
    Column("least_severity", Integer, nullable=False),
    Column("digest_minutes", Integer, nullable=False),  # 0: at once
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Micros, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("channel_id", Id, ForeignKey("alert_channels.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Id, _event_key(), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # waiting, sending, sent or failed
    Column("attempts", Integer, nullable=False),
    Column("created_at", Micros, nullable=False),
    # When it is to be sent; while it is being sent, when its sender is taken to be dead.
    Column("due_at", Micros, nullable=False),
    Column("sent_at", Micros),
    # The message that it went into, alone or with others; it stays the same however often that is sent.
    Column("parcel", Id),
    Column("error", Text, nullable=False),
    # One row an incident change and channel: that is what makes an alert go out once.
    UniqueConstraint("channel_id", "event_id", "number", "revision"),
    Index("ix_deliveries_due", "state", "due_at"),
    Index("ix_deliveries_sent", "channel_id", "sent_at"),
    sqlite_autoincrement=True,
)
