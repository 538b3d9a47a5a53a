"""The categories of live streams and of their sessions; both have one writer."""

from alembic import op

revision = "0004_live_streams"
down_revision = "0003_writers_choose_no_order"
branch_labels = None
depends_on = None

WRITERS = {
    "live": "cinelog_live",
    "livesession": "cinelog_live",
}
COLUMNS = "stream_id, version, event_id, type, schema_version, data, metadata"


def upgrade() -> None:
    op.execute("grant usage on schema log to cinelog_live")
    op.execute("grant select on log.events, log.positions to cinelog_live")
    op.execute(f"grant insert ({COLUMNS}) on log.events to cinelog_live")
    for category, role in WRITERS.items():
        op.execute(
            f"create policy append_{category} on log.events for insert to {role}"
            f" with check (starts_with(stream_id, '{category}-'))"
        )
