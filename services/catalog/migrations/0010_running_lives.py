"""Finds running lives, which lists show first."""

import sqlalchemy as sa
from alembic import op

revision = "0010_running_lives"
down_revision = "0009_folds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_videos_live",
        "videos",
        [sa.text("created_at DESC"), sa.text("id DESC")],
        schema="catalog",
        postgresql_where=sa.text("status = 'live' AND NOT live_ended"),
    )
