"""Tables of the schema ``catalog``: read models, counted views, webhooks.

The read models (``READ_MODELS``) derive from the log alone; ``rows`` declares their columns. Their
indexes are named explicitly, because a rebuild creates the same tables in another schema.
``pending_views`` and ``view_batches`` hold counted views that are not in the log yet.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.types import TypeEngine

from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow, VideoTagRow, VideoTermRow
from shared.event_store.tables import projection_tables

AT_ONCE: Final = "at once"
"""Of an index: a rebuild makes it with the table, and not when all rows are there."""

_COLUMN_TYPES: Final[Mapping[Any, TypeEngine[Any]]] = {
    str: Text(),
    Literal: Text(),
    bool: Boolean(),
    int: BigInteger(),
    float: Double(),
    datetime: DateTime(timezone=True),
    UUID: Uuid(),
    tuple: JSONB(),
    msgspec.Raw: JSONB(),
}


def columns(
    row: type[msgspec.Struct], *, key: Sequence[str] = ("id",), **types: TypeEngine[Any]
) -> list[Column[Any]]:
    """A column for each field of a row; nullable if the field may be None.

    ``key`` names the primary key. ``types`` overrides the column types of fields.
    """
    made: list[Column[Any]] = []
    for field in msgspec.structs.fields(row):
        is_union = get_origin(field.type) in {Union, UnionType}
        options = get_args(field.type) if is_union else (field.type,)
        (kind,) = (option for option in options if option is not NoneType)
        made.append(
            Column(
                field.name,
                types.get(field.name) or _COLUMN_TYPES[get_origin(kind) or kind],
                primary_key=field.name in key,
                nullable=NoneType in options,
            )
        )
    return made


metadata = MetaData(schema="catalog")

checkpoints, parked_events = projection_tables(metadata)

users = Table("users", metadata, *columns(UserRow))

Index("ix_catalog_users_username_key", users.c.username_key)
Index("ix_users_deleted", users.c.id, postgresql_where=users.c.deleted)

videos = Table(
    "videos",
    metadata,
    *columns(VideoRow, width=Integer(), height=Integer(), search=TSVECTOR()),
    # Counted views update these rows often; with free space on the page no index is written.
    postgresql_with={"fillfactor": 80},
)
Index(
    "ix_videos_latest",
    videos.c.created_at.desc(),
    videos.c.id.desc(),
    postgresql_where=videos.c.listed,
)
# Running lives: a few among all videos.
Index(
    "ix_videos_live",
    videos.c.created_at.desc(),
    videos.c.id.desc(),
    postgresql_where=text("status = 'live' AND NOT live_ended"),
)
Index(
    "ix_videos_publish_at",
    videos.c.publish_at,
    postgresql_where=videos.c.publish_at.is_not(None),
)
Index(
    "ix_videos_captions_found",
    videos.c.id,
    postgresql_where=text("captions_found <> '[]'::jsonb"),
)
Index("ix_videos_delete_at", videos.c.delete_at, postgresql_where=videos.c.delete_at.is_not(None))
Index(
    "ix_videos_bin",
    videos.c.user_id,
    videos.c.delete_at.desc(),
    videos.c.id.desc(),
    postgresql_where=videos.c.delete_at.is_not(None),
)
Index("ix_videos_channel", videos.c.user_id, videos.c.created_at.desc(), videos.c.id.desc())
Index(
    "ix_videos_search",
    videos.c.search,
    postgresql_using="gin",
    postgresql_where=videos.c.listed,
)

video_tags = Table("video_tags", metadata, *columns(VideoTagRow, key=("video_id", "key")))
Index(
    "ix_video_tags_latest",
    video_tags.c.key,
    video_tags.c.created_at.desc(),
    video_tags.c.video_id.desc(),
    postgresql_where=video_tags.c.listed,
)
Index(
    "ix_video_tags_shown",
    video_tags.c.key,
    video_tags.c.created_at,
    video_tags.c.video_id,
    postgresql_where=video_tags.c.listed,
)

video_terms = Table(
    "video_terms",
    metadata,
    *columns(
        VideoTermRow,
        # The index of a key would be as large as the table.
        key=(),
        # Words that begin alike are neighbours, in the order of no language.
        term=Text(collation="C"),
        score=Integer(),
    ),
)
# A rebuild deletes by it, too.
Index("ix_video_terms_video", video_terms.c.video_id, info={AT_ONCE: True})
Index(
    "ix_video_terms_best",
    video_terms.c.term,
    video_terms.c.score.desc(),
    video_terms.c.video_id.desc(),
)

words = Table(
    "words",
    metadata,
    Column("word", Text, primary_key=True),
    # The newest version of the fold that made the word; older releases set none.
    Column("fold", Integer, nullable=False, server_default=text("0")),
)
Index(
    "ix_words_similar",
    words.c.word,
    postgresql_using="gin",
    postgresql_ops={"word": "gin_trgm_ops"},
)

jobs = Table(
    "jobs",
    metadata,
    *columns(JobRow, attempt=Integer()),
    postgresql_with={"fillfactor": 70},
)
Index("ix_jobs_owner", jobs.c.user_id, jobs.c.created_at.desc(), jobs.c.id.desc())

feed = Table("feed", metadata, *columns(FeedRow, key=("user_id", "position")))

READ_MODELS: Final = (users, videos, video_tags, video_terms, words, jobs, feed)

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

# Who has viewed what today, and how often each address has: hashes, kept for two days.
viewers = Table(
    "viewers",
    metadata,
    Column("viewer", LargeBinary, primary_key=True),
    Column("day", Date, nullable=False, index=True),
)

viewing_addresses = Table(
    "viewing_addresses",
    metadata,
    Column("address", LargeBinary, primary_key=True),
    Column("day", Date, nullable=False, index=True),
    Column("count", BigInteger, nullable=False),
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
    # When the user's feed last grew; null where everything in it was delivered.
    Column("pending_at", DateTime(timezone=True), server_default=text("clock_timestamp()")),
)
Index(
    "ix_webhooks_pending",
    webhooks.c.next_attempt_at,
    postgresql_where=webhooks.c.active & webhooks.c.pending_at.is_not(None),
)
