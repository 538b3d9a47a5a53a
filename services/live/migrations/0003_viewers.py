"""The most viewers of a session."""

import sqlalchemy as sa
from alembic import op

revision = "0003_viewers"
down_revision = "0002_clips"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("peak_viewers", "total_viewers"):
        op.add_column("sessions", sa.Column(name, sa.Integer(), nullable=True), schema="live")
