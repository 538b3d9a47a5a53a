"""The log: events, their positions, and what the relay remembers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_events_and_positions"
down_revision = None
branch_labels = None
depends_on = None

# Privileges already forbid changes to everyone but the owner; the trigger stops the owner too.
APPEND_ONLY = """
create function log.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'log.% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$
"""


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column(
            "written_by",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("stream_id", "version"),
        sa.UniqueConstraint("event_id"),
        sa.UniqueConstraint("seq"),
        schema="log",
    )
    op.create_table(
        "positions",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("seq"),
        schema="log",
    )
    op.create_table(
        "relay",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema="log",
    )
    op.execute(APPEND_ONLY)
    for table in ("events", "positions"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on log.{table}"
            " for each statement execute function log.refuse_change()"
        )
    writers = "cinelog_auth, cinelog_ingest, cinelog_transcoder, cinelog_catalog"
    op.execute(f"grant usage on schema log to {writers}, cinelog_relay")
    op.execute(f"grant select on log.events, log.positions to {writers}, cinelog_relay")
    op.execute(f"grant insert on log.events to {writers}")
    op.execute("grant insert on log.positions to cinelog_relay")
    op.execute("grant select, insert, update on log.relay to cinelog_relay")
