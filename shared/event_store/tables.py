"""Tables of the schema ``log``, and the tables of projections in each service's schema.

``events`` holds facts. ``positions`` holds their positions in the global order, which the relay
assigns after the facts are committed (see ``sequencer``). Triggers and privileges make both
append-only; see docs/decisions/0002. Row-level security lets a role append to streams of its own
category only; see docs/decisions/0007.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="log")

# ``written_by`` must be the first column: defaults are evaluated in column order, so a transaction
# has its id before it draws ``seq``. The sequencer relies on that to distinguish a number whose
# transaction was aborted from one whose transaction still runs.
events = Table(
    "events",
    metadata,
    Column(
        "written_by",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
    ),
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("stream_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column(
        "recorded_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
)

positions = Table(
    "positions",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, unique=True),
)

# How many changes an account has made on a day (UTC).
changes = Table(
    "changes",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("changes", Integer, nullable=False),
)

# The backups that were made, and the tests of them: what the reconciler's metrics show.
backups = Table(
    "backups",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("finished_at", DateTime(timezone=True), primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

relay = Table(
    "relay",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)


def projection_tables(own: MetaData) -> tuple[Table, Table]:
    """Declare ``checkpoints`` and ``parked_events`` in a service's schema."""
    checkpoints = Table(
        "checkpoints",
        own,
        Column("name", Text, primary_key=True),
        Column("position", BigInteger, nullable=False),
        # The version of the fold that applies events now, the position up to which the runs are
        # right, and the runs: see the module fold_runs. Older releases set none of them.
        Column("fold", Integer, nullable=False, server_default=text("0")),
        Column("folded", BigInteger, nullable=False, server_default=text("0")),
        Column("folds", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    )
    parked = Table(
        "parked_events",
        own,
        Column("projection", Text, primary_key=True),
        Column("position", BigInteger, primary_key=True),
        Column("stream_id", Text, nullable=False, index=True),
        Column("reason", Text, nullable=False),
        Column(
            "parked_at",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("clock_timestamp()"),
        ),
    )
    return checkpoints, parked
