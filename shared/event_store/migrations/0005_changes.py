"""How many changes each account has made on a day: whoever writes to the log counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0005_changes"
down_revision = "0004_live_streams"
branch_labels = None
depends_on = None

WRITERS = "cinelog_auth, cinelog_ingest, cinelog_transcoder, cinelog_catalog, cinelog_live"


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day"),
        schema="log",
    )
    op.execute(f"grant select, insert, update, delete on log.changes to {WRITERS}")
