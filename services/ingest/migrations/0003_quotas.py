"""What accounts have stored and had planned; a projection of its own fills it from the log."""

import sqlalchemy as sa
from alembic import op

revision = "0003_quotas"
down_revision = "0002_deletions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_sources",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
        schema="ingest",
    )
    op.create_table(
        "stored_sums",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("videos", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        schema="ingest",
    )
    op.create_table(
        "planned_days",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day"),
        schema="ingest",
    )
    op.create_table(
        "account_roles",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint("role in ('user', 'trusted')", name="role"),
        sa.PrimaryKeyConstraint("user_id"),
        schema="ingest",
    )
