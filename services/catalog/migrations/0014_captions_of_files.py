"""Captions that were in the files of videos, until they are taken over; and what people removed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014_captions_of_files"
down_revision = "0013_video_terms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Processes of the version before write rows without them.
    for name in ("captions_removed", "captions_found"):
        column = sa.Column(name, JSONB(), nullable=False, server_default=sa.text("'[]'"))
        op.add_column("videos", column, schema="catalog")
    op.create_index(
        "ix_videos_captions_found",
        "videos",
        ["id"],
        schema="catalog",
        postgresql_where=sa.text("captions_found <> '[]'::jsonb"),
    )
