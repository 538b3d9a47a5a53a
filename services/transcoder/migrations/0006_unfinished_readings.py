"""Where the reading of a large object stopped, and the state of its hash there."""

import sqlalchemy as sa
from alembic import op

revision = "0006_unfinished_readings"
down_revision = "0005_deletions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unfinished_readings",
        sa.Column("video_id", sa.Text(), primary_key=True),
        sa.Column("place", sa.Text(), primary_key=True),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        schema="transcoder",
    )
