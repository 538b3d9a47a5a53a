"""The read models, checkpoints, and views that are not in the log yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_read_models"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema="catalog",
    )
    op.create_table(
        "feed",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("video_id", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "position"),
        schema="catalog",
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("playable", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="catalog",
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_jobs_owner",
        "jobs",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="catalog",
    )
    op.create_table(
        "parked_events",
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "parked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("projection", "position"),
        schema="catalog",
    )
    op.create_index(
        op.f("ix_catalog_parked_events_stream_id"),
        "parked_events",
        ["stream_id"],
        unique=False,
        schema="catalog",
    )
    op.create_table(
        "pending_views",
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("video_id"),
        schema="catalog",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_key", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="catalog",
    )
    op.create_index(
        op.f("ix_catalog_users_username_key"),
        "users",
        ["username_key"],
        unique=False,
        schema="catalog",
    )
    op.create_table(
        "video_tags",
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("video_id", "key"),
        schema="catalog",
    )
    op.create_index(
        "ix_video_tags_known",
        "video_tags",
        ["key", "created_at", "video_id"],
        unique=False,
        schema="catalog",
        postgresql_where="public",
    )
    op.create_index(
        "ix_video_tags_latest",
        "video_tags",
        ["key", sa.literal_column("created_at DESC"), sa.literal_column("video_id DESC")],
        unique=False,
        schema="catalog",
        postgresql_where="listed",
    )
    op.create_table(
        "videos",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("playable", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("playlist_key", sa.Text(), nullable=True),
        sa.Column("dash_key", sa.Text(), nullable=True),
        sa.Column("poster_key", sa.Text(), nullable=True),
        sa.Column("storyboard_key", sa.Text(), nullable=True),
        sa.Column("preview_key", sa.Text(), nullable=True),
        sa.Column("renditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("views", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("search", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="catalog",
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_videos_channel",
        "videos",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="catalog",
    )
    op.create_index(
        "ix_videos_latest",
        "videos",
        [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="catalog",
        postgresql_where="listed",
    )
    op.create_index(
        "ix_videos_search",
        "videos",
        ["search"],
        unique=False,
        schema="catalog",
        postgresql_using="gin",
        postgresql_where="listed",
    )
    op.create_table(
        "view_batches",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("video_id", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
        schema="catalog",
    )
    op.create_index(
        op.f("ix_catalog_view_batches_video_id"),
        "view_batches",
        ["video_id"],
        unique=False,
        schema="catalog",
    )
    op.create_table(
        "words",
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word"),
        schema="catalog",
    )
    op.create_index(
        "ix_words_similar",
        "words",
        ["word"],
        unique=False,
        schema="catalog",
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
