"""The backups that were made, and the tests of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006_backups"
down_revision = "0005_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "finished_at"),
        schema="log",
    )
    op.execute("grant insert on log.backups to cinelog_backup")
    op.execute("grant select on log.backups to cinelog_operator")
