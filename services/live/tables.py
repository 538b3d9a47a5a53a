"""Live's tables: keys, and who owns which session.

What a stream or a session is stands in the log. A row is written before its first event, so that
the leader finds whatever a process that died has left unfinished (decision 0022).
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

metadata = MetaData(schema="live")

# A stream's key: SHA-256 of it, in hex. A key has 160 random bits, so a plain hash is enough.
streams = Table(
    "streams",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("key_hash", Text, nullable=False, unique=True),
    # Of the request that made it; the stream's id follows from the user and the Idempotency-Key.
    Column("fingerprint", Text),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("live_id", Uuid(as_uuid=False), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    # open: it has not ended. ended: its video is not made yet. closed: nothing is left to do.
    Column("phase", Text, nullable=False, server_default=text("'open'")),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    # Whether the owner may still add segments.
    Column("held", Boolean, nullable=False, server_default=text("false")),
    # Why the owner has to close the publisher; a sentence for people.
    Column("closing", Text),
    # The owner's internal address, and when it last reported and last received media.
    Column("address", Text),
    Column("replica", Text),
    Column("beat_at", DateTime(timezone=True)),
    Column("media_at", DateTime(timezone=True)),
    # What the owner last said of the publisher's media, for the API.
    Column("health", Text),
    Column(
        "opened_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    # The most at one time and in all, as the leader has seen them; null where nobody could count.
    Column("peak_viewers", Integer),
    Column("total_viewers", Integer),
    CheckConstraint("phase in ('open', 'ended', 'closed')", name="phase"),
    Index("sessions_live", "live_id", "opened_at"),
    Index("sessions_open", "user_id", postgresql_where=text("phase = 'open'")),
    Index("sessions_unfinished", "phase", postgresql_where=text("phase <> 'closed'")),
)

# Clips that were asked for; their videos are in the log.
clips = Table(
    "clips",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Column("live_id", Uuid(as_uuid=False), nullable=False),
    Column("source_id", Uuid(as_uuid=False), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("visibility", Text),
    Column("seconds", Integer, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("reason", Text),
    Column("started_at", DateTime(timezone=True)),
    Column("duration_ms", Integer),
    CheckConstraint("state in ('waiting', 'ready', 'failed')", name="clip_state"),
    Index("clips_live", "live_id", "asked_at"),
    Index("clips_made_by", "made_by", "asked_at"),
    Index("clips_user", "user_id", "asked_at"),
    Index("clips_waiting", "asked_at", postgresql_where=text("state = 'waiting'")),
)

# Where lives are sent on to. ``sealed`` is the target's stream key, encrypted.
simulcast_targets = Table(
    "simulcast_targets",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("live_id", Uuid(as_uuid=False), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    # What the owner of the session of this video and epoch last said.
    Column("video_id", Uuid(as_uuid=False)),
    Column("epoch", Integer),
    Column("state", Text, nullable=False, server_default=text("'idle'")),
    Column("error", Text),
    Column("dropped", Integer, nullable=False, server_default=text("0")),
    Column("since", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("simulcast_targets_live", "live_id"),
    Index("simulcast_targets_user", "user_id"),
)

# Planned lives: what viewers read, and what the leader looks for. They follow the log; ``revision``
# counts the plan's events that a row has, ``unsettled`` changes that are under way.
plans = Table(
    "plans",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("live_id", Uuid(as_uuid=False), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("scheduled_at", DateTime(timezone=True), nullable=False),
    # wanted: not in the log yet.
    Column("state", Text, nullable=False, server_default=text("'wanted'")),
    Column("announced", Boolean, nullable=False, server_default=text("false")),
    # Of the session that it has become.
    Column("video_id", Uuid(as_uuid=False)),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("unsettled", Integer, nullable=False, server_default=text("1")),
    Column(
        "touched_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    CheckConstraint("state in ('wanted', 'planned', 'begun', 'cancelled')", name="plan_state"),
    Index("plans_live", "live_id"),
    Index("plans_user", "user_id", "scheduled_at", postgresql_where=text("state = 'planned'")),
    Index("plans_due", "scheduled_at", postgresql_where=text("state = 'planned'")),
    Index(
        "plans_public",
        "scheduled_at",
        postgresql_where=text("state = 'planned' and visibility = 'public'"),
    ),
    Index("plans_unsettled", "touched_at", postgresql_where=text("unsettled > 0")),
)

# Chats of lives: what must outlast Redis, where the messages of running lives are.
chats = Table(
    "chats",
    metadata,
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    # The owner of the live.
    Column("user_id", Text, nullable=False),
    Column("writable", Boolean, nullable=False, server_default=text("true")),
    Column("slow_seconds", Integer, nullable=False, server_default=text("0")),
    # open: in Redis. kept: its replay is in the bucket. over: nothing of it is left.
    Column("state", Text, nullable=False, server_default=text("'open'")),
    CheckConstraint("state in ('open', 'kept', 'over')", name="chat_state"),
    Index("chats_by_state", "state", "video_id"),
)

# ``scope``: the id of the live in which somebody may not write; empty: in none of the owner's.
chat_bans = Table(
    "chat_bans",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Index("chat_bans_by_user", "user_id"),
)

# Who has written where, so that it can be deleted with their account.
chat_authors = Table(
    "chat_authors",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("video_id", Uuid(as_uuid=False), primary_key=True),
    Index("chat_authors_by_video", "video_id"),
)
