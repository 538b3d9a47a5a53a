"""Videos that are live."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008_live"
down_revision = "0007_job_notes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add("live_started_at", sa.DateTime(timezone=True), nullable=True)
    _add("live_latency", sa.Text(), nullable=True)
    # Processes of the version before write rows without these.
    _add("live_connected", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    _add("live_ended", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    _add("live_kept", sa.Boolean(), nullable=False, server_default=sa.text("true"))


def _add(name: str, kind: Any, **options: Any) -> None:
    op.add_column("videos", sa.Column(name, kind, **options), schema="catalog")
