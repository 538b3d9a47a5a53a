"""Planned lives."""

import sqlalchemy as sa
from alembic import op

revision = "0006_plans"
down_revision = "0005_chat"
branch_labels = None
depends_on = None

PLANNED = sa.text("state = 'planned'")


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("live_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'wanted'"), nullable=False),
        sa.Column("announced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsettled", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "touched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('wanted', 'planned', 'begun', 'cancelled')", name="plan_state"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="live",
    )
    op.create_index("plans_live", "plans", ["live_id"], schema="live")
    op.create_index(
        "plans_user", "plans", ["user_id", "scheduled_at"], schema="live", postgresql_where=PLANNED
    )
    op.create_index("plans_due", "plans", ["scheduled_at"], schema="live", postgresql_where=PLANNED)
    op.create_index(
        "plans_public",
        "plans",
        ["scheduled_at"],
        schema="live",
        postgresql_where=sa.text("state = 'planned' and visibility = 'public'"),
    )
    op.create_index(
        "plans_unsettled",
        "plans",
        ["touched_at"],
        schema="live",
        postgresql_where=sa.text("unsettled > 0"),
    )
