"""Minutes of a day that were given back, because their transcodes failed."""

import sqlalchemy as sa
from alembic import op

revision = "0008_failed_minutes"
down_revision = "0007_deleted_bytes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    none = sa.text("0")
    added = sa.Column("failed_ms", sa.BigInteger(), server_default=none, nullable=False)
    op.add_column("planned_days", added, schema="ingest")
