"""Bytes of deleted videos count until they are gone from the storage."""

import sqlalchemy as sa
from alembic import op

revision = "0007_deleted_bytes"
down_revision = "0006_folds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deleted_bytes",
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
        schema="ingest",
    )
    for name, column in (("user", "user_id"), ("at", "deleted_at")):
        op.create_index(f"deleted_bytes_{name}", "deleted_bytes", [column], schema="ingest")
