"""Find deleted accounts without reading all users."""

import sqlalchemy as sa
from alembic import op

revision = "0002_deleted_users"
down_revision = "0001_read_models"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_users_deleted",
        "users",
        ["id"],
        unique=False,
        schema="catalog",
        postgresql_where=sa.text("deleted"),
    )
