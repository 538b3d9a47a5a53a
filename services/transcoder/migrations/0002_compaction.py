"""When to compact a video, and when to remove what that replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0002_compaction"
down_revision = "0001_jobs_and_tasks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("compact_at", "drop_at"):
        column = sa.Column(name, sa.DateTime(timezone=True), nullable=True)
        op.add_column("jobs", column, schema="transcoder")
    # Videos from before are compacted too.
    op.execute("update transcoder.jobs set compact_at = now() where state = 'completed'")
    op.create_index(
        "ix_transcoder_jobs_compact",
        "jobs",
        ["compact_at"],
        unique=False,
        schema="transcoder",
        postgresql_where=sa.text("compact_at is not null"),
    )
    op.create_index(
        "ix_transcoder_jobs_drop",
        "jobs",
        ["drop_at"],
        unique=False,
        schema="transcoder",
        postgresql_where=sa.text("drop_at is not null"),
    )
