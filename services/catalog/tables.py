"""Tables of the schema ``catalog``: read models, counted views, webhooks.

The read models (``READ_MODELS``) derive from the log alone. Their indexes are named explicitly,
because a rebuild creates the same tables in another schema. ``pending_views`` and ``view_batches``
hold counted views that are not in the log yet.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from shared.event_store.tables import projection_tables

metadata = MetaData(schema="catalog")

checkpoints, parked_events = projection_tables(metadata)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
)

Index("ix_catalog_users_username_key", users.c.username_key)
Index("ix_users_deleted", users.c.id, postgresql_where=users.c.deleted)

videos = Table(
    "videos",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSONB, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("playable", Boolean, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("duration_ms", BigInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("playlist_key", Text),
    Column("dash_key", Text),
    Column("poster_key", Text),
    Column("storyboard_key", Text),
    Column("preview_key", Text),
    Column("renditions", JSONB, nullable=False),
    Column("views", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("search", TSVECTOR, nullable=False),
    # Counted views update these rows often; with free space on the page no index is written.
    postgresql_with={"fillfactor": 80},
)
Index(
    "ix_videos_latest",
    videos.c.created_at.desc(),
    videos.c.id.desc(),
    postgresql_where=videos.c.listed,
)
Index("ix_videos_channel", videos.c.user_id, videos.c.created_at.desc(), videos.c.id.desc())
Index(
    "ix_videos_search",
    videos.c.search,
    postgresql_using="gin",
    postgresql_where=videos.c.listed,
)

video_tags = Table(
    "video_tags",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
Index(
    "ix_video_tags_latest",
    video_tags.c.key,
    video_tags.c.created_at.desc(),
    video_tags.c.video_id.desc(),
    postgresql_where=video_tags.c.listed,
)
Index(
    "ix_video_tags_known",
    video_tags.c.key,
    video_tags.c.created_at,
    video_tags.c.video_id,
    postgresql_where=video_tags.c.public,
)

words = Table("words", metadata, Column("word", Text, primary_key=True))
Index(
    "ix_words_similar",
    words.c.word,
    postgresql_using="gin",
    postgresql_ops={"word": "gin_trgm_ops"},
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("progress", Double, nullable=False),
    Column("playable", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    postgresql_with={"fillfactor": 70},
)
Index("ix_jobs_owner", jobs.c.user_id, jobs.c.created_at.desc(), jobs.c.id.desc())

feed = Table(
    "feed",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("video_id", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("data", JSONB, nullable=False),
)

READ_MODELS: Final = (users, videos, video_tags, words, jobs, feed)

pending_views = Table(
    "pending_views",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column(
        "since",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    postgresql_with={"fillfactor": 50},
)

view_batches = Table(
    "view_batches",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("video_id", Text, nullable=False, index=True),
    Column("count", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("types", JSONB, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("rotated_at", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False),
    Column("failing_since", DateTime(timezone=True)),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("last_error", Text),
    Column("delivered_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
Index(
    "ix_webhooks_due",
    webhooks.c.next_attempt_at,
    postgresql_where=webhooks.c.active,
)
