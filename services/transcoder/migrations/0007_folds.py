"""Which version of a projection's fold has applied what."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_folds"
down_revision = "0006_unfinished_readings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Processes of the version before insert rows without these, and mark nothing.
    _add("checkpoints", sa.Column("fold", sa.Integer(), server_default="0", nullable=False))
    _add("checkpoints", sa.Column("folded", sa.BigInteger(), server_default="0", nullable=False))
    runs = sa.Column(
        "folds", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
    )
    _add("checkpoints", runs)


def _add(table: str, column: sa.Column[Any]) -> None:
    op.add_column(table, column, schema="transcoder")
