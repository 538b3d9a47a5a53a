"""Indexes that have each user's waiting tasks in the order in which they are taken."""

import sqlalchemy as sa
from alembic import op

revision = "0009_waiting_tasks"
down_revision = "0008_retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for queue, urgent in (("urgent", "<="), ("bulk", ">")):
        op.create_index(
            f"ix_transcoder_tasks_{queue}",
            "tasks",
            ["user_id", sa.text("(priority > 2)"), "video_id", "priority", "place"],
            schema="transcoder",
            postgresql_where=sa.text(f"state = 'waiting' AND priority {urgent} 1"),
        )
