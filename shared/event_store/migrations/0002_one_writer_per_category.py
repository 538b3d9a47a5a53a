"""Each category of streams has one role that may append to it.

Row-level security, because it is checked by an expression per row and says in the table's own
definition who writes what. The owner of the table is not bound by it, so an archive can be
restored; reading stays a matter of privileges alone.
"""

from alembic import op

revision = "0002_one_writer_per_category"
down_revision = "0001_events_and_positions"
branch_labels = None
depends_on = None

WRITERS = {
    "user": "cinelog_auth",
    "upload": "cinelog_ingest",
    "transcode": "cinelog_transcoder",
    "video": "cinelog_catalog",
}


def upgrade() -> None:
    op.execute("create policy read on log.events for select using (true)")
    for category, role in WRITERS.items():
        op.execute(
            f"create policy append_{category} on log.events for insert to {role}"
            f" with check (starts_with(stream_id, '{category}-'))"
        )
    op.execute("alter table log.events enable row level security")
