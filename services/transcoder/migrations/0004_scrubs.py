"""How far the scrub of each video is, and the objects whose bytes it does not believe."""

import sqlalchemy as sa
from alembic import op

revision = "0004_scrubs"
down_revision = "0003_task_errors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scrubs",
        sa.Column("video_id", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("scrubbed_at", sa.DateTime(timezone=True)),
        schema="transcoder",
    )
    op.create_table(
        "suspect_objects",
        sa.Column("video_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        schema="transcoder",
    )
    op.create_index(
        "ix_transcoder_suspects_due",
        "suspect_objects",
        ["due_at"],
        schema="transcoder",
        postgresql_where=sa.text("due_at is not null"),
    )
