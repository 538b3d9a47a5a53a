"""Captions of videos."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012_captions"
down_revision = "0011_downloads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Processes of the version before write rows without it.
    captions = sa.Column("captions", JSONB(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("videos", captions, schema="catalog")
