"""Sources are deleted some time after they were listed, and may be held back."""

import sqlalchemy as sa
from alembic import op

revision = "0002_deletions"
down_revision = "0001_uploads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "doomed_objects",
        sa.Column("reason", sa.Text(), nullable=False, server_default=sa.text("'deleted'")),
        schema="ingest",
    )
    op.add_column(
        "doomed_objects",
        # What the release before lists is due at once, as it is there.
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        schema="ingest",
    )
    op.add_column(
        "doomed_objects",
        sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema="ingest",
    )
