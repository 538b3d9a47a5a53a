"""The list of objects that are to be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005_deletions"
down_revision = "0004_scrubs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema="transcoder",
    )
    op.create_index(
        op.f("ix_transcoder_deletions_video_id"), "deletions", ["video_id"], schema="transcoder"
    )
    op.create_index(
        op.f("ix_transcoder_deletions_due_at"), "deletions", ["due_at"], schema="transcoder"
    )
