"""Sessions of live streams count toward the quota of their account."""

import sqlalchemy as sa
from alembic import op

revision = "0005_stored_lives"
down_revision = "0004_refundable_plans"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_lives",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
        schema="ingest",
    )
    for name in ("lives", "live_bytes"):
        none = sa.text("0")
        added = sa.Column(name, sa.BigInteger(), server_default=none, nullable=False)
        op.add_column("stored_sums", added, schema="ingest")
