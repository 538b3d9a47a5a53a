"""The bin: videos that their owners may take back for some time."""

import sqlalchemy as sa
from alembic import op

revision = "0015_bin"
down_revision = "0014_captions_of_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "videos",
        sa.Column("delete_at", sa.DateTime(timezone=True), nullable=True),
        schema="catalog",
    )
    # Processes of the version before write rows without it.
    binned = sa.Column("binned", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("jobs", binned, schema="catalog")
    waiting = sa.text("delete_at IS NOT NULL")
    op.create_index(
        "ix_videos_delete_at", "videos", ["delete_at"], schema="catalog", postgresql_where=waiting
    )
    op.create_index(
        "ix_videos_bin",
        "videos",
        ["user_id", sa.text("delete_at DESC"), sa.text("id DESC")],
        schema="catalog",
        postgresql_where=waiting,
    )
