"""What the uploader is told of a job."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_job_notes"
down_revision = "0006_viewers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "notes",
            postgresql.JSONB(),
            # Processes of the version before write rows without it.
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        schema="catalog",
    )
