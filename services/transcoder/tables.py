"""The transcoder's tables: jobs, their tasks, the workers, and each user's share of the work.

``jobs`` and ``tasks`` are folded from the log. The claims in ``tasks`` are not in the log and may
be lost: a task without a claim is dispatched again.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.event_store.tables import projection_tables

metadata = MetaData(schema="transcoder")

checkpoints, parked_events = projection_tables(metadata)

jobs = Table(
    "jobs",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("source_key", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    # pending, running, completed, failed, cancelled, deleted
    Column("state", Text, nullable=False, index=True),
    Column("playable", Boolean, nullable=False),
    # Number of events that change the playlists, and how many of them are published.
    Column("changes", Integer, nullable=False, server_default=text("0")),
    Column("published", Integer, nullable=False, server_default=text("0")),
    # When to delete the objects that nothing refers to.
    Column("clean_at", DateTime(timezone=True)),
    # When to join a complete video's objects, and when to delete the replaced ones.
    Column("compact_at", DateTime(timezone=True)),
    Column("drop_at", DateTime(timezone=True)),
    # The current attempt's TranscodePlanned, for the workers.
    Column("plan", JSONB),
    Column("correlation_id", Text),
    Column("traceparent", Text),
    Index(
        "ix_transcoder_jobs_todo",
        "video_id",
        postgresql_where=text("changes > published or clean_at is not null"),
    ),
    Index(
        "ix_transcoder_jobs_compact",
        "compact_at",
        postgresql_where=text("compact_at is not null"),
    ),
    Index("ix_transcoder_jobs_drop", "drop_at", postgresql_where=text("drop_at is not null")),
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("video_id", Text, nullable=False, index=True),
    Column("user_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    # plan, video, remux, audio, images
    Column("kind", Text, nullable=False),
    Column("spec", JSONB, nullable=False),
    # 0 and 1 are urgent: these tasks make a video playable.
    Column("priority", Integer, nullable=False),
    Column("place", BigInteger, Identity(), nullable=False),
    Column("cost", Double, nullable=False),
    # waiting, queued, running, done
    Column("state", Text, nullable=False, index=True),
    # Number of dispatches: the message of an earlier dispatch is stale.
    Column("dispatch", Integer, nullable=False, server_default=text("0")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("not_before", DateTime(timezone=True)),
    Column("queued_at", DateTime(timezone=True)),
    Column("worker", Text),
    Column("seen_at", DateTime(timezone=True)),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("speed", Double),
    # The scheduler's TaskError of the last try that reported one.
    Column("error", JSONB),
    # The same as text. Only the release before writes it; remove it in the next one.
    Column("last_error", Text),
    # Each user's tasks that wait, in the order in which the dispatcher takes them.
    *(
        Index(
            f"ix_transcoder_tasks_{queue}",
            "user_id",
            text("(priority > 2)"),
            "video_id",
            "priority",
            "place",
            postgresql_where=text(f"state = 'waiting' AND priority {urgent} 1"),
        )
        for queue, urgent in (("urgent", "<="), ("bulk", ">"))
    ),
)

# How far the scrub of a video's objects is, and when the last one ended.
scrubs = Table(
    "scrubs",
    metadata,
    Column("video_id", Text, primary_key=True),
    # The version of the stream that the place belongs to.
    Column("version", Integer, nullable=False),
    Column("place", Text),
    Column("scrubbed_at", DateTime(timezone=True)),
)

# Objects whose bytes were not as they should be when they were read last.
suspect_objects = Table(
    "suspect_objects",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("reads", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    # When to read it again; null if it is damaged and cannot be made again.
    Column("due_at", DateTime(timezone=True)),
    Index("ix_transcoder_suspects_due", "due_at", postgresql_where=text("due_at is not null")),
)

# How far the reading of a large object is, by the place of its check.
unfinished_readings = Table(
    "unfinished_readings",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("etag", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    # That of the hash of all bytes before the position.
    Column("state", LargeBinary, nullable=False),
)

# Objects that are to be deleted. A key that ends with a slash stands for all keys below it.
deletions = Table(
    "deletions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("video_id", Text, nullable=False, index=True),
    # deleted, ended, unused, replaced
    Column("reason", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("due_at", DateTime(timezone=True), nullable=False, index=True),
    # Held back by an operator.
    Column("held", Boolean, nullable=False, server_default=text("false")),
)

# How often an account has had a video tried again on a day (UTC), and the milliseconds of its
# sources. Days that are over are forgotten.
retries = Table(
    "retries",
    metadata,
    Column("day", Date, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("video_id", Text, primary_key=True),
    Column("retries", Integer, nullable=False),
    Column("ms", BigInteger, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

shares = Table(
    "shares",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("queue", Text, primary_key=True),
    # The virtual time at which this user's dispatched tasks finish.
    Column("finish", Double, nullable=False),
)

clock = Table(
    "clock",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("virtual", Double, nullable=False),
)
