"""Ingest's tables. Every object in the bucket has a row here, or a VideoUploaded in the log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.event_store.tables import projection_tables

metadata = MetaData(schema="ingest")

uploads = Table(
    "uploads",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("multipart_id", Text),
    Column("length", BigInteger),
    Column("content_type", Text),
    Column("sha256", Text),
    Column("received", BigInteger, nullable=False, server_default=text("0")),
    Column("next_part", Integer, nullable=False, server_default=text("1")),
    Column("tail_key", Text),
    Column("tail_size", BigInteger, nullable=False, server_default=text("0")),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("held", Boolean, nullable=False, server_default=text("false")),
    Column("wanted", Boolean, nullable=False, server_default=text("false")),
    Column("partial", Boolean, nullable=False, server_default=text("false")),
    Column("joined", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("metadata", Text, nullable=False, server_default=text("''")),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Column(
        "updated_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    CheckConstraint("phase in ('open', 'completing', 'completed', 'ending')", name="phase"),
    Index(
        "uploads_idempotency",
        "user_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    Index("uploads_due", "phase", "expires_at"),
    Index("uploads_user", "user_id"),
)

parts = Table(
    "parts",
    metadata,
    Column(
        "upload_id",
        Uuid(as_uuid=False),
        ForeignKey(uploads.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("etag", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
)

# The sources of the videos that are not deleted, by account, and their sums. Folded from the log.
stored_sources = Table(
    "stored_sources",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
)

# Sessions of live streams, with the bytes of all their segments. ``kept``: it becomes a video.
stored_lives = Table(
    "stored_lives",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kept", Boolean, nullable=False),
)

# ``lives`` and ``live_bytes`` are part of ``videos`` and ``bytes``.
stored_sums = Table(
    "stored_sums",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("videos", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("lives", BigInteger, nullable=False, server_default=text("0")),
    Column("live_bytes", BigInteger, nullable=False, server_default=text("0")),
)

# What is still stored of deleted videos. Rows of what is gone are dropped.
deleted_bytes = Table(
    "deleted_bytes",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("deleted_at", DateTime(timezone=True), nullable=False),
    Index("deleted_bytes_user", "user_id"),
    Index("deleted_bytes_at", "deleted_at"),
)

# Milliseconds of sources that were planned on a day (UTC), without those that failed, and those
# that failed. Days that are over are forgotten.
planned_days = Table(
    "planned_days",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("ms", BigInteger, nullable=False),
    Column("failed_ms", BigInteger, nullable=False, server_default=text("0")),
)

# Of them, the milliseconds that are given back if the video's transcode fails.
refundable_plans = Table(
    "refundable_plans",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("ms", BigInteger, nullable=False),
)

# The roles that operators gave; an account without a row is a user.
account_roles = Table(
    "account_roles",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    CheckConstraint("role in ('user', 'trusted')", name="role"),
)

# Source objects that are to be deleted. The table's name is older than the variable's.
pending_deletions = Table(
    "doomed_objects",
    metadata,
    Column("key", Text, primary_key=True),
    Column(
        "since",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    # deleted: its video is deleted; unused: no upload and no video has it.
    Column("reason", Text, nullable=False, server_default=text("'deleted'")),
    Column(
        "due_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    # Held back by an operator.
    Column("held", Boolean, nullable=False, server_default=text("false")),
)

checkpoints, parked_events = projection_tables(metadata)
