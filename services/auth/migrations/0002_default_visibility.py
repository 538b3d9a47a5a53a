"""What uploads are that say no visibility."""

import sqlalchemy as sa
from alembic import op

revision = "0002_default_visibility"
down_revision = "0001_accounts_sessions_and_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column(
            "default_visibility", sa.Text(), server_default=sa.text("'public'"), nullable=False
        ),
        schema="auth",
    )
