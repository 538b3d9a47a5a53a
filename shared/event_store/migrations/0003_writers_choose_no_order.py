"""A writer gives an event's content; the database alone gives its transaction, number and time.

A row with the number of a transaction to come would keep every later event of all categories from
getting a position.
"""

from alembic import op

revision = "0003_writers_choose_no_order"
down_revision = "0002_one_writer_per_category"
branch_labels = None
depends_on = None

COLUMNS = "stream_id, version, event_id, type, schema_version, data, metadata"
WRITERS = "cinelog_auth, cinelog_ingest, cinelog_transcoder, cinelog_catalog"


def upgrade() -> None:
    op.execute(f"revoke insert on log.events from {WRITERS}")
    op.execute(f"grant insert ({COLUMNS}) on log.events to {WRITERS}")
