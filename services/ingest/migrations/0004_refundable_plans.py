"""Minutes that are given back if a transcode fails."""

import sqlalchemy as sa
from alembic import op

revision = "0004_refundable_plans"
down_revision = "0003_quotas"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refundable_plans",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
        schema="ingest",
    )
