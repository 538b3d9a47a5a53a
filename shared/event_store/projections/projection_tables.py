"""``checkpoints`` and ``parked_events`` of a schema that is known only by its name."""

from typing import Final

from sqlalchemy import TableClause, column, select, table
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import entity_of

# Classes of SQLSTATE that say nothing about the event: a lost connection, a deadlock, a full disk,
# a lock that was not free, a shutdown, an I/O error.
_TRANSIENT: Final = ("08", "40", "53", "55", "57", "58")


def checkpoints_of(schema: str) -> TableClause:
    """Where each projection of a service is."""
    return table("checkpoints", column("name"), column("position"), schema=schema)


def parked_of(schema: str) -> TableClause:
    """What they could not apply."""
    return table(
        "parked_events",
        column("projection"),
        column("position"),
        column("stream_id"),
        column("reason"),
        column("parked_at"),
        schema=schema,
    )


async def lock_checkpoint(connection: AsyncConnection, schema: str, projection: str) -> None:
    """Let the projection wait until this transaction ends.

    Whoever writes a projection's tables takes this lock before any row, so that nobody deadlocks.
    """
    checkpoints = checkpoints_of(schema)
    await connection.execute(
        select(checkpoints.c.position)
        .where(checkpoints.c.name == projection)
        .with_for_update(key_share=True)
    )


def partition(stream_id: str) -> str:
    """What waits together: all streams of one entity, for their events build on each other."""
    return entity_of(stream_id) or stream_id


def reason_of(error: Exception) -> str:
    """What is kept of an error as the reason for parking."""
    return f"{type(error).__name__}: {error}"[:2000]


def is_transient(error: Exception) -> bool:
    """Whether the same event may well be applied later, with nothing changed."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        broken = error.connection_invalidated or isinstance(error, InterfaceError)
        return broken or state.startswith(_TRANSIENT)
    return isinstance(error, OSError)
