"""Keys of streams, owners of sessions."""

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
        sa.Column("fingerprint", sa.Text(), nullable=True),
        _moment("created_at", server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
        schema="live",
    )
    op.create_index(op.f("ix_live_streams_user_id"), "streams", ["user_id"], schema="live")
    op.create_table(
        "sessions",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("live_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("closing", sa.Text(), nullable=True),
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
