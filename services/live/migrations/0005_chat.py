"""Chats of lives."""

import sqlalchemy as sa
from alembic import op

revision = "0005_chat"
down_revision = "0004_simulcast"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chats",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("writable", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("slow_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.CheckConstraint("state in ('open', 'kept', 'over')", name="chat_state"),
        sa.PrimaryKeyConstraint("video_id"),
        schema="live",
    )
    op.create_index("chats_by_state", "chats", ["state", "video_id"], schema="live")
    op.create_table(
        "chat_bans",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("owner_id", "user_id", "scope"),
        schema="live",
    )
    op.create_index("chat_bans_by_user", "chat_bans", ["user_id"], schema="live")
    op.create_table(
        "chat_authors",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "video_id"),
        schema="live",
    )
    op.create_index("chat_authors_by_video", "chat_authors", ["video_id"], schema="live")
