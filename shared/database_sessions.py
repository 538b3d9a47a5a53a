"""What the server is asked to do about sessions whose client has gone silent.

A connection can go silent without being closed: its client gives it up and opens another, but the
server keeps the session, with its transaction and its locks, until TCP gives the connection up,
which takes hours by default.
"""

from typing import Any, Final

# How long a transaction may stay without a statement. A client that is alive sends one far more
# often; its own limits of a wait have passed by then as well.
_SILENT: Final = "15s"
# Until a leader's session ends nobody else leads: it is ended a little after its client gives up.
_SILENT_LEADER: Final = "10s"
# Seconds that any other session may. The server has room for so many sessions only: those of lost
# connections must be gone before the next connections are lost.
_IDLE_SECONDS: Final = 60

POOLED_SECONDS: Final = 45.0
"""Seconds after which a pool closes a connection that nobody used: before the server does."""

_TRANSACTION_SECONDS: Final = 30

STATEMENT_SECONDS: Final = 12
"""Seconds that a statement of a service may take. Setup gives this limit to every role.

It is shorter than a client waits (``shared.database.connect``): a statement that takes too long
fails by itself, and is not taken for a database that has gone silent. The owner's role, with which
migrations and rebuilds work on whole tables, has no limit.
"""
# The first version of PostgreSQL that limits transactions.
_LIMITS_TRANSACTIONS: Final = 17

SESSION: Final = {
    "idle_in_transaction_session_timeout": _SILENT,
    "idle_session_timeout": f"{_IDLE_SECONDS}s",
    # A session that waits for the rest of a statement is idle for neither limit; see below, too.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""For sessions that hold locks only in transactions, and for those that only listen."""

LEADER_SESSION: Final = SESSION | {"idle_session_timeout": _SILENT_LEADER}
"""For a session that holds a lock as long as it lives."""


async def limit_transactions(connection: Any) -> None:
    """Let the server end a transaction of an asyncpg connection that takes longer than 30 s.

    Its session may have gone silent in the middle of a statement while something in between
    answers TCP's keepalives. Older servers than PostgreSQL 17 have no such limit.
    """
    if connection.get_server_version().major >= _LIMITS_TRANSACTIONS:
        await connection.execute(f"set transaction_timeout = '{_TRANSACTION_SECONDS}s'")
