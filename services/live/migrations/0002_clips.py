"""Clips that were asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0002_clips"
down_revision = "0001_live_streams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clips",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("live_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("source_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'ready', 'failed')", name="clip_state"),
        sa.PrimaryKeyConstraint("video_id"),
        schema="live",
    )
    op.create_index("clips_live", "clips", ["live_id", "asked_at"], schema="live")
    op.create_index("clips_made_by", "clips", ["made_by", "asked_at"], schema="live")
    op.create_index("clips_user", "clips", ["user_id", "asked_at"], schema="live")
    op.create_index(
        "clips_waiting",
        "clips",
        ["asked_at"],
        schema="live",
        postgresql_where=sa.text("state = 'waiting'"),
    )
