"""A viewer's views of a video count once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0006_viewers"
down_revision = "0005_drafts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "viewers",
        sa.Column("viewer", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("viewer"),
        schema="catalog",
    )
    op.create_index(op.f("ix_catalog_viewers_day"), "viewers", ["day"], schema="catalog")
    op.create_table(
        "viewing_addresses",
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
        schema="catalog",
    )
    op.create_index(
        op.f("ix_catalog_viewing_addresses_day"), "viewing_addresses", ["day"], schema="catalog"
    )
