"""Keys of streams, owners of sessions, what is to be deleted."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001_live_streams"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
FALSE = sa.text("false")


def _moment(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def upgrade() -> None:
    op.create_table(
        "streams",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), server_default=FALSE, nullable=False),
        _moment("created_at", server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
        schema="live",
    )
    op.create_index(op.f("ix_live_streams_user_id"), "streams", ["user_id"], schema="live")
    op.create_index(
        "streams_idempotency",
        "streams",
        ["user_id", "idempotency_key"],
        unique=True,
        schema="live",
        postgresql_where=sa.text("idempotency_key is not null"),
    )
    op.create_table(
        "sessions",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("live_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("replica", sa.Text(), nullable=True),
        _moment("beat_at", nullable=True),
        _moment("media_at", nullable=True),
        sa.Column("health", sa.Text(), nullable=True),
        _moment("opened_at", server_default=NOW, nullable=False),
        _moment("started_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.CheckConstraint("phase in ('open', 'ended', 'closed')", name="phase"),
        sa.PrimaryKeyConstraint("video_id"),
        schema="live",
    )
    op.create_index("sessions_live", "sessions", ["live_id", "opened_at"], schema="live")
    op.create_index(
        "sessions_open",
        "sessions",
        ["user_id"],
        schema="live",
        postgresql_where=sa.text("phase = 'open'"),
    )
    op.create_index(
        "sessions_unfinished",
        "sessions",
        ["phase"],
        schema="live",
        postgresql_where=sa.text("phase <> 'closed'"),
    )
    _create_folded_tables()


def _create_folded_tables() -> None:
    op.create_table(
        "deletions",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        _moment("due_at", nullable=False),
        sa.Column("held", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
        schema="live",
    )
    op.create_table(
        "closed_accounts",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        schema="live",
    )
    op.create_table(
        "checkpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema="live",
    )
    op.create_table(
        "parked_events",
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment("parked_at", server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("projection", "position"),
        schema="live",
    )
    op.create_index(
        op.f("ix_live_parked_events_stream_id"), "parked_events", ["stream_id"], schema="live"
    )
