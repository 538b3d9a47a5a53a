"""Drafts, and tags of listed videos only."""

import sqlalchemy as sa
from alembic import op

revision = "0005_drafts"
down_revision = "0004_pending_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "videos",
        sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True),
        schema="catalog",
    )
    op.create_index(
        "ix_videos_publish_at",
        "videos",
        ["publish_at"],
        unique=False,
        schema="catalog",
        postgresql_where="publish_at is not null",
    )
    op.create_index(
        "ix_video_tags_shown",
        "video_tags",
        ["key", "created_at", "video_id"],
        unique=False,
        schema="catalog",
        postgresql_where="listed",
    )
    op.drop_index("ix_video_tags_known", "video_tags", schema="catalog")
