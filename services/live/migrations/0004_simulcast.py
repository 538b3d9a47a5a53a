"""Where lives are sent on to."""

import sqlalchemy as sa
from alembic import op

revision = "0004_simulcast"
down_revision = "0003_viewers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "simulcast_targets",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("live_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("video_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("dropped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="live",
    )
    op.create_index("simulcast_targets_live", "simulcast_targets", ["live_id"], schema="live")
    op.create_index("simulcast_targets_user", "simulcast_targets", ["user_id"], schema="live")
