"""How often accounts have had videos tried again on a day, and how much of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008_retries"
down_revision = "0007_folds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retries",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "user_id", "video_id"),
        schema="transcoder",
    )
