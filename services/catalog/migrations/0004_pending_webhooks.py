"""Webhooks are found by what there is to deliver."""

import sqlalchemy as sa
from alembic import op

revision = "0004_pending_webhooks"
down_revision = "0003_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "webhooks",
        sa.Column(
            "pending_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=True,
        ),
        schema="catalog",
    )
    op.create_index(
        "ix_webhooks_pending",
        "webhooks",
        ["next_attempt_at"],
        unique=False,
        schema="catalog",
        postgresql_where="active and pending_at is not null",
    )
    op.drop_index("ix_webhooks_due", "webhooks", schema="catalog")
