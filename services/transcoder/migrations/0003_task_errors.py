"""The error of a task's last try as a struct instead of a formatted text."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003_task_errors"
down_revision = "0002_compaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("error", JSONB(), nullable=True), schema="transcoder")
