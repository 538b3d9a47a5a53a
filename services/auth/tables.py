"""Tables of the schema ``auth``: personal data and secrets, which never enter the log.

Deleting an account deletes its row, and with it sessions, refresh tokens and idempotency keys.
"""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="auth")

accounts = Table(
    "accounts",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("default_visibility", Text, nullable=False, server_default=text("'public'")),
)

_account = "auth.accounts.user_id"

# How usernames look (UTS 39). Accounts that were made before this table may look alike.
username_skeletons = Table(
    "username_skeletons",
    metadata,
    Column("skeleton", Text, primary_key=True),
    Column(
        "user_id",
        Text,
        ForeignKey(_account, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    # The rules by which it was made (``names.RULES``).
    Column("rules", Integer, nullable=False, server_default=text("1")),
)

# Open sessions: ending one deletes its row.
sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey(_account, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("user_agent", Text, nullable=False),
)

# Used tokens stay until they expire, so that a second use is noticed.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column(
        "session_id",
        Text,
        ForeignKey("auth.sessions.session_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("used_at", DateTime(timezone=True), nullable=True),
    Column("siblings", Integer, nullable=False),
)

# Ended sessions whose access tokens may not have expired.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("ended_at", DateTime(timezone=True), nullable=False, index=True),
)

# The outbox: events committed together with a change of these tables, not yet in the log.
pending_events = Table(
    "pending_events",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("expected_version", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("pending_events_by_user", "user_id", "expected_version", "place"),
)

registrations = Table(
    "registrations",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey(_account, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_x", Text, nullable=False),
    Column("public_y", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("active_at", DateTime(timezone=True), nullable=False, index=True),
)
