"""By which terms search finds a video, heaviest first. The fold fills it."""

import sqlalchemy as sa
from alembic import op

revision = "0013_video_terms"
down_revision = "0012_captions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "video_terms",
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        schema="catalog",
    )
    op.create_index("ix_video_terms_video", "video_terms", ["video_id"], schema="catalog")
    op.create_index(
        "ix_video_terms_best",
        "video_terms",
        ["term", sa.text("score DESC"), sa.text("video_id DESC")],
        schema="catalog",
    )
