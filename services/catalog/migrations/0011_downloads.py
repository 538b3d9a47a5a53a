"""Videos as files, and who may have them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011_downloads"
down_revision = "0010_running_lives"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("videos", sa.Column("downloads", sa.Text(), nullable=True), schema="catalog")
    # Processes of the version before write rows without it.
    files = sa.Column("files", JSONB(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("videos", files, schema="catalog")
